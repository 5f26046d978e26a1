"""Names of the steps used outside their own pages. Such a page takes its name from here, so that each name is written
once. Journals hold these names, and a journal of an older version must stay readable."""

from __future__ import annotations

BACKUP_CLAIM_OPERATOR = "backup.claim_operator"
BACKUP_MARK_PARENT = "backup.mark_parent"
BACKUP_PAUSE = "backup.pause"
BACKUP_FENCE = "backup.fence"
BACKUP_EXPORT_AGAIN = "backup.export_again"
BACKUP_SNAPSHOT_ETCD = "backup.snapshot_etcd"
BACKUP_DELETE_ROUTES = "backup.delete_routes"
BACKUP_RELEASE_DNS = "backup.release_dns"

BY_HAND_ACCEPT_BACKUP = "by_hand.accept_backup"

RESTORE_CARRY_AGAIN = "restore.carry_again"
RESTORE_HOSTED_CLUSTER_INPUTS = "restore.hosted_cluster_inputs"
RESTORE_CONTROL_PLANE_SECRETS = "restore.control_plane_secrets"
RESTORE_MACHINES = "restore.machines"
RESTORE_HOSTED_CLUSTER = "restore.hosted_cluster"
RESTORE_NODE_POOLS = "restore.node_pools"
RESTORE_REFRESH_EXTERNAL_DNS = "restore.refresh_external_dns"
RESTORE_START_CONTROL_PLANE = "restore.start_control_plane"
RESTORE_ADOPT_MACHINES = "restore.adopt_machines"

VERIFY_PUBLISH_API = "verify.publish_api"
VERIFY_IDENTITY = "verify.identity"
VERIFY_AWAIT_NODES = "verify.await_nodes"
VERIFY_PLACEMENT = "verify.placement"
VERIFY_HOSTED_API = "verify.hosted_api"
VERIFY_SOURCE_CLEAN = "verify.source_clean"

TEARDOWN_STOP_CONTROL_PLANE = "teardown.stop_control_plane"
TEARDOWN_NODE_POOLS = "teardown.node_pools"
TEARDOWN_HOSTED_CLUSTER = "teardown.hosted_cluster"

FINISH_OIDC_DOCUMENTS = "finish.oidc_documents"

POINT_OF_NO_RETURN = RESTORE_START_CONTROL_PLANE
"""Un-pauses the HostedCluster on the destination: from here on its API may accept writes, the destination's state is
newer than the backup, and the relocation cannot be aborted."""
