"""THE BOOK: every step of the relocation, and the one place that says in which order.

Documented is 8.6.2 (backup), 8.6.3 (restore), 8.6.4 (removal). Where the order here differs, a comment says why.
"""

from __future__ import annotations

from typing import Any

from hcp_dr.engine.step import Step, Watch
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
from hcp_dr.procedure.finish import oidc_documents, restart_ovn, unprotect_instances
from hcp_dr.procedure.preflight import (
    aws,
    capability,
    capacity,
    destination,
    documented_key,
    external_dns,
    keys,
    owners,
    tls,
    webhooks,
)
from hcp_dr.procedure.preflight import carried as preflight_carried
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
    keys.STEP,
    webhooks.STEP,
    destination.STEP,
    capacity.STEP,
    documented_key.STEP,
)

BACKUP: Steps = (
    mark_parent.STEP,
    protect_instances.STEP,
    hold_dns.STEP,
    pause.STEP,
    export_objects.STEP,
    judge_etcd.STEP,
    fence.STEP,
    export_again.STEP,
    snapshot_etcd.STEP,
    delete_routes.STEP,
    release_dns.STEP,
    copy_snapshot.STEP,  # where it is asked for, and last: it may take minutes, and the API is away
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
    await_nodes.STEP,  # before adopt_machines: a node that is not back must not be judged by its machine's controllers
    adopt_machines.STEP,
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
    leftovers.STEP,  # after the operator is back, whose conversion webhook the namespace's deletion needs (rule F1)
    source_clean.STEP,
)

FINISH: Steps = (
    restart_ovn.STEP,
    unprotect_instances.STEP,
    oidc_documents.STEP,
)

RELOCATE: Steps = (
    *PREFLIGHT,
    claim_operator.STEP,  # of two off one source, the second stops before anything; it is given back in operator_back
    mark_parent.STEP,
    protect_instances.STEP,
    hold_dns.STEP,
    pause.STEP,
    export_objects.STEP,
    judge_etcd.STEP,
    # What the destination needs and nothing acts upon is restored before the fence: it costs no downtime (rule D).
    claim_namespaces.STEP,
    hosted_cluster_inputs.STEP,
    control_plane_secrets.STEP,
    machines.STEP,
    # Last before the fence, and only here: in a restore alone the API is away already, and kubelets pull by themselves.
    pull_images.STEP,
    # Here the hosted API goes away ...
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
    # ... and here it is back.
    publish_api.STEP,
    identity.STEP,
    await_nodes.STEP,
    adopt_machines.STEP,
    placement.STEP,
    hosted_api.STEP,
    copy_snapshot.STEP,
    *TEARDOWN,
    *FINISH,
)

UNDO: Steps = (
    # Backwards: first what could become a second control plane ...
    node_pools.STEP,
    hosted_cluster.STEP,
    take_over_dns.STEP,
    release_dns.STEP,  # records before Routes: who lives and finds no Route for them makes them again afterwards
    delete_routes.STEP,
    snapshot_etcd.STEP,
    fence.STEP,
    # ... here the hosted API is back on the source, its Routes among it, and then its operators ...
    hold_dns.STEP,
    pause.STEP,
    # ... and last what nothing acts upon: a destination that does not answer must not keep the source paused.
    pull_images.STEP,
    machines.STEP,
    control_plane_secrets.STEP,
    hosted_cluster_inputs.STEP,
    claim_namespaces.STEP,
    protect_instances.STEP,  # until no machine object is to be deleted any more
    mark_parent.STEP,
    claim_operator.STEP,
)
"""What is taken back, in this order, where it was begun."""

IN_SERVICE: Steps = (hosted_api.STEP,)
"""The proof at the end of an abort."""

PREFLIGHT_BY_HAND: Steps = (tls.STRICT, external_dns.STEP, capability.FROM_OUTSIDE, judge_backup.STEP)
"""What can be looked at while the hosted API is away, before a backup that was made by hand is restored."""

RESTORE_BY_HAND: Steps = (
    judge_backup.STEP,
    accept_backup.STEP,
    # What `hcp-dr backup` does and the documented commands leave out, or may have left half done.
    protect_instances.STEP,
    pause.STEP,
    delete_routes.STEP,
    release_dns.STEP,
    *(step for step in RESTORE if RESTORE.index(step) < RESTORE.index(publish_api.STEP)),
    # Nothing was remembered before that fence: the cluster is recognized first, then marked, and proven as usual.
    recognize.STEP,
    mark_parent.STEP,
    *(step for step in RESTORE if RESTORE.index(step) >= RESTORE.index(publish_api.STEP)),
)
"""A backup that was made with the documented commands, restored. The journal calls it restore-by-hand."""

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
"""A backup of a cluster that goes on: no pause, no fence, no names; what is written after its moment may be missing."""

BACKUP_ONLINE = "backup --online"

SOURCE_LOST: Steps = (
    judge_etcd.STEP,
    protect_instances.STEP,
    claim_namespaces.STEP,
    hosted_cluster_inputs.STEP,
    control_plane_secrets.STEP,
    machines.STEP,
    carry_again.STEP,
    take_over_dns.STEP,  # when all that may be refused on the destination has been looked at
    hosted_cluster.STEP,
    node_pools.STEP,
    refresh_external_dns.STEP,
    start_control_plane.STEP,
    publish_api.STEP,
    identity.STEP,
    await_nodes.STEP,
    adopt_machines.STEP,
    placement.STEP,
    hosted_api.STEP,
)
"""From a backup, while the source does not answer: none of these asks it."""

RESTORE_LOST = "restore --source-lost"

RESUME: Steps = (refill.STEP,)
"""What a command does first where another machine began it."""

APART: dict[str, Steps] = {BACKUP_ONLINE: ONLINE, RESTORE_LOST: SOURCE_LOST}
"""What is no part of a relocation, by the command as the journal names it."""

EXAMINED = frozenset(step.name for step in (*PREFLIGHT, *ONLINE_PREFLIGHT))
"""Done before a journal begins."""


def working_steps(command: str) -> Steps:
    """The steps of a command that are journaled; an abort has none of its own."""
    steps = (PHASES | APART).get(command, ())
    return tuple(step for step in steps if step.name not in EXAMINED)


WATCHES: tuple[Watch[Any], ...] = (fence_watch.WATCH,)
"""What the commands that change something look after between their rounds. `verify` alone only reads."""
