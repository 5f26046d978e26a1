"""Limits what the journal may dictate. Undoing writes remembered values to the clusters and DNS: records, Routes,
replicas, pauses. The journal may come from the bucket, so each such value is read here and checked against the hosted
cluster's own: its namespaces, its names, its instances, the Deployments that hcp-dr stops.

A value beyond these is refused, with every other action of its step. Pure: the caller reads the cluster's own names
from the clusters, never from the journal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hcp_dr.aws.port import Instance, Record
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Key, refusal
from hcp_dr.hypershift.dns.records import ADDRESSES, fixed_names, names_in, names_kept_by, ownerships
from hcp_dr.hypershift.state import (
    CHANGED,
    FENCE,
    ONLINE,
    PAUSED_BEFORE,
    PROTECTION,
    ROUTES,
    SERVICE_HOSTNAMES,
    SNAPSHOT_MOVED,
    PausedBefore,
    RecordImage,
)
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import ROUTE
from hcp_dr.model import Case
from hcp_dr.objects.naming import is_name, moved_snapshot_key, number_of_snapshot
from hcp_dr.objects.reading import dig
from hcp_dr.upstream import INSTANCE_TAGS, LOCAL_DOMAIN

MOST_REPLICAS = 10
"""HyperShift uses three replicas of a Deployment at most."""
LONGEST_LIFE = 7 * 24 * 3600
"""Seconds: the largest TTL that undoing restores."""
_OWNER = re.compile(r"[^\s,\"]{1,200}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}", re.ASCII)
_LABEL = 63
_SHORT = 53
"""How much of a Route's generated name HyperShift keeps if the name is too long; a hash follows."""
_HASH = re.compile(r"-[0-9a-f]{8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Own:
    """The DNS names of a hosted cluster. `fixed` are the names of its services, `apps` the domain of its workloads, ""
    if there is none. `domain` is the relocation's; `filters` are the domains of the source's external-dns, "" for all
    domains."""

    namespace: str  # of the control plane
    fixed: frozenset[str]
    domain: str
    apps: str = ""
    filters: tuple[str, ...] = ("",)

    def may_be_host(self, route: str, host: str) -> bool:
        """Whether the Route may have the host: a fixed name, a name made from the Route's, or a name without record."""
        if host in self.fixed or not self.is_published(host):
            return True
        full_name, label = f"{route}-{self.namespace}", host.partition(".")[0]
        short = len(full_name) >= _LABEL and label.startswith(full_name[:_SHORT]) and _HASH.fullmatch(label[_SHORT:])
        own = label == full_name or bool(short) or host.endswith(LOCAL_DOMAIN)
        return own or bool(self.apps and under(host, self.apps))

    def is_published(self, host: str) -> bool:
        return any(not domain or under(host, domain) for domain in self.filters)


def own(case: Case, hosted_cluster: Object | None, filters: Collection[str] = ()) -> Own:
    """The names by the HostedCluster in a cluster or the backup: without a HostedCluster no name is known. `filters`
    are those of the source's external-dns, empty if it has none or is gone."""
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


def routes(memory: RunState, mine: Own) -> dict[str, Object]:
    """`routes`: Routes by name, as before their deletion."""
    remembered = memory.get(ROUTES) or {}
    for name, body in remembered.items():
        is_route = dig(body, "apiVersion") == ROUTE.api_version and dig(body, "kind") == ROUTE.kind
        if not is_route or not is_name(name) or dig(body, "metadata", "name") != name:
            raise refusal(f"routes has {name!r}, which is not a Route of that name")
        if dig(body, "metadata", "namespace") != mine.namespace:
            raise refusal(f"routes has Route {dig(body, 'metadata', 'namespace')!r}/{name}, not in {mine.namespace}")
        for host in names_in(str(dig(body, "spec", "host") or "")):
            if not mine.may_be_host(name, host):
                raise refusal(f"routes has Route {name} with host {host!r}, not among {_join_names(mine.fixed)}")
    return remembered


def hostnames(memory: RunState, mine: Own) -> dict[str, str]:
    """`service_hostnames`: the annotation of Services, by name."""
    remembered = memory.get(SERVICE_HOSTNAMES) or {}
    for name, text in remembered.items():
        foreign = [host for host in sorted(names_in(text)) if host not in mine.fixed and mine.is_published(host)]
        if not is_name(name) or foreign:
            raise refusal(f"service_hostnames has {name!r} with {text!r}, not among {_join_names(mine.fixed)}")
    return remembered


def image(memory: RunState, key: Key[RecordImage], mine: Own, *, published: bool = False) -> RecordImage | None:
    """`dns_image` or `dns_held`: records at the hosted cluster's names, and the owner of the records for its control
    plane. `published`: also allow the names of its former Routes and Services."""
    value = memory.get(key)
    if value is None:
        return None
    owners = (value.owner, *(value.orphaned or ()))
    for owner in owners:
        if not _OWNER.fullmatch(owner):
            raise refusal(f"{key.name} has the owner {owner!r}")
    names = mine.fixed | (_published(memory, mine) if published else frozenset())
    for record in value.records:
        if not _may_be_record(record, names, mine, owners):
            raise refusal(f"{key.name} has {record.type} {record.name!r}, not at {_join_names(names)}")
    return value


def _published(memory: RunState, mine: Own) -> frozenset[str]:
    hosts = [names_in(str(dig(body, "spec", "host") or "")) for body in routes(memory, mine).values()]
    return frozenset[str]().union(*hosts, *(names_in(text) for text in hostnames(memory, mine).values()))


def _may_be_record(record: Record, names: frozenset[str], mine: Own, owners: Collection[str]) -> bool:
    lives = record.ttl is None or 0 <= record.ttl <= LONGEST_LIFE
    if not (lives and under(record.name, mine.domain)):
        return False
    if record.type in ADDRESSES:
        return record.name in names
    claims = ownerships((record,)) if record.type == "TXT" and len(record.values) == 1 else ()
    own_claims = [claim for claim in claims if claim.owner in owners and claim.namespace == mine.namespace]
    return bool(own_claims) and not names.isdisjoint(names_kept_by(record.name))


def replicas(memory: RunState, key: Key[dict[str, int]], names: Collection[str]) -> dict[str, int] | None:
    """`replicas_before`, `operator_before`, `destination_operator_before`: the former replicas of these Deployments."""
    remembered = memory.get(key)
    for name, count in (remembered or {}).items():
        if name not in names or not 0 <= count <= MOST_REPLICAS:
            raise refusal(
                f"{key.name} has {name!r} with {count!r} replicas; hcp-dr stops {_join_names(names)}, with "
                f"{MOST_REPLICAS} replicas at most"
            )
    return remembered


def pauses(memory: RunState) -> PausedBefore | None:
    """`paused_before`. Only existing objects in the hosted cluster's namespaces are looked up in it."""
    remembered = memory.get(PAUSED_BEFORE)
    if remembered is not None:
        for key, value in (*remembered.asked.items(), *remembered.reached.items()):
            if value is not None and not _is_word(value):
                raise refusal(f"{PAUSED_BEFORE.name} has {value!r} for {key!r}")
    return remembered


def changed(memory: RunState, case: Case, kinds: Collection[str]) -> dict[str, tuple[str, str | None, str]]:
    """`changed`: kind, namespace and name of objects changed between export and fence, by file."""
    remembered = memory.get(CHANGED) or {}
    for file, (kind, namespace, name) in remembered.items():
        own = namespace in (case.namespace, case.control_plane_namespace)
        if kind not in kinds or not own or not is_name(name):
            raise refusal(f"{CHANGED.name} has {(kind, namespace, name)!r} for {file!r}")
    return remembered


def snapshot_id(memory: RunState) -> str | None:
    """The id of the online backup or of the fence, part of a file name in etcd's pod; None if there is none."""
    record = memory.get(ONLINE) or memory.get(FENCE)
    if record is not None and not _ID.fullmatch(record.id):
        raise refusal(f"the id of its fence is {record.id!r}")
    return record.id if record else None


def moved_snapshot(memory: RunState, case: Case) -> str | None:
    """`snapshot_moved`: a key of this backup."""
    key = memory.get(SNAPSHOT_MOVED)
    number = number_of_snapshot(key or "")
    if key is not None and (not number or key != moved_snapshot_key(case.key_prefix, number)):
        raise refusal(f"{SNAPSHOT_MOVED.name} is {key!r}, not a key of backup {case.backup_id}")
    return key


def protection(memory: RunState) -> dict[str, bool] | None:
    """`protection`: whether instances were protected, by id. `check_own_instances` checks their owner."""
    remembered = memory.get(PROTECTION)
    for name, on in (remembered or {}).items():
        if not _ID.fullmatch(name):
            raise refusal(f"{PROTECTION.name} has {name!r} with {on!r}")
    return remembered


def is_tagged(instance: Instance, infra_id: str) -> bool:
    """Whether the instance has a tag that Cluster API and HyperShift set for this hosted cluster."""
    return bool(infra_id) and any(f"{prefix}{infra_id}" in instance.tags for prefix in INSTANCE_TAGS)


def check_own_instances(instances: Iterable[Instance], machines: Collection[str], infra_id: str) -> None:
    """`machines` are the instance ids of the hosted cluster's AWSMachines, `infra_id` is from its HostedCluster, "" if
    there is none. Raises NotOurs for an instance with neither."""
    foreign = [e.instance_id for e in instances if e.instance_id not in machines and not is_tagged(e, infra_id)]
    if foreign:
        raise refusal(
            f"protection has {_join_names(foreign)}, but no AWSMachine or tag shows that the instance is its own"
        )


def _is_word(value: str) -> bool:
    """true, false, or a time: pausedUntil is a short word."""
    return len(value) <= _LABEL and value.isprintable()


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "(none)"
