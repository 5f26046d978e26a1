"""Is the destination free for what comes, and does its operator know the hosted cluster's version?"""

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
from hcp_dr.upstream import OPERATOR_NAMESPACE, SUPPORTED_VERSIONS


@dataclass(frozen=True, slots=True)
class Facts:
    version: str  # of the hosted release, "" where it is not known
    supported: tuple[str, ...]  # minor versions; empty where the operator does not tell
    namespace: str  # the control plane's
    namespace_there: str  # "" where it is free, else in words what is there
    shared_going: bool  # the HostedCluster's namespace is being deleted there
    node_pools_there: tuple[str, ...]
    foreign_inputs: tuple[str, ...]  # what the HostedCluster refers to and is there with other content


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, destination = ports.source, ports.destination
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    pools = node_pools_of(hosted_cluster, source.list(NODE_POOL, case.namespace).items)
    shared = destination.find(NAMESPACE, case.namespace)
    names = {name_of(pool) for pool in pools}
    there = destination.list(NODE_POOL, case.namespace).items
    return Facts(
        version=control_plane_version(hosted_cluster),
        supported=_supported(read_one(destination, CONFIG_MAP, SUPPORTED_VERSIONS, OPERATOR_NAMESPACE)),
        namespace=case.control_plane_namespace,
        namespace_there=_what_is(destination.find(NAMESPACE, case.control_plane_namespace)),
        shared_going=shared is not None and is_deleting(shared),
        node_pools_there=tuple(
            name_of(pool) for pool in there if name_of(pool) in names or dig(pool, "spec", "clusterName") == case.name
        ),
        foreign_inputs=tuple(_foreign(_inputs(source, hosted_cluster, pools), destination, case.namespace)),
    )


def _supported(found: Object | None) -> tuple[str, ...]:
    try:
        told = json.loads(dig(found, "data", SUPPORTED_VERSIONS) or "{}")
    except ValueError:
        return ()
    versions = told.get("versions") if isinstance(told, Mapping) else None
    return tuple(str(version) for version in versions) if isinstance(versions, list) else ()


def _what_is(found: Object | None) -> str:
    if found is None or (is_prepared(found) and not is_deleting(found)):
        return ""  # what a prepared one holds is looked at when it is claimed
    relocation = annotations_of(found).get(RELOCATION_ANNOTATION)
    whose = f"was made by relocation {relocation}" if relocation else "was not made by a relocation"
    return f"{whose}, and is being deleted" if is_deleting(found) else whose


def _inputs(source: Kubernetes, hosted_cluster: Object, pools: Iterable[Object]) -> tuple[Object, ...]:
    namespace = hosted_cluster["metadata"]["namespace"]
    secrets, maps = (source.list(kind, namespace).items for kind in (SECRET, CONFIG_MAP))
    return (
        *inputs_of(hosted_cluster, referenced_secrets(hosted_cluster), secrets),
        *inputs_of(hosted_cluster, referenced_config_maps(hosted_cluster, pools), maps),
    )


def _foreign(inputs: Iterable[Object], destination: Kubernetes, namespace: str) -> Iterator[str]:
    there = {
        (item["kind"], name_of(item)): item
        for kind in (SECRET, CONFIG_MAP)
        for item in destination.list(kind, namespace).items
    }
    for item in inputs:
        found = there.get((item["kind"], name_of(item)))
        places = differences(item, found) if found is not None else ()
        if places:
            yield f"{item['kind']} {name_of(item)} ({'; '.join(places)})"


def checks(facts: Facts) -> tuple[Check, ...]:
    return (
        _version(facts),
        bad_if(
            facts.namespace_there,
            "destination.namespace",
            f"namespace {facts.namespace} of the destination {facts.namespace_there}"
            if facts.namespace_there
            else f"namespace {facts.namespace} is free there",
            "what is in it could not be told from what is restored, and a volume of etcd in it keeps its old state",
            "look whose it is; what an earlier relocation left goes when its own `hcp-dr resume` or removal has ended",
        ),
        bad_if(
            facts.shared_going,
            "destination.shared_namespace",
            "the HostedCluster's namespace is being deleted there"
            if facts.shared_going
            else "its namespace can be used",
            "nothing can be created in it, and what is restored into it would be deleted",
            "find out who deletes it, and let the deletion end",
        ),
        bad_if(
            facts.node_pools_there,
            "destination.node_pools",
            f"NodePools of these names or for this HostedCluster there: {some(facts.node_pools_there) or 'none'}",
            "deleting one could terminate instances of the live cluster, and a foreign one would be taken for ours",
            "look whose they are; a relocation of yours that stopped goes on with `hcp-dr resume`",
        ),
        bad_if(
            facts.foreign_inputs,
            "destination.inputs",
            f"there with other content: {some(facts.foreign_inputs) or 'nothing'}",
            "it is somebody else's, and is never overwritten: the relocation would stop at it",
            "find out whose it is; remove or rename it there if it may go",
        ),
    )


def _version(facts: Facts) -> Check:
    name = "destination.supported_version"
    why = "its operator does not build a control plane of a version that it does not support, and the API stays away"
    minor = ".".join(facts.version.split(".")[:2])
    if not facts.version or not facts.supported:
        return Check(
            name,
            "unknown",
            f"the hosted release is {facts.version or 'not known'}, the destination supports "
            f"{', '.join(facts.supported) or '(not told)'}",
            why,
            f"compare it with ConfigMap {OPERATOR_NAMESPACE}/{SUPPORTED_VERSIONS} there, and accept this when it is "
            "among them",
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


STEP = Step(name="preflight.destination", documented="-", observe=observe, plan=plan)
