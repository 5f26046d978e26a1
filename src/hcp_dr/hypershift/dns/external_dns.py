"""external-dns of a management cluster, by its Deployment's arguments and variables; its owner ID for DNS names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from hcp_dr.aws.port import Record
from hcp_dr.hypershift.checks import read_one
from hcp_dr.hypershift.dns.records import orphaned_owners, owners_of
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import CONFIG_MAP, DEPLOYMENT, POD
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import annotations_of, dig, flags_of, is_ready_pod, pods_of
from hcp_dr.upstream import EXTERNAL_DNS, OPERATOR_NAMESPACE

_CREDENTIALS = (
    *("AWS_SHARED_CREDENTIALS_FILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_PROFILE"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
)
_ROLE_ANNOTATION = "iam.amazonaws.com/role"
"""Of pods whose credentials come from kube2iam or kiam."""
_VARIABLE = "EXTERNAL_DNS_"
"""The prefix of the variables of external-dns: one for each flag."""
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_TRUE = ("", "1", "t", "true")


@dataclass(frozen=True, slots=True)
class ExternalDns:
    """external-dns of one side, by its Deployment. `owner` is its TXT owner ID."""

    side: Side
    there: bool
    replicas: int = 0  # asked for
    ready: int = 0
    provider: str = ""
    domain_filters: tuple[str, ...] = ()
    owner: str = ""
    cache: str = ""  # --txt-cache-interval
    interval: str = ""
    credentials: bool = False
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # all flags that are set, with their values
    unread: tuple[str, ...] = ()  # objects with flags in the environment that could not be read

    def value(self, flag: str, default: str = "") -> str:
        return next(iter(self.flags.get(flag, ())), default)

    def values(self, flag: str) -> tuple[str, ...]:
        """The values of a flag that may be repeated, or lists several values."""
        words = (word.strip() for value in self.flags.get(flag, ()) for word in re.split(r"[,\n]", value))
        return tuple(word for word in words if word)

    def is_on(self, flag: str) -> bool:
        return f"no-{flag}" not in self.flags and any(value.lower() in _TRUE for value in self.flags.get(flag, ()))


def container_of(deployment: Object) -> Mapping[str, object]:
    """The container with external-dns, which may have other containers beside it."""
    containers = dig(deployment, "spec", "template", "spec", "containers") or [{}]
    named = (item for item in containers if EXTERNAL_DNS in (item.get("name"), _image_name(item)))
    return next(named, containers[0])


def _image_name(container: Mapping[str, object]) -> str:
    return re.split(r"[:@]", str(container.get("image", "")).rpartition("/")[2])[0]


def read_arguments(deployment: Object, side: Side, variables: Mapping[str, str] | None = None) -> ExternalDns:
    """From the container's command, args and environment. Its pods decide whether it is running. `variables` are those
    from ConfigMaps."""
    container = dict(container_of(deployment))
    given = container.get("env") or ()
    environment = {**(variables or {}), **{e["name"]: e["value"] for e in given if "value" in e}}  # type: ignore[attr-defined]
    words = [
        _REFERENCE.sub(lambda match: environment.get(match[1], match[0]), word)
        for argument in (*(container.get("command") or ()), *(container.get("args") or ()))  # type: ignore[misc]
        for word in _words_of(argument)
    ]
    by_variable = {
        name.removeprefix(_VARIABLE).lower().replace("_", "-"): tuple(value.split("\n"))
        for name, value in environment.items()
        if name.startswith(_VARIABLE)
    }
    flags = (
        {"txt-suffix": ("",)}
        | by_variable
        | {flag: tuple(values) for flag, values in flags_of({"args": words}).items()}
    )
    names = {entry.get("name") for entry in given} | {*environment}  # type: ignore[attr-defined]
    template = {"metadata": dig(deployment, "spec", "template", "metadata") or {}}
    return ExternalDns(
        side=side,
        there=True,
        provider=next(iter(flags.get("provider", ())), ""),
        domain_filters=flags.get("domain-filter", ()),
        owner=next(iter(flags.get("txt-owner-id", ())), "default"),
        cache=next(iter(flags.get("txt-cache-interval", ())), ""),
        interval=next(iter(flags.get("interval", ())), ""),
        credentials=bool(names & {*_CREDENTIALS}) or _ROLE_ANNOTATION in annotations_of(template),
        flags=flags,
    )


def _words_of(argument: str) -> list[str]:
    """The words of a command line for a shell; any other argument is one word."""
    if argument.startswith("--") or " --" not in argument:
        return [argument]
    try:
        return shlex.split(argument)
    except ValueError:
        return [argument]


def _read_variables(cluster: Kubernetes, container: Mapping[str, object]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that ConfigMaps give, and the objects that could not be read. Secrets are never read."""
    variables: dict[str, str] = {}
    unread: list[str] = []
    for source in container.get("envFrom") or ():  # type: ignore[attr-defined]
        if secret := dig(source, "secretRef", "name"):
            unread.append(f"Secret {secret}")
        elif name := dig(source, "configMapRef", "name"):
            data = _read_data(cluster, name, unread)
            variables |= {f"{source.get('prefix') or ''}{key}": str(value) for key, value in data.items()}
    for entry in container.get("env") or ():  # type: ignore[attr-defined]
        reference = dig(entry, "valueFrom", "configMapKeyRef")
        if reference:
            data = _read_data(cluster, reference["name"], unread)
            variables |= {entry["name"]: str(data[reference["key"]])} if reference["key"] in data else {}
        elif entry["name"].startswith(_VARIABLE) and (secret := dig(entry, "valueFrom", "secretKeyRef", "name")):
            unread.append(f"Secret {secret}")
    return variables, tuple(dict.fromkeys(unread))


def _read_data(cluster: Kubernetes, name: str, unread: list[str]) -> Mapping[str, object]:
    found = read_one(cluster, CONFIG_MAP, name, OPERATOR_NAMESPACE)
    if found is None:
        unread.append(f"ConfigMap {name}")
    return dig(found, "data") or {}


def read_external_dns(cluster: Kubernetes, side: Side) -> ExternalDns:
    """The external-dns of one management cluster."""
    deployment = cluster.find(DEPLOYMENT, EXTERNAL_DNS, OPERATOR_NAMESPACE)
    if deployment is None:
        return ExternalDns(side, there=False)
    pods = pods_of(deployment, cluster.list(POD, OPERATOR_NAMESPACE).items)
    variables, unread = _read_variables(cluster, container_of(deployment))
    found = read_arguments(deployment, side, variables)
    return replace(
        found,
        replicas=int(replicas if (replicas := dig(deployment, "spec", "replicas")) is not None else 1),
        ready=sum(map(is_ready_pod, pods)),
        credentials=found.credentials or any(map(_has_credentials, pods)),
        unread=unread,
    )


def _has_credentials(pod: Object) -> bool:
    """A webhook may have added them to the pod alone."""
    containers = dig(pod, "spec", "containers") or ()
    names = {entry.get("name") for container in containers for entry in container.get("env") or ()}
    return bool(names & {*_CREDENTIALS}) or _ROLE_ANNOTATION in annotations_of(pod)


def source_owner(ports: Ports, case: Case, records: Iterable[Record]) -> str:
    """The owner ID of the source's DNS names: from its external-dns, or, if that is gone, from the API's own record. ""
    if unknown."""
    external_dns = read_external_dns(ports.source, "source")
    if external_dns.there:
        return external_dns.owner
    owners = owners_of(records, case.api_hostname) - {read_external_dns(ports.destination, "destination").owner}
    return next(iter(owners)) if len(owners) == 1 else ""


def orphans(
    ports: Ports, case: Case, records: Iterable[Record], hostnames: Collection[str], own: str
) -> frozenset[str]:
    """The owner IDs of the source's DNS names that no external-dns has any more. `own` is that of `source_owner`."""
    living = {own, read_external_dns(ports.destination, "destination").owner}
    return orphaned_owners(records, case.control_plane_namespace, hostnames, living)


def under(hostname: str, domain: str) -> bool:
    """Whether the name is the domain or below it; with a dot before the domain, only below it."""
    domain = domain.rstrip(".").lower()
    return hostname == domain or hostname.endswith("." + domain.lstrip("."))
