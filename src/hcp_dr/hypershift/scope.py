"""What the journal may dictate. Undoing applies to the world what was remembered: records, Routes, replicas, pauses.
The journal may come from the bucket, so each such value is read here, where it is held to what is this hosted cluster's
own: its namespaces, its names, its instances, the Deployments that the tool stops.

A value beyond that is refused whole, with whatever else its step would do. Pure: what is this cluster's own is looked
up on the clusters by who calls, and never taken from the journal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hcp_dr.aws.port import Instance, Record
from hcp_dr.engine.journal import Memory
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import NotOurs
from hcp_dr.hypershift.dns.records import ADDRESSES, fixed_names, from_json, names_in, names_kept_by, ownerships
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import ROUTE
from hcp_dr.model import Case
from hcp_dr.objects.naming import is_name
from hcp_dr.objects.reading import dig
from hcp_dr.upstream import INSTANCE_TAGS, LOCAL_DOMAIN

MOST_REPLICAS = 10
"""HyperShift asks for three of anything at most."""
LONGEST_LIFE = 7 * 24 * 3600
"""Seconds: the largest TTL that is put back."""
_OWNER = re.compile(r"[^\s,\"]{1,200}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}", re.ASCII)
_LABEL = 63
_SHORT = 53
"""Of a Route's generated name, what HyperShift keeps where the whole is too long; a hash follows."""
_HASH = re.compile(r"-[0-9a-f]{8}", re.ASCII)


def beyond(what: str) -> NotOurs:
    """The refusal; `what` begins with the name of the value and says what of it is not this hosted cluster's."""
    return NotOurs(
        what=f"The journal holds what is not this hosted cluster's to have: {what}.",
        left=Untouched("Nothing of this step was done."),
        todo="Find out who wrote that: the journal may have come from the bucket. The true one is in the folder of the "
        "machine that began, or beside this one as journal.jsonl.before; run the command there, with --backup.",
    )


@dataclass(frozen=True, slots=True)
class Own:
    """The names that are a hosted cluster's own. `fixed` are those of its services, `apps` the domain of what runs in
    it, "" where it has none. `domain` is the relocation's; `filters` are the domains for which the source's
    external-dns makes records, "" for all of them."""

    namespace: str  # of the control plane
    fixed: frozenset[str]
    domain: str
    apps: str = ""
    filters: tuple[str, ...] = ("",)

    def may_be_host(self, route: str, host: str) -> bool:
        """Of that Route: a fixed name, one that is made from the Route's own, or one of which nobody makes a record."""
        if host in self.fixed or not self.is_published(host):
            return True
        whole, label = f"{route}-{self.namespace}", host.partition(".")[0]
        short = len(whole) >= _LABEL and label.startswith(whole[:_SHORT]) and _HASH.fullmatch(label[_SHORT:])
        own = label == whole or bool(short) or host.endswith(LOCAL_DOMAIN)
        return own or bool(self.apps and under(host, self.apps))

    def is_published(self, host: str) -> bool:
        return any(not domain or under(host, domain) for domain in self.filters)


def own(case: Case, hosted_cluster: Object | None, filters: Collection[str] = ()) -> Own:
    """By the HostedCluster as a cluster or the backup has it: without one no name is known to be its own. `filters` are
    those of the source's external-dns, none where it has none or is gone."""
    base = str(dig(hosted_cluster, "spec", "dns", "baseDomain") or "")
    return Own(
        namespace=case.control_plane_namespace,
        fixed=fixed_names(hosted_cluster) if hosted_cluster else frozenset(),
        domain=case.domain,
        apps=f"{case.name}.{base}" if base else "",
        filters=tuple(part.strip().strip(".").lower() for each in filters for part in each.split(",")) or ("",),
    )


def under(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def routes(memory: Memory, mine: Own) -> dict[str, Object]:
    """`routes`: Routes by name, as they were before they were taken away."""
    found = _mapping(memory, "routes")
    for name, body in found.items():
        is_route = dig(body, "apiVersion") == ROUTE.api_version and dig(body, "kind") == ROUTE.kind
        if not is_route or not is_name(name) or dig(body, "metadata", "name") != name:
            raise beyond(f"routes has {name!r}, which is no Route of that name")
        if dig(body, "metadata", "namespace") != mine.namespace:
            raise beyond(f"routes has Route {dig(body, 'metadata', 'namespace')!r}/{name}, not in {mine.namespace}")
        for host in names_in(str(dig(body, "spec", "host") or "")):
            if not mine.may_be_host(name, host):
                raise beyond(f"routes has Route {name} with host {host!r}, not among {_told(mine.fixed)}")
    return found


def hostnames(memory: Memory, mine: Own) -> dict[str, str]:
    """`service_hostnames`: the annotation of Services, by name."""
    found = _mapping(memory, "service_hostnames")
    for name, text in found.items():
        odd = [host for host in sorted(names_in(str(text))) if host not in mine.fixed and mine.is_published(host)]
        if not is_name(name) or not isinstance(text, str) or odd:
            raise beyond(f"service_hostnames has {name!r} with {text!r}, not among {_told(mine.fixed)}")
    return found


def image(memory: Memory, key: str, mine: Own, *, published: bool = False) -> Mapping[str, Any] | None:
    """`dns_image` or `dns_held`: records at the hosted cluster's names, and the owner who kept them for its control
    plane. `published` says that names count which its Routes and Services had."""
    value = memory.mapping(key)
    if value is None:
        return None
    owner = value.get("owner")
    if not isinstance(owner, str) or not _OWNER.fullmatch(owner):
        raise beyond(f"{key} has the owner {owner!r}")
    names = mine.fixed | (_published(memory, mine) if published else frozenset())
    for each in value.get("records") or ():
        try:
            record = from_json(each)
        except (KeyError, TypeError, AttributeError, IndexError):
            raise beyond(f"{key} has {each!r}, which is no record") from None
        if not _may_be_record(record, names, mine, owner):
            raise beyond(f"{key} has {record.type} {record.name!r}, not at {_told(names)}")
    return value


def _published(memory: Memory, mine: Own) -> frozenset[str]:
    hosts = [names_in(str(dig(body, "spec", "host") or "")) for body in routes(memory, mine).values()]
    return frozenset[str]().union(*hosts, *(names_in(text) for text in hostnames(memory, mine).values()))


def _may_be_record(record: Record, names: frozenset[str], mine: Own, owner: str) -> bool:
    lives = record.ttl is None or (type(record.ttl) is int and 0 <= record.ttl <= LONGEST_LIFE)
    text = all(isinstance(value, str) for value in (record.name, record.type, *record.values))
    if not (lives and text and under(record.name, mine.domain)):
        return False
    if record.type in ADDRESSES:
        return record.name in names
    claims = ownerships((record,)) if record.type == "TXT" and len(record.values) == 1 else ()
    kept = [claim for claim in claims if (claim.owner, claim.namespace) == (owner, mine.namespace)]
    return bool(kept) and not names.isdisjoint(names_kept_by(record.name))


def replicas(memory: Memory, key: str, names: Collection[str]) -> dict[str, int] | None:
    """`replicas_before`, `operator_before`, `destination_operator_before`: how many pods these Deployments had."""
    if memory.mapping(key) is None:
        return None
    found = _mapping(memory, key)
    for name, count in found.items():
        if name not in names or type(count) is not int or not 0 <= count <= MOST_REPLICAS:
            raise beyond(
                f"{key} has {name!r} with {count!r} replicas; the tool stops {_told(names)}, of which there "
                f"are {MOST_REPLICAS} at most"
            )
    return found


def pauses(memory: Memory) -> Mapping[str, Any] | None:
    """`paused_before`: pausedUntil of HostedCluster, NodePools and what they spread to, and which machine objects were
    held, by kind and name. Only what is there now, in the hosted cluster's namespaces, is asked for."""
    if memory.mapping("paused_before") is None:
        return None
    for part, values in _mapping(memory, "paused_before").items():
        if part not in ("asked", "reached", "machines") or not isinstance(values, Mapping):
            raise beyond(f"paused_before has {values!r} for {part!r}")
        for key, value in values.items():
            if not (isinstance(value, bool) if part == "machines" else value is None or _is_word(value)):
                raise beyond(f"paused_before has {value!r} for {part} {key!r}")
    return memory.mapping("paused_before")


def marks(memory: Memory) -> Mapping[str, Any] | None:
    """`marks_before`: what the two ConfigMaps said that mark the hosted cluster."""
    if memory.mapping("marks_before") is None:
        return None
    found = _mapping(memory, "marks_before")
    for name, data in found.items():
        values = data.values() if isinstance(data, Mapping) else () if data is None else (data,)
        if not all(isinstance(value, str) for value in values) or isinstance(data, str):
            raise beyond(f"marks_before has no words for {name!r}")
    return found


def changed(memory: Memory, case: Case, kinds: Collection[str]) -> dict[str, tuple[str, str, str]]:
    """`changed`: kind, namespace and name of what changed between export and fence, by its file."""
    found = {}
    for file, place in _mapping(memory, "changed").items():
        whole = isinstance(place, list | tuple) and len(place) == 3 and all(isinstance(each, str) for each in place)
        kind, namespace, name = place if whole else ("", "", "")
        if kind not in kinds or namespace not in (case.namespace, case.control_plane_namespace) or not is_name(name):
            raise beyond(f"changed has {place!r} for {file!r}")
        found[file] = (kind, namespace, name)
    return found


def identifier(value: object) -> str | None:
    """The id of a fence or an online backup, which is in the name of a file in etcd's pod; None where there is none."""
    if value is None:
        return None
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise beyond(f"the id of its fence is {value!r}")
    return value


def protection(memory: Memory) -> dict[str, bool] | None:
    """`protection`: whether instances were protected, by id. Whose they are `must_be_own` says."""
    if memory.mapping("protection") is None:
        return None
    found = _mapping(memory, "protection")
    for name, on in found.items():
        if not _ID.fullmatch(name) or not isinstance(on, bool):
            raise beyond(f"protection has {name!r} with {on!r}")
    return found


def is_tagged(instance: Instance, infra_id: str) -> bool:
    """As Cluster API and HyperShift tag what they make for a hosted cluster."""
    return bool(infra_id) and any(f"{prefix}{infra_id}" in instance.tags for prefix in INSTANCE_TAGS)


def must_be_own(instances: Iterable[Instance], machines: Collection[str], infra_id: str) -> None:
    """`machines` are instance ids by the hosted cluster's AWSMachines, `infra_id` is that of its HostedCluster, ""
    where it has none. Raises NotOurs for an instance that neither says to be its own."""
    odd = [e.instance_id for e in instances if e.instance_id not in machines and not is_tagged(e, infra_id)]
    if odd:
        raise beyond(f"protection has {_told(odd)}, and no AWSMachine or tag says that this is its own instance")


def _mapping(memory: Memory, key: str) -> dict[str, Any]:
    value = memory.values.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise beyond(f"{key} is {value!r}")
    return {str(name): each for name, each in (value or {}).items()}


def _is_word(value: object) -> bool:
    """true, false, or a moment: pausedUntil is a short word."""
    return isinstance(value, str) and len(value) <= _LABEL and value.isprintable()


def _told(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "(none)"
