"""What of the HostedCluster does not travel as it stands there, or must not meet a relocation: marks of its management
cluster, orders for its deletion, backups of its own, and what an earlier restore left."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.kube.resources import HOSTED_CLUSTER, HOSTED_CONTROL_PLANE, STATEFUL_SET
from hcp_dr.model import RELOCATION_ANNOTATION, Case, Ports
from hcp_dr.objects.reading import annotations_of, dig, name_of
from hcp_dr.objects.scrub import PLACED
from hcp_dr.upstream import CLEANUP_CLOUD_RESOURCES


@dataclass(frozen=True, slots=True)
class Facts:
    placed: tuple[str, ...]  # annotations that speak of the source's nodes, subnets and sizes
    cleanup: tuple[str, ...]  # objects whose deletion is ordered to clean the cloud
    automated_backup: bool
    restored_before: bool  # it has a restoreSnapshotURL
    came_by: str  # the relocation that brought it here, "" where none did
    volumes_at_stake: tuple[str, ...]  # StatefulSets that delete their claims when they are scaled down


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    plane = source.find(HOSTED_CONTROL_PLANE, case.name, own)
    etcd = dig(hosted_cluster, "spec", "etcd", "managed")
    policy = ("spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
    return Facts(
        placed=tuple(key for key in PLACED if key in annotations_of(hosted_cluster)),
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
    before = f"came by relocation {facts.came_by}" if facts.came_by else "was made here"
    url = "its old restoreSnapshotURL is replaced by a new one (rule C7)" if facts.restored_before else "no old URL"
    return (
        bad_if(
            facts.automated_backup,
            "carried.automated_backup",
            f"spec.etcd.managed.automatedBackup is {'set' if facts.automated_backup else 'not set'}",
            "it restores by itself at creation, by the infrastructure id, and excludes a restoreSnapshotURL: the "
            "HostedCluster would be refused, or come up with an older state",
            "take automatedBackup out of the spec first; set it again on the destination afterwards",
        ),
        bad_if(
            facts.volumes_at_stake,
            "carried.volumes",
            f"StatefulSets that delete their volumes when they are scaled down: "
            f"{', '.join(facts.volumes_at_stake) or 'none'}",
            "the teardown scales them down; until then the volume is the way back (whenScaled is Delete)",
            "set persistentVolumeClaimRetentionPolicy.whenScaled to Retain, and see that it stays: the teardown scales "
            "nothing down before it is Retain",
            verdict="warning",
        ),
        bad_if(
            facts.cleanup,
            "carried.cleanup",
            f"ordered to clean the cloud at deletion: {', '.join(facts.cleanup) or 'nothing'}",
            "deleted with this, a HostedControlPlane revokes the rules of the live workers' security group (rule E4)",
            f"take annotation {CLEANUP_CLOUD_RESOURCES} away; it is not carried, and the teardown takes it away "
            "before it deletes",
            verdict="warning",
        ),
        bad_if(
            facts.placed,
            "carried.annotations",
            f"annotations for the source's nodes and subnets: {', '.join(facts.placed) or 'none'}",
            "they mean nothing on the destination and are not carried",
            "set there what the destination needs in their place, once the HostedCluster is there",
            verdict="warning",
        ),
        Check("carried.history", "ok", f"the HostedCluster {before}; {url}"),
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.carried", documented="-", observe=observe, plan=plan)
