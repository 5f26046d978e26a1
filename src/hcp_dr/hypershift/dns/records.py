"""The records that a hosted cluster owns in the zone on one side: found through external-dns's TXT ownership, by exact
name, never by counting lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from hcp_dr.aws.port import Record
from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import dig

SUFFIX = "-external-dns"
HOLDER = "hcp-dr-"
"""The beginning of the owner ID of names in a handover; the backup id follows."""
ADDRESSES = ("A", "AAAA", "CNAME")
_TYPES = ("a", "aaaa", "cname")
_OWNER = re.compile(r"external-dns/owner=([^,\"]+)")
_RESOURCE = re.compile(r"external-dns/resource=([^,\"]+)")


Published = Mapping[str, frozenset[str]]
"""The hostnames published by an object, by kind/namespace/name in the form of external-dns."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """The content of a TXT record: the owner of a name, and the object (kind/namespace/name) that published it."""

    names: tuple[str, ...]
    owner: str
    resource: str
    txt: Record

    @property
    def namespace(self) -> str:
        parts = self.resource.split("/")
        return parts[1] if len(parts) == 3 else ""


def names_in(text: str) -> frozenset[str]:
    """The names in a Route's host or in the hostname annotation, which may list several."""
    return frozenset(plain for each in text.split(",") if (plain := each.strip().rstrip(".").lower()))


def fixed_names(hosted_cluster: Object) -> frozenset[str]:
    """The fixed names of all services of a hosted cluster."""
    strategies = (
        dig(entry, "servicePublishingStrategy") or {} for entry in dig(hosted_cluster, "spec", "services") or ()
    )
    how = (value for strategy in strategies for value in strategy.values() if isinstance(value, Mapping))
    return frozenset[str]().union(*(names_in(str(value.get("hostname") or "")) for value in how))


def names_kept_by(txt_name: str) -> tuple[str, ...]:
    """The name behind a TXT record of external-dns: <label>-external-dns.<rest> in the old form,
    <type>-<label>-external-dns.<rest> in the new form. If both readings are possible, external-dns takes the new form,
    so that comes first here. Empty for any other record."""
    label, _, rest = txt_name.partition(".")
    if not label.endswith(SUFFIX) or not rest:
        return ()
    label = label.removesuffix(SUFFIX)
    kind, dash, bare = label.partition("-")
    readings = (bare, label) if dash and kind in _TYPES and bare else (label,)
    return tuple(f"{reading}.{rest}" for reading in readings)


def ownerships(records: Iterable[Record]) -> tuple[Ownership, ...]:
    claims = []
    for record in records:
        names = names_kept_by(record.name) if record.type == "TXT" else ()
        text = "".join(record.values) if names else ""
        if "heritage=external-dns" not in text:
            continue
        owner, resource = _OWNER.search(text), _RESOURCE.search(text)
        if owner:
            claims.append(Ownership(names, owner[1], resource[1] if resource else "", record))
    return tuple(claims)


def owned(
    records: Iterable[Record], owners: AbstractSet[str], namespace: str, published: Published | None = None
) -> tuple[Record, ...]:
    """The records of these owners for objects of this namespace: the TXT records and their address records. A name that
    a TXT record of another owner may refer to, in either form, belongs to that owner.

    With `published`, a name counts only if the object in its TXT record has published that very name: deleting records
    needs this certainty. It also decides between the two readings of a TXT record."""
    records = tuple(records)
    claims = ownerships(records)
    mine = [o for o in claims if o.owner in owners and o.namespace == namespace]
    theirs = {name for o in claims if o not in mine for name in o.names}
    about = {o.txt: _about(o, published) for o in mine}
    names = set(about.values()) - theirs - {None}
    texts = (o.txt for o in mine if published is None or about[o.txt] in names)
    return (*texts, *(r for r in records if r.name in names and r.type.lower() in _TYPES))


def kept_at(
    records: Iterable[Record], owners: AbstractSet[str], namespace: str, hostnames: Collection[str]
) -> tuple[Record, ...]:
    """The part of `owned` at exactly these names, published by any object."""
    records = tuple(records)
    published = {claim.resource: frozenset(hostnames) for claim in ownerships(records)}
    return owned(records, owners, namespace, published)


def _about(claim: Ownership, published: Published | None) -> str | None:
    if published is None:
        return claim.names[0]
    return next((name for name in claim.names if name in published.get(claim.resource, ())), None)


def owners_of(records: Iterable[Record], hostname: str) -> frozenset[str]:
    """The owner IDs in TXT records for this very name."""
    return frozenset(o.owner for o in ownerships(records) if hostname in o.names)


def orphaned_owners(
    records: Iterable[Record], namespace: str, hostnames: Collection[str], living: AbstractSet[str]
) -> frozenset[str]:
    """Owner IDs at these names, in TXT records for objects of this namespace, that no external-dns of either side has:
    `hypershift install` without --external-dns-txt-owner-id sets another one each time. No owner of a name that another
    owner claims too, and none of a handover."""
    claims = ownerships(records)
    claimants: dict[str, set[str]] = {}
    for claim in claims:
        for name in claim.names:
            claimants.setdefault(name, set()).add(claim.owner)
    return frozenset(
        claim.owner
        for claim in claims
        if claim.namespace == namespace
        and claim.owner not in living
        and not claim.owner.startswith(HOLDER)
        and any(name in hostnames and claimants[name] == {claim.owner} for name in claim.names)
    )


def strangers_at(records: Iterable[Record], kept: Collection[Record], hostnames: Collection[str]) -> tuple[Record, ...]:
    """Address records at these names that are not among `kept`: of another owner, or without owner."""
    return tuple(r for r in records if r.name in hostnames and r.type.lower() in _TYPES and r not in kept)
