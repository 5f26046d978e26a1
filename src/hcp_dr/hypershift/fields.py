"""Fields of the carried objects: unknown to this version of hcp-dr, or missing in the schemas of the destination.

An API server drops fields that its schema does not have, without an error: the restored hosted cluster would lose them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hcp_dr.engine.step import Check
from hcp_dr.errors import RESUME, Refused
from hcp_dr.hypershift.checks import bad_if
from hcp_dr.hypershift.inventory import MACHINERY
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import CUSTOM_RESOURCE_DEFINITION, HOSTED_CLUSTER, NODE_POOL
from hcp_dr.kube.stored import in_version_of
from hcp_dr.objects.fields import dropped_fields, unknown_fields
from hcp_dr.objects.known_fields import KNOWN_FIELDS
from hcp_dr.objects.reading import dig, name_of, namespace_of

_KNOWN = {kind: frozenset(paths) for kind, paths in KNOWN_FIELDS.items()}
_CARRIED = {resource.kind: resource for resource in (HOSTED_CLUSTER, NODE_POOL, *MACHINERY)}
_PARTS = ("spec", "status")  # of the carried objects, only NodePools have a status
_INSTALL = "install the HyperShift release of the source on the destination, with its CustomResourceDefinitions"


def find_unknown(items: Iterable[Object]) -> tuple[str, ...]:
    """The fields of the specs of HostedCluster and NodePools that this version does not know, each with its object."""
    return tuple(
        f"{_place(item)} spec.{path}"
        for item in items
        if item["kind"] in _KNOWN
        for path in dict.fromkeys(unknown_fields(item.get("spec"), _KNOWN[item["kind"]]))
    )


def find_dropped(destination: Kubernetes, items: Iterable[Object]) -> tuple[str, ...]:
    """The fields that the destination would drop from these objects, scrubbed as they are restored, each with its
    object. A kind without a schema there is not judged. Raises KubernetesError."""
    schemas: dict[Resource, Object | None] = {}
    found: list[str] = []
    for item in items:
        resource = _CARRIED.get(item["kind"])
        if resource is None:
            continue
        resource = in_version_of(resource, item)
        if resource not in schemas:
            schemas[resource] = _read_schema(destination, resource)
        schema = schemas[resource]
        if schema is not None:
            parts = {part: item[part] for part in _PARTS if part in item}
            found += [f"{_place(item)} {path}" for path in dict.fromkeys(dropped_fields(parts, schema))]
    return tuple(found)


def _read_schema(cluster: Kubernetes, resource: Resource) -> Object | None:
    definition = cluster.find(CUSTOM_RESOURCE_DEFINITION, str(resource))
    versions = dig(definition, "spec", "versions") or ()
    schema = (dig(each, "schema", "openAPIV3Schema") for each in versions if each.get("name") == resource.version)
    return next(schema, None)


def _place(item: Object) -> str:
    return f"{item['kind']} {namespace_of(item)}/{name_of(item)}"


def check_unknown(fields: tuple[str, ...]) -> Check:
    return bad_if(
        fields,
        "fields.unknown",
        f"fields that this version of hcp-dr does not know: {', '.join(fields) or 'none'}",
        "they are carried unchanged, but their effect on a relocation is not known",
        "use a newer hcp-dr, or find out what these fields do on another management cluster and accept this check",
        verdict="unknown",
        acceptable=True,
    )


def warn_unknown(fields: tuple[str, ...]) -> Check:
    """For a command in which no check can be accepted: a backup is made, and the last backup restored, nevertheless."""
    check = check_unknown(fields)
    return replace(check, verdict="warning", acceptable=False) if check.stops else check


def check_dropped(fields: tuple[str, ...]) -> Check:
    return bad_if(
        fields,
        "fields.destination",
        f"fields that the CustomResourceDefinitions of the destination do not have: {', '.join(fields) or 'none'}",
        "the destination's API server drops these fields without an error, and the hosted cluster loses them",
        _INSTALL,
    )


def refusal_of(dropped: tuple[str, ...], left: str) -> Refused | None:
    """For the steps of a restore: a command without preflight finds it here. None if nothing would be dropped."""
    if not dropped:
        return None
    return Refused(
        what="The CustomResourceDefinitions of the destination do not have all fields of the objects to restore; its "
        f"API server would drop {', '.join(dropped)}.",
        left=left,
        todo=f"{_INSTALL[0].upper()}{_INSTALL[1:]}; then run {RESUME}. Before the point of no return `hcp-dr abort` "
        "puts the source back into service.",
    )
