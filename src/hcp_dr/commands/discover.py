"""Identifies the relocation: reads the HostedCluster on the source and compares it with the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from hcp_dr.commands.context import Context, Requested
from hcp_dr.engine.lease_status import read_lease_status
from hcp_dr.engine.peers import Accounts, Stranger, known_uid, namesake, read_accounts, uid_of_cluster
from hcp_dr.engine.silent import Unanswered, peer_of
from hcp_dr.errors import HcpDrError, KubernetesError, SameCluster, SettingsError, UnknownHostedCluster
from hcp_dr.hypershift.backup_objects import is_ours
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE_POOL
from hcp_dr.model import RELOCATION_ANNOTATION, Case, Ports, Side
from hcp_dr.objects.archive import read_manifest
from hcp_dr.objects.naming import backup_id_of
from hcp_dr.objects.reading import annotations_of, dig, name_of, uid_of
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


@dataclass(frozen=True, slots=True)
class Found:
    """The case as far as the clusters answer, the errors of those that do not, by port, and a contradiction between the
    settings and the source."""

    case: Case
    silent: Mapping[str, HcpDrError]
    contradiction: HcpDrError | None = None

    def proven(self) -> Case:
        """The case, if it is complete. Raises SettingsError, the error of a cluster that does not answer."""
        for error in (*self.silent.values(), self.contradiction):
            if error is not None:
                raise error
        return self.case


def discover_relocation(context: Context) -> Case:
    """The relocation that would begin now, in the context's backup folder. Raises as `discover`."""
    return survey_relocation(context).proven()


def survey_relocation(context: Context) -> Found:
    """As `discover_relocation`, also if not every cluster answers. Raises SameCluster, UnknownHostedCluster."""
    silent = context.open_ports()
    wrong = list({id(error): error for error in silent.values() if isinstance(error, SettingsError)}.values())
    if wrong:
        wrong[0].what = " ".join(error.what for error in wrong)
        raise wrong[0]
    ports = context.ports
    backup_id = backup_id_of(context.folder.name, ports.fresh_id()[:6])
    found = survey(context.requested, ports.source, ports.destination, backup_id, silent)
    accounts = Accounts()
    try:
        accounts = read_accounts(ports.identity)
    except Unanswered:
        pass  # its error is among the silent
    except HcpDrError as error:
        if peer_of(error) != "identity":
            raise
        found = replace(found, silent={**found.silent, "identity": error})
    case = replace(
        found.case,
        source_context=ports.source.context,
        destination_context=ports.destination.context,
        hosted_context=ports.hosted.context,
        source_server=ports.source.server,
        destination_server=ports.destination.server,
        source_authority=ports.source.authority,
        destination_authority=ports.destination.authority,
        bucket_region=ports.bucket.region,
        account=accounts.bucket,
        zone_account=accounts.zone,
        instances_account=accounts.instances,
    )
    return replace(found, case=case)


def discover(requested: Requested, source: Kubernetes, destination: Kubernetes, backup_id: str) -> Case:
    """Raises SameCluster, UnknownHostedCluster, SettingsError if a variable contradicts the cluster, and the error of a
    cluster that does not answer."""
    return survey(requested, source, destination, backup_id, {}).proven()


def survey(
    requested: Requested, source: Kubernetes, destination: Kubernetes, backup_id: str, silent: Mapping[str, HcpDrError]
) -> Found:
    """Clusters that are known to be `silent` are not asked. Raises SameCluster, UnknownHostedCluster."""
    silent = dict(silent)
    case = Case(
        namespace=requested.namespace,
        name=requested.name,
        infra_id="",
        api_hostname="",
        source=requested.source,
        destination=requested.destination,
        node_pools=(),
        aws_region=requested.region or "",
        bucket=requested.bucket,
        zone_id=requested.zone_id,
        domain=requested.domain,
        backup_id=backup_id,
        part_mib=requested.part_mib,
        source_uid=_ask("source", source, silent, uid_of_cluster),
        destination_uid=_ask("destination", destination, silent, uid_of_cluster),
    )
    if case.source_uid and case.source_uid == case.destination_uid:
        raise SameCluster(evidence=f"namespace {KUBE_SYSTEM} has uid {case.source_uid} on both")
    if "source" in silent:
        return Found(case, silent)
    hosted_cluster = source.find(HOSTED_CLUSTER, requested.name, requested.namespace)
    if hosted_cluster is None:
        there = _ask("destination", destination, silent, partial(_find_there, requested))
        raise _unknown(requested, source, there)
    pools = node_pools_of(hosted_cluster, source.list(NODE_POOL, requested.namespace).items)
    names = tuple(sorted(name_of(pool) for pool in pools))
    fixed = all(dig(pool, "spec", "autoScaling") is None for pool in pools)
    replicas = sum(int(dig(pool, "spec", "replicas") or 0) for pool in pools) if fixed else None
    case = replace(
        case,
        infra_id=str(dig(hosted_cluster, "spec", "infraID") or ""),
        api_hostname=api_hostname(hosted_cluster),
        node_pools=names,
        aws_region=requested.region or str(dig(hosted_cluster, "spec", "platform", "aws", "region") or ""),
        hosted_cluster_uid=uid_of(hosted_cluster),
        cluster_id=str(dig(hosted_cluster, "spec", "clusterID") or ""),
    )
    return Found(case, silent, _find_contradiction(requested, names, replicas))


def _ask(side: Side, cluster: Kubernetes, silent: dict[str, HcpDrError], ask: Callable[[Kubernetes], str]) -> str:
    """ "" if the cluster does not answer, which `silent` then has."""
    if side in silent:
        return ""
    try:
        return ask(cluster)
    except HcpDrError as error:
        if peer_of(error) is None:
            raise
        silent[side] = error
        return ""


def _find_there(requested: Requested, destination: Kubernetes) -> str:
    """A description of the hosted cluster on the destination, "" if it is not there."""
    there = destination.find(HOSTED_CLUSTER, requested.name, requested.namespace)
    if there is None:
        return ""
    relocation = annotations_of(there).get(RELOCATION_ANNOTATION)
    came = f", brought there by relocation {relocation}" if relocation else ""
    return f"It is on the destination management cluster ({destination.server}){came}."


def _unknown(requested: Requested, source: Kubernetes, there: str) -> UnknownHostedCluster:
    existing = [f"{i['metadata']['namespace']}/{name_of(i)}" for i in source.list(HOSTED_CLUSTER).items]
    here = f"HostedClusters there: {', '.join(existing)}." if existing else "It has no HostedCluster at all."
    return UnknownHostedCluster(
        namespace=requested.namespace,
        name=requested.name,
        cluster="source",
        server=source.server,
        seen=there or here,
        todo="If it was relocated there, nothing is left to begin: see `hcp-dr status`. To relocate it from there, "
        "exchange MGMT_* and MGMT2_*, and name a new BACKUP_DIR."
        if there
        else None,
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
