"""Parts of the HostedCluster that are not carried unchanged or that conflict with a relocation: annotations for the
management cluster, cleanup orders for a deletion, automated backups, and remains of an earlier restore."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.kube.resources import HOSTED_CLUSTER, HOSTED_CONTROL_PLANE, STATEFUL_SET
from hcp_dr.model import RELOCATION_ANNOTATION, Case, Ports
from hcp_dr.objects import scrub
from hcp_dr.objects.reading import annotations_of, dig, name_of
from hcp_dr.upstream import CLEANUP_CLOUD_RESOURCES


@dataclass(frozen=True, slots=True)
class Facts:
    placed: tuple[str, ...]  # annotations and labels about the source's nodes, subnets and sizes
    cleanup: tuple[str, ...]  # objects with the annotation for cloud cleanup at deletion
    automated_backup: bool
    restored_before: bool  # the HostedCluster has a restoreSnapshotURL
    came_by: str  # the earlier relocation to this management cluster, "" without such a relocation
    volumes_at_stake: tuple[str, ...]  # StatefulSets that delete their volume claims at scale-down


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    plane = source.find(HOSTED_CONTROL_PLANE, case.name, own)
    etcd = dig(hosted_cluster, "spec", "etcd", "managed")
    policy = ("spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
    return Facts(
        placed=scrub.placed(hosted_cluster),
        cleanup=tuple(
            f"{item['kind']} {name_of(item)}"
            for item in (hosted_cluster, plane)
            if item is not None and annotations_of(item).get(CLEANUP_CLOUD_RESOURCES) == "true"
        ),
        automated_backup=bool(dig(etcd, "automatedBackup")),
        restored_before=bool(dig(etcd, "storage", "restoreSnapshotURL")),
        came_by=annotations_of(hosted_cluster).get(RELOCATION_ANNOTATION, ""),
        volumes_at_stake=tuple(
            name_of(item) for item in source.list(STATEFUL_SET, own).items if dig(item, *policy) == "Delete"
        ),
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    before = f"came by relocation {facts.came_by}" if facts.came_by else "was created on the source"
    url = "a new URL replaces the old restoreSnapshotURL (rule C7)" if facts.restored_before else "no old URL"
    return (
        bad_if(
            facts.automated_backup,
            "carried.automated_backup",
            f"spec.etcd.managed.automatedBackup is {'set' if facts.automated_backup else 'not set'}",
            "an automated backup is restored at creation, by the infrastructure ID, and excludes a restoreSnapshotURL: "
            "the HostedCluster would be refused, or start with an older state",
            "remove automatedBackup from the spec first; set automatedBackup again on the destination afterwards",
        ),
        bad_if(
            facts.volumes_at_stake,
            "carried.volumes",
            f"StatefulSets that delete their volumes at scale-down: {', '.join(facts.volumes_at_stake) or 'none'}",
            "the teardown scales these StatefulSets down; until then a return to the source needs the volumes "
            "(whenScaled is Delete)",
            "set persistentVolumeClaimRetentionPolicy.whenScaled to Retain, and check that Retain stays set: the "
            "teardown scales no StatefulSet down before",
            verdict="warning",
        ),
        bad_if(
            facts.cleanup,
            "carried.cleanup",
            f"cloud cleanup at deletion is ordered for: {', '.join(facts.cleanup) or 'nothing'}",
            "the deletion of a HostedControlPlane with this annotation revokes the rules of the live workers' security "
            "group (rule E4)",
            f"remove annotation {CLEANUP_CLOUD_RESOURCES}; hcp-dr does not carry the annotation, and the teardown "
            "removes the annotation before any deletion",
            verdict="warning",
        ),
        bad_if(
            facts.placed,
            "carried.annotations",
            f"annotations for the source's nodes and subnets: {', '.join(facts.placed) or 'none'}",
            "these annotations have no meaning on the destination and are not carried",
            "after the relocation, set the annotations that the destination needs on the HostedCluster",
            verdict="warning",
        ),
        Check("carried.history", "ok", f"the HostedCluster {before}; {url}"),
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.carried", documented="-", observe=observe, plan=plan)
