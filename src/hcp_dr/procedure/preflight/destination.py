"""Are the names on the destination free, and does the destination's operator support the hosted cluster's version?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.backup_objects import differences, is_prepared
from hcp_dr.hypershift.checks import bad_if, read_one, verdict
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import CONFIG_MAP, HOSTED_CLUSTER, NAMESPACE, NODE_POOL, SECRET
from hcp_dr.model import RELOCATION_ANNOTATION, Case, Ports
from hcp_dr.objects.reading import annotations_of, dig, is_deleting, name_of, some
from hcp_dr.objects.release import control_plane_version
from hcp_dr.objects.select import inputs_of, node_pools_of, referenced_config_maps, referenced_secrets
from hcp_dr.upstream import CONTROL_PLANE_OPERATOR_IMAGE, OPERATOR_NAMESPACE, SUPPORTED_VERSIONS


@dataclass(frozen=True, slots=True)
class Facts:
    version: str  # of the hosted release, "" if unknown
    supported: tuple[str, ...]  # minor versions; empty if the operator does not report versions
    namespace: str  # the control plane namespace
    existing_namespace: str  # "" if the name is free, else a description of the existing namespace
    shared_deleting: bool  # the HostedCluster's namespace is being deleted on the destination
    existing_node_pools: tuple[str, ...]  # on the destination
    foreign_inputs: tuple[str, ...]  # inputs of the HostedCluster with other content on the destination
    override: str = ""  # the image of the annotation for another control plane operator


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, destination = ports.source, ports.destination
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    pools = node_pools_of(hosted_cluster, source.list(NODE_POOL, case.namespace).items)
    shared = destination.find(NAMESPACE, case.namespace)
    names = {name_of(pool) for pool in pools}
    existing = destination.list(NODE_POOL, case.namespace).items
    return Facts(
        version=control_plane_version(hosted_cluster),
        override=annotations_of(hosted_cluster).get(CONTROL_PLANE_OPERATOR_IMAGE, ""),
        supported=_read_supported(read_one(destination, CONFIG_MAP, SUPPORTED_VERSIONS, OPERATOR_NAMESPACE)),
        namespace=case.control_plane_namespace,
        existing_namespace=_describe_namespace(destination.find(NAMESPACE, case.control_plane_namespace)),
        shared_deleting=shared is not None and is_deleting(shared),
        existing_node_pools=tuple(
            name_of(pool)
            for pool in existing
            if name_of(pool) in names or dig(pool, "spec", "clusterName") == case.name
        ),
        foreign_inputs=tuple(_find_foreign(_read_inputs(source, hosted_cluster, pools), destination, case.namespace)),
    )


def _read_supported(config_map: Object | None) -> tuple[str, ...]:
    try:
        content = json.loads(dig(config_map, "data", SUPPORTED_VERSIONS) or "{}")
    except ValueError:
        return ()
    versions = content.get("versions") if isinstance(content, Mapping) else None
    return tuple(str(version) for version in versions) if isinstance(versions, list) else ()


def _describe_namespace(namespace: Object | None) -> str:
    if namespace is None or (is_prepared(namespace) and not is_deleting(namespace)):
        return ""  # `claim_namespaces` checks the content of a prepared namespace
    relocation = annotations_of(namespace).get(RELOCATION_ANNOTATION)
    origin = f"was created by relocation {relocation}" if relocation else "was not created by a relocation"
    return f"{origin}, and is being deleted" if is_deleting(namespace) else origin


def _read_inputs(source: Kubernetes, hosted_cluster: Object, pools: Iterable[Object]) -> tuple[Object, ...]:
    namespace = hosted_cluster["metadata"]["namespace"]
    secrets, maps = (source.list(kind, namespace).items for kind in (SECRET, CONFIG_MAP))
    return (
        *inputs_of(hosted_cluster, referenced_secrets(hosted_cluster), secrets),
        *inputs_of(hosted_cluster, referenced_config_maps(hosted_cluster, pools), maps),
    )


def _find_foreign(inputs: Iterable[Object], destination: Kubernetes, namespace: str) -> Iterator[str]:
    existing = {
        (item["kind"], name_of(item)): item
        for kind in (SECRET, CONFIG_MAP)
        for item in destination.list(kind, namespace).items
    }
    for item in inputs:
        counterpart = existing.get((item["kind"], name_of(item)))
        places = differences(item, counterpart) if counterpart is not None else ()
        if places:
            yield f"{item['kind']} {name_of(item)} ({'; '.join(places)})"


def checks(facts: Facts) -> tuple[Check, ...]:
    return (
        _check_version(facts),
        bad_if(
            facts.existing_namespace,
            "destination.namespace",
            f"namespace {facts.namespace} of the destination {facts.existing_namespace}"
            if facts.existing_namespace
            else f"namespace {facts.namespace} is free on the destination",
            "existing objects cannot be distinguished from restored objects, and an existing etcd volume keeps the old "
            "state",
            "find the owner; the remains of an earlier relocation are removed by `hcp-dr resume` of this relocation or "
            "by the end of the deletion",
        ),
        bad_if(
            facts.shared_deleting,
            "destination.shared_namespace",
            "the HostedCluster's namespace is being deleted on the destination"
            if facts.shared_deleting
            else "the HostedCluster's namespace can be used on the destination",
            "objects cannot be created in this namespace, and restored objects would be deleted",
            "find out who deletes the namespace, and wait until the deletion has ended",
        ),
        bad_if(
            facts.existing_node_pools,
            "destination.node_pools",
            "NodePools on the destination with these names or for this HostedCluster: "
            f"{some(facts.existing_node_pools) or 'none'}",
            "the deletion of such a NodePool could terminate instances of the live cluster, and a foreign NodePool "
            "would be mistaken for a restored NodePool",
            "find the owner; to continue a stopped relocation, run `hcp-dr resume`",
        ),
        bad_if(
            facts.foreign_inputs,
            "destination.inputs",
            f"on the destination with other content: {some(facts.foreign_inputs) or 'nothing'}",
            "hcp-dr never overwrites objects of another owner: the relocation would stop",
            "find the owner; remove or rename the object on the destination if possible",
        ),
    )


def _check_version(facts: Facts) -> Check:
    name = "destination.supported_version"
    why = "an operator builds no control plane of an unsupported version, and the API stays unavailable"
    minor = ".".join(facts.version.split(".")[:2])
    if not facts.version or not facts.supported:
        reason = f", because annotation {CONTROL_PLANE_OPERATOR_IMAGE} names {facts.override}" if facts.override else ""
        return Check(
            name,
            "unknown",
            f"the hosted release is {facts.version or 'not known'}{reason}, the destination supports "
            f"{', '.join(facts.supported) or '(not reported)'}",
            why,
            f"compare the release with ConfigMap {OPERATOR_NAMESPACE}/{SUPPORTED_VERSIONS} of the destination, and "
            "accept this check if the release is supported",
            acceptable=True,
        )
    return bad_if(
        minor not in facts.supported,
        name,
        f"the hosted release is {facts.version}, the destination supports {', '.join(facts.supported)}",
        why,
        f"install a HyperShift release that supports {minor} on the destination, or upgrade the hosted cluster first",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


def _observe_there(ports: Ports, case: Case, memory: RunState) -> Facts:
    """What the destination alone shows."""
    shared = ports.destination.find(NAMESPACE, case.namespace)
    return Facts(
        version="",
        supported=(),
        namespace=case.control_plane_namespace,
        existing_namespace=_describe_namespace(ports.destination.find(NAMESPACE, case.control_plane_namespace)),
        shared_deleting=shared is not None and is_deleting(shared),
        existing_node_pools=(),
        foreign_inputs=(),
    )


def _plan_there(facts: Facts) -> Decision:
    alone = ("destination.namespace", "destination.shared_namespace")
    return verdict(check for check in checks(facts) if check.name in alone)


_NAME = "preflight.destination"
STEP = Step(
    name=_NAME,
    documented="-",
    observe=observe,
    plan=plan,
    parts=(Step(_NAME, "-", _observe_there, _plan_there),),
)
