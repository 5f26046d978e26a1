"""Identifies the relocation: reads the HostedCluster on the source and compares it with the settings."""

from __future__ import annotations

from dataclasses import replace

from hcp_dr.commands.context import Context, Requested
from hcp_dr.engine.lease_status import read_lease_status
from hcp_dr.engine.peers import Stranger, account_of, known_uid, namesake, uid_of_cluster
from hcp_dr.errors import HcpDrError, KubernetesError, SameCluster, SettingsError, UnknownHostedCluster
from hcp_dr.hypershift.backup_objects import is_ours
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE_POOL
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.archive import read_manifest
from hcp_dr.objects.naming import backup_id_of
from hcp_dr.objects.reading import dig, name_of, uid_of
from hcp_dr.objects.select import node_pools_of
from hcp_dr.upstream import KUBE_SYSTEM


def api_hostname(hosted_cluster: Object) -> str:
    """The fixed hostname of the published API, "" if there is none."""
    for entry in dig(hosted_cluster, "spec", "services") or ():
        if entry.get("service") == "APIServer":
            strategy = entry.get("servicePublishingStrategy") or {}
            kind = str(strategy.get("type") or "")
            return str(dig(strategy, kind[:1].lower() + kind[1:], "hostname") or "")
    return ""


def discover_relocation(context: Context) -> Case:
    """The relocation that would begin now, in the context's backup folder. Raises as `discover`."""
    backup_id = backup_id_of(context.folder.name, context.ports.fresh_id()[:6])
    ports = context.ports
    case = discover(context.requested, ports.source, ports.destination, backup_id)
    return replace(
        case,
        source_context=ports.source.context,
        destination_context=ports.destination.context,
        hosted_context=ports.hosted.context,
        source_server=ports.source.server,
        destination_server=ports.destination.server,
        source_authority=ports.source.authority,
        destination_authority=ports.destination.authority,
        account=account_of(ports.identity.arn()),
        bucket_region=ports.bucket.region,
    )


def discover(requested: Requested, source: Kubernetes, destination: Kubernetes, backup_id: str) -> Case:
    """Raises SameCluster, UnknownHostedCluster, SettingsError if a variable contradicts the cluster."""
    source_uid, destination_uid = uid_of_cluster(source), uid_of_cluster(destination)
    if source_uid == destination_uid:
        raise SameCluster(evidence=f"namespace {KUBE_SYSTEM} has uid {source_uid} on both")
    hosted_cluster = source.find(HOSTED_CLUSTER, requested.name, requested.namespace)
    if hosted_cluster is None:
        existing = [f"{i['metadata']['namespace']}/{name_of(i)}" for i in source.list(HOSTED_CLUSTER).items]
        raise UnknownHostedCluster(
            namespace=requested.namespace,
            name=requested.name,
            cluster="source",
            server=source.server,
            seen=f"HostedClusters there: {', '.join(existing)}." if existing else "It has no HostedCluster at all.",
        )
    pools = node_pools_of(hosted_cluster, source.list(NODE_POOL, requested.namespace).items)
    names = tuple(sorted(name_of(pool) for pool in pools))
    fixed = all(dig(pool, "spec", "autoScaling") is None for pool in pools)
    replicas = sum(int(dig(pool, "spec", "replicas") or 0) for pool in pools) if fixed else None
    region = str(dig(hosted_cluster, "spec", "platform", "aws", "region") or "")
    problem = _find_contradiction(requested, names, replicas)
    if problem is not None:
        raise problem
    return Case(
        namespace=requested.namespace,
        name=requested.name,
        infra_id=str(dig(hosted_cluster, "spec", "infraID") or ""),
        api_hostname=api_hostname(hosted_cluster),
        source=requested.source,
        destination=requested.destination,
        node_pools=names,
        aws_region=requested.region or region,
        bucket=requested.bucket,
        zone_id=requested.zone_id,
        domain=requested.domain,
        backup_id=backup_id,
        part_mib=requested.part_mib,
        source_uid=source_uid,
        destination_uid=destination_uid,
        hosted_cluster_uid=uid_of(hosted_cluster),
        cluster_id=str(dig(hosted_cluster, "spec", "clusterID") or ""),
    )


def complete_case(case: Case, ports: Ports) -> Case:
    """The case of a journal without the identity of its management clusters, completed from the clusters behind the
    kubeconfigs, each proven by traces of the relocation. A cluster that does not answer stays unknown, and is not
    touched. Raises WrongCluster, KubernetesError, ArchiveError."""
    return replace(
        case,
        source_uid=known_uid(case, "source") or _read_proven_uid(ports, case, "source"),
        destination_uid=known_uid(case, "destination") or _read_proven_uid(ports, case, "destination"),
        hosted_cluster_uid=case.hosted_cluster_uid or _read_exported_uid(ports),
    )


def _read_proven_uid(ports: Ports, case: Case, side: Side) -> str:
    """The uid, "" if the cluster does not answer."""
    try:
        _check_proven(ports, case, side)
        return uid_of_cluster(ports.cluster(side))
    except KubernetesError as error:
        if not error.passing:
            raise
        return ""


def _check_proven(ports: Ports, case: Case, side: Side) -> None:
    cluster = ports.cluster(side)
    hosted_cluster = cluster.find(HOSTED_CLUSTER, case.name, case.namespace)
    exported = _read_exported_uid(ports) if side == "source" else ""
    if exported and hosted_cluster is not None:
        stranger = namesake(ports, replace(case, hosted_cluster_uid=exported), hosted_cluster)
        if stranger is not None:
            raise stranger.error
        return
    lease = read_lease_status(cluster, case.namespace, case.name)
    if lease is not None and lease.relocation == case.backup_id and lease.side in ("", side):
        return
    if side == "source" or hosted_cluster is None or not is_ours(hosted_cluster, case.backup_id):
        why = f"it has no trace of backup {case.backup_id}: neither its Lease nor its HostedCluster"
        raise Stranger(side, cluster.server, why).error


def _read_exported_uid(ports: Ports) -> str:
    """The uid of the HostedCluster on the source, from the backup's manifest."""
    manifest = read_manifest(ports.archive)
    entries = manifest.of_kind(HOSTED_CLUSTER.kind) if manifest else ()
    return entries[0].uid if entries else ""


def _find_contradiction(requested: Requested, names: tuple[str, ...], replicas: int | None) -> HcpDrError | None:
    if requested.node_pools is not None and not set(requested.node_pools) <= set(names):
        return SettingsError(
            what=f"NODEPOOLS is {', '.join(requested.node_pools)}, but the source has {', '.join(names) or 'none'}.",
            todo="Correct NODEPOOLS or leave it out: hcp-dr finds the NodePools by itself.",
        )
    if None not in (requested.replicas, replicas) and requested.replicas != replicas:
        return SettingsError(
            what=f"NODE_POOL_REPLICAS is {requested.replicas}, but the NodePools on the source have {replicas} in "
            "total.",
            todo="Correct NODE_POOL_REPLICAS or leave it out: hcp-dr finds the number by itself.",
        )
    return None
