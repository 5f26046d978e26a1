"""external-dns of one management cluster: from Routes and Services to records with its owner ID.

Settings come from the arguments of the Deployment, as read by the product. external-dns runs while a pod of the
Deployment is Ready. The cache of owners (`--txt-cache-interval`) ends with the pod.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.installed_dns import NAME, NAMESPACE
from hcp_dr_lab.ground.network.routing import HOSTNAME_ANNOTATION, is_admitted
from hcp_dr_lab.ground.record_sets import Change, RecordSet
from hcp_dr_lab.standin.shape import deleting
from hcp_dr_lab.standin.view import is_ready
from hcp_dr_lab.tabletop.aws import Records, Refusal
from hcp_dr_lab.tabletop.clock import NEVER, Clock
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Key

TTL = 300
_OWNER = re.compile(r"external-dns/owner=([^,\"]+)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TYPES = ("A", "AAAA", "CNAME")
_PRIVATE = ("hypershift.openshift.io/route-visibility", "private")


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of the flags; durations in seconds. `by_events` is the minimum time between two event-driven syncs,
    None if external-dns syncs only at intervals."""

    owner: str
    domain: str
    suffix: str
    interval: float
    by_events: float | None
    cache: float
    between_batches: float
    deletes: bool = True
    writes: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """A desired name, its target, and the object."""

    name: str
    target: str
    resource: str


class ExternalDns:
    """One process at a time; its state belongs to its pod."""

    def __init__(self, server: ApiServer, records: Records, zone_id: str, clock: Clock) -> None:
        self._server = server
        self._records = records
        self._zone_id = zone_id
        self._clock = clock
        self._seen = -1
        self._pod = ""
        self._settings: Settings | None = None
        self._next = 0.0
        self._last = 0.0
        self._known: list[RecordSet] | None = None  # the zone at the last read
        self._looked = 0.0

    def due(self) -> float:
        changed = self._seen != self._server.store.revision
        settings = self._settings
        if settings is None:
            return self._last + 0.5 if changed else NEVER
        soon = self._last + settings.by_events if changed and settings.by_events is not None else NEVER
        return min(self._next, soon)

    def turn(self) -> None:
        store, before, now = self._server.store, self._seen, self._clock.now()
        self._seen, self._last = store.revision, now
        pod = self._find_pod()
        if pod is None:
            self._settings, self._pod, self._known = None, "", None
            return
        if pod["metadata"]["uid"] != self._pod:
            self._pod, self._known, self._settings = pod["metadata"]["uid"], None, settings(pod)
        assert self._settings is not None  # noqa: S101 - set just now
        due = now >= self._next
        sources = {str(r.ROUTE), str(r.SERVICE)}
        if not due and before >= 0 and not any(change.key.kind in sources for change in store.since(before)):
            return
        if due:
            self._next = now + self._settings.interval
        self._synchronize(self._settings)

    def _find_pod(self) -> Object | None:
        found = self._server.store.get(Key(str(r.DEPLOYMENT), NAMESPACE, NAME))
        if found is None:
            return None
        chosen = found.object["spec"]["selector"].get("matchLabels", {}).items()
        for entry in self._server.store.list(str(r.POD), NAMESPACE):
            if chosen <= (entry.object["metadata"].get("labels") or {}).items() and is_ready(entry.object):
                return entry.object if isinstance(entry.object, dict) else None
        return None

    def _synchronize(self, settings: Settings) -> None:
        listing = self._listing(settings)
        present = {record.name.removesuffix("."): record for record in listing if record.type in _TYPES}
        owners = _owners(listing, settings)
        wanted = {each.name: each for each in self._wanted() if _under(each.name, settings.domain)}
        changes: list[Change] = []
        for name, each in wanted.items():
            if name not in present and name not in owners:
                changes += [Change("CREATE", record) for record in _records(each, settings)]
            elif owners.get(name) == settings.owner and name in present and present[name].values != (each.target,):
                changes += [Change("UPSERT", record) for record in _records(each, settings)]
        for name, owner in owners.items():
            if owner == settings.owner and name not in wanted and settings.deletes:
                changes += _removal(name, settings, listing)
        if not (changes and settings.writes):
            return
        try:
            self._records.change(self._zone_id, changes)
        except Refusal:
            self._known = None
            return
        touched = {(change.record_set.name, change.record_set.type) for change in changes}
        kept = [record for record in listing if (record.name, record.type) not in touched]
        self._known = kept + [change.record_set for change in changes if change.action != "DELETE"]

    def _listing(self, settings: Settings) -> list[RecordSet]:
        """Return the zone, from the cache while the cache is valid."""
        now = self._clock.now()
        if self._known is None or now - self._looked >= settings.cache:
            zone = next(zone for zone in self._records.zones() if zone.zone_id == self._zone_id)
            self._known, self._looked = zone.listing, now
        return self._known

    def _wanted(self) -> Iterator[Wanted]:
        store = self._server.store
        for entry in store.list(str(r.ROUTE)):
            route = entry.object
            if _visible(route) and is_admitted(route):
                target = route["status"]["ingress"][0]["routerCanonicalHostname"]
                yield Wanted(route["spec"]["host"].lower(), target, f"route/{entry.key.namespace}/{entry.key.name}")
        for entry in store.list(str(r.SERVICE)):
            service = entry.object
            name = (service["metadata"].get("annotations") or {}).get(HOSTNAME_ANNOTATION)
            ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
            target = ingress[0].get("hostname")
            if name and target and _visible(service) and service["spec"].get("type") == "LoadBalancer":
                yield Wanted(name.lower(), target, f"service/{entry.key.namespace}/{entry.key.name}")


def _owners(listing: list[RecordSet], settings: Settings) -> dict[str, str]:
    """Return the owner IDs by name."""
    owners = {}
    for record in listing:
        label, _, rest = record.name.removesuffix(".").partition(".")
        found = _OWNER.search("".join(record.values)) if record.type == "TXT" else None
        if found and label.endswith(settings.suffix):
            label = label.removesuffix(settings.suffix)
            kind, _, bare = label.partition("-")
            owners[f"{bare if kind.upper() in _TYPES and bare else label}.{rest}"] = found[1]
    return owners


def settings(pod: Object) -> Settings:
    """Parse the arguments of the container."""
    flags: dict[str, str] = {}
    for word in pod["spec"]["containers"][0].get("args") or ():
        name, _, value = word.removeprefix("--").partition("=")
        flags[name] = value
    by_events = seconds(flags.get("min-event-sync-interval", "5s")) if "events" in flags else None
    return Settings(
        owner=flags.get("txt-owner-id", "default"),
        domain=flags.get("domain-filter", ""),
        suffix=flags.get("txt-suffix", ""),
        interval=seconds(flags.get("interval", "1m")),
        by_events=by_events,
        cache=seconds(flags.get("txt-cache-interval", "0s")),
        between_batches=seconds(flags.get("aws-batch-change-interval", "1s")),
        deletes=flags.get("policy", "sync") == "sync",
        writes="dry-run" not in flags,
    )


def seconds(duration: str) -> float:
    """Parse a duration such as 1m30s."""
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(duration))


def _visible(found: Object) -> bool:
    label, value = _PRIVATE
    return not deleting(found) and (found["metadata"].get("labels") or {}).get(label) != value


def _under(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _records(wanted: Wanted, settings: Settings) -> list[RecordSet]:
    text = f'"heritage=external-dns,external-dns/owner={settings.owner},external-dns/resource={wanted.resource}"'
    return [
        RecordSet(f"{wanted.name}.", "CNAME", TTL, (wanted.target,)),
        RecordSet(f"{_text_name(wanted.name, settings)}.", "TXT", TTL, (text,)),
    ]


def _text_name(name: str, settings: Settings) -> str:
    label, _, rest = name.partition(".")
    return f"cname-{label}{settings.suffix}.{rest}"


def _removal(name: str, settings: Settings, listing: list[RecordSet]) -> list[Change]:
    names = {f"{name}.": _TYPES, f"{_text_name(name, settings)}.": ("TXT",)}
    return [Change("DELETE", record) for record in listing if record.type in names.get(record.name, ())]
