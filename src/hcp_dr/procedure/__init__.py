"""The procedure: every step of the relocation, in order.

The documented procedure is 8.6.2 (backup), 8.6.3 (restore) and 8.6.4 (removal). A comment explains every difference in
the order.
"""

from __future__ import annotations

from typing import Any

from hcp_dr.engine.step import Step, Watch
from hcp_dr.hypershift.deletion import watch as deletion_watch
from hcp_dr.hypershift.dns import watch as dns_watch
from hcp_dr.hypershift.fence import watch as fence_watch
from hcp_dr.procedure.backup import (
    claim_operator,
    copy_snapshot,
    delete_routes,
    export_again,
    export_objects,
    fence,
    hold_dns,
    judge_etcd,
    mark_parent,
    note_moment,
    pause,
    protect_instances,
    release_dns,
    snapshot_etcd,
)
from hcp_dr.procedure.by_hand import accept_backup, judge_backup, recognize
from hcp_dr.procedure.finish import expire_url, oidc_documents, restart_ovn, unprotect_instances
from hcp_dr.procedure.preflight import (
    aws,
    capability,
    capacity,
    destination,
    documented_key,
    external_dns,
    fields,
    foreign,
    keys,
    owners,
    tls,
    webhooks,
)
from hcp_dr.procedure.preflight import carried as preflight_carried
from hcp_dr.procedure.preflight import creations as preflight_creations
from hcp_dr.procedure.preflight import hosted_cluster as preflight_hosted_cluster
from hcp_dr.procedure.preflight import machines as preflight_machines
from hcp_dr.procedure.preflight import online as preflight_online
from hcp_dr.procedure.restore import (
    adopt_machines,
    carry_again,
    claim_namespaces,
    control_plane_secrets,
    hosted_cluster,
    hosted_cluster_inputs,
    machines,
    node_pools,
    pull_images,
    refresh_external_dns,
    start_control_plane,
    take_over_dns,
    try_creations,
    try_snapshot,
    unpause_node_pools,
)
from hcp_dr.procedure.resume import refill
from hcp_dr.procedure.teardown import aws_machines as teardown_aws_machines
from hcp_dr.procedure.teardown import cluster as teardown_cluster
from hcp_dr.procedure.teardown import hosted_cluster as teardown_hosted_cluster
from hcp_dr.procedure.teardown import hosted_control_plane, leftovers, operator_back, stop_control_plane
from hcp_dr.procedure.teardown import machines as teardown_machines
from hcp_dr.procedure.teardown import node_pools as teardown_node_pools
from hcp_dr.procedure.verify import await_nodes, hosted_api, identity, placement, publish_api, source_clean

Steps = tuple[Step[Any], ...]

PREFLIGHT: Steps = (
    tls.STEP,
    external_dns.STEP,
    capability.STEP,
    preflight_hosted_cluster.STEP,
    aws.STEP,
    owners.STEP,
    preflight_machines.STEP,
    preflight_carried.STEP,
    fields.STEP,
    foreign.STEP,
    keys.STEP,
    webhooks.STEP,
    destination.STEP,
    capacity.STEP,
    preflight_creations.STEP,
    documented_key.STEP,
)

BACKUP: Steps = (
    mark_parent.STEP,
    protect_instances.STEP,
    hold_dns.STEP,
    pause.STEP,
    export_objects.STEP,
    judge_etcd.STEP,
    try_creations.STEP,
    fence.STEP,
    export_again.STEP,
    snapshot_etcd.STEP,
    delete_routes.STEP,
    release_dns.STEP,
    copy_snapshot.STEP,  # on request, and last: the copy may take minutes while the API is unavailable
)

RESTORE: Steps = (
    judge_etcd.STEP,
    claim_namespaces.STEP,
    hosted_cluster_inputs.STEP,
    control_plane_secrets.STEP,
    machines.STEP,
    hosted_cluster.STEP,
    node_pools.STEP,
    refresh_external_dns.STEP,
    start_control_plane.STEP,
    publish_api.STEP,
    identity.STEP,
    await_nodes.STEP,  # before unpause_node_pools: the machine controllers must not see nodes that are not Ready yet
    unpause_node_pools.STEP,
    adopt_machines.STEP,
    expire_url.STEP,
)

VERIFY: Steps = (
    publish_api.STEP,
    identity.STEP,
    await_nodes.STEP,
    placement.STEP,
    hosted_api.STEP,
)

TEARDOWN: Steps = (
    stop_control_plane.STEP,
    teardown_node_pools.STEP,
    teardown_aws_machines.STEP,  # before Machines and Cluster, against the documented order (rule F3)
    teardown_machines.STEP,
    teardown_cluster.STEP,
    hosted_control_plane.STEP,
    teardown_hosted_cluster.STEP,
    operator_back.STEP,
    leftovers.STEP,  # after operator_back: the deletion of the namespace needs the operator's webhook (rule F1)
    source_clean.STEP,
)

FINISH: Steps = (
    restart_ovn.STEP,
    unprotect_instances.STEP,
    oidc_documents.STEP,
    expire_url.STEP,  # last: a bucket that refuses a copy holds nothing else up
)

RELOCATE: Steps = (
    *PREFLIGHT,
    claim_operator.STEP,  # of two relocations off one source, the second stops here; operator_back releases the claim
    mark_parent.STEP,
    protect_instances.STEP,
    hold_dns.STEP,
    pause.STEP,
    export_objects.STEP,
    judge_etcd.STEP,
    # Objects without an active controller are restored before the fence, without downtime (rule D).
    claim_namespaces.STEP,
    hosted_cluster_inputs.STEP,
    control_plane_secrets.STEP,
    machines.STEP,
    # Before the fence, and only here: in a separate restore the API is unavailable already, and kubelets pull.
    pull_images.STEP,
    try_snapshot.STEP,
    try_creations.STEP,
    # Here the hosted API becomes unavailable ...
    fence.STEP,
    export_again.STEP,
    snapshot_etcd.STEP,
    delete_routes.STEP,
    release_dns.STEP,
    carry_again.STEP,
    hosted_cluster.STEP,
    node_pools.STEP,
    refresh_external_dns.STEP,
    # ... this is the point of no return ...
    start_control_plane.STEP,
    # ... and here the hosted API is available again.
    publish_api.STEP,
    identity.STEP,
    await_nodes.STEP,
    unpause_node_pools.STEP,
    adopt_machines.STEP,
    placement.STEP,
    hosted_api.STEP,
    copy_snapshot.STEP,
    *TEARDOWN,
    *FINISH,
)

UNDO: Steps = (
    # In reverse: first the objects of a possible second control plane ...
    node_pools.STEP,
    hosted_cluster.STEP,
    take_over_dns.STEP,
    # Before the Routes: a running external-dns may delete the records, but creates them again with the Routes.
    release_dns.STEP,
    delete_routes.STEP,
    snapshot_etcd.STEP,
    fence.STEP,
    # ... here the source serves the hosted API again, with its Routes; then come the operators ...
    hold_dns.STEP,
    pause.STEP,
    # ... and last the objects without an active controller: an unreachable destination must not keep the source paused.
    try_snapshot.STEP,
    pull_images.STEP,
    machines.STEP,
    control_plane_secrets.STEP,
    hosted_cluster_inputs.STEP,
    claim_namespaces.STEP,
    protect_instances.STEP,  # after the deletion of all machine objects
    mark_parent.STEP,
    claim_operator.STEP,
)
"""The order in which an abort reverts the started steps."""

IN_SERVICE: Steps = (hosted_api.STEP, expire_url.AFTER_ABORT)
"""The proof at the end of an abort, and the end of the restore URL."""

PREFLIGHT_BY_HAND: Steps = (tls.STRICT, external_dns.STEP, capability.FROM_OUTSIDE, owners.TOLD, judge_backup.STEP)
"""Checks before the restore of a manual backup, while the hosted API is unavailable."""

RESTORE_BY_HAND: Steps = (
    judge_backup.STEP,
    accept_backup.STEP,
    # Steps of `hcp-dr backup` that the documented commands leave out or may leave incomplete.
    protect_instances.STEP,
    pause.STEP,
    delete_routes.STEP,
    release_dns.STEP,
    *(step for step in RESTORE if RESTORE.index(step) < RESTORE.index(publish_api.STEP)),
    # No identity was remembered before a manual fence: the cluster is recognized first, then marked and verified.
    recognize.STEP,
    mark_parent.STEP,
    *(step for step in RESTORE if RESTORE.index(step) >= RESTORE.index(publish_api.STEP)),
)
"""The restore of a backup made with the documented commands. Its name in the journal is restore-by-hand."""

PHASES: dict[str, Steps] = {
    "preflight": PREFLIGHT,
    "backup": BACKUP,
    "restore": RESTORE,
    "verify": VERIFY,
    "teardown": TEARDOWN,
    "finish": FINISH,
    "relocate": RELOCATE,
    "restore-by-hand": RESTORE_BY_HAND,
}

ONLINE_PREFLIGHT: Steps = (preflight_online.STEP,)

ONLINE: Steps = (
    mark_parent.STEP,
    note_moment.STEP,
    export_objects.STEP,
    snapshot_etcd.STEP,
)
"""A backup of a cluster in service: no pause, no fence, no DNS changes; writes after its moment may be missing."""

BACKUP_ONLINE = "backup --online"

SOURCE_LOST: Steps = (
    judge_etcd.STEP,
    protect_instances.STEP,
    claim_namespaces.STEP,
    hosted_cluster_inputs.STEP,
    control_plane_secrets.STEP,
    machines.STEP,
    carry_again.STEP,
    take_over_dns.STEP,  # after all steps that may refuse because of the destination
    hosted_cluster.STEP,
    node_pools.STEP,
    refresh_external_dns.STEP,
    start_control_plane.STEP,
    publish_api.STEP,
    identity.STEP,
    await_nodes.STEP,
    unpause_node_pools.STEP,
    adopt_machines.STEP,
    placement.STEP,
    hosted_api.STEP,
    expire_url.STEP,
)
"""A restore from a backup while the source is unreachable: no step reads the source."""

RESTORE_LOST = "restore --source-lost"

RESUME: Steps = (refill.STEP,)
"""The first steps of a command that another machine began."""

APART: dict[str, Steps] = {BACKUP_ONLINE: ONLINE, RESTORE_LOST: SOURCE_LOST}
"""Steps outside of a relocation, by the command's name in the journal."""

PREFLIGHT_NAMES = frozenset(step.name for step in (*PREFLIGHT, *ONLINE_PREFLIGHT))
"""Steps that run before a journal begins."""


def working_steps(command: str) -> Steps:
    """The journaled steps of a command; an abort has no steps of its own."""
    steps = (PHASES | APART).get(command, ())
    return tuple(step for step in steps if step.name not in PREFLIGHT_NAMES)


WATCHES: tuple[Watch[Any], ...] = (fence_watch.WATCH, dns_watch.WATCH, deletion_watch.WATCH)  # the fence first
"""Watched between the rounds of every command that makes changes. A separate `verify` only reads."""
