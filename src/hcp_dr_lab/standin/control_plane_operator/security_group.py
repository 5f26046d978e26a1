"""The default security group of a hosted cluster's workers, `<infra id>-default-sg`, found by its tags.

Machine templates contain the group's ID from the status, so a NodePool waits for the ID. After creation the group's
rules are never checked again. The deletion of an HCP with the cleanup mark revokes all rules, even if another cluster's
workers use the group by then, and regardless of a pause (rule E4).
"""

from __future__ import annotations

from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import AllowInto, Change, CreateSecurityGroup, DeleteSecurityGroup, RevokeRules
from hcp_dr_lab.standin.hypershift_operator import documents
from hcp_dr_lab.standin.shape import annotation
from hcp_dr_lab.standin.view import SecurityGroup, View


def known(plane: Object) -> str:
    """Return the ID in the HCP's status, or an empty text."""
    aws = ((plane.get("status") or {}).get("platform") or {}).get("aws") or {}
    found: str = aws.get("defaultWorkerSecurityGroupID", "")
    return found


def reconcile(view: View, plane: Object) -> list[Change]:
    """CPO:2780-2860: create a missing group; set its rules before its ID is in the status. This requires that AWS
    accepts the operator's tokens."""
    if view.security_groups is None or known(plane) or not documents.valid(view, plane):
        return []
    rules = tuple(entry["cidr"] for entry in plane["spec"]["networking"].get("machineNetwork") or ())
    group = _default(view, plane)
    if group is None:
        vpc = (plane["spec"]["platform"]["aws"].get("cloudProviderConfig") or {}).get("vpc", "")
        return [CreateSecurityGroup(_name(plane), vpc, rules, owned_tags(plane))]
    missing = tuple(rule for rule in rules if rule not in group.rules)
    return [AllowInto(group.group_id, missing)] if missing else []


def identity(view: View, plane: Object) -> str:
    """Return the ID for the status; empty until the group is found."""
    if view.security_groups is None:
        return view.worker_security_group
    group = _default(view, plane) if documents.valid(view, plane) else None
    return known(plane) or (group.group_id if group is not None and group.rules else "")


def destroy(view: View, plane: Object) -> list[Change]:
    """CPO:385-431,603,2943-2990. AWS refuses to delete the group while an instance uses it: it stays without rules."""
    if view.security_groups is None or annotation(plane, names.CLEANUP) != "true" or not documents.valid(view, plane):
        return []
    group = _default(view, plane)
    if group is None or not group.rules:
        return []
    why = f"HostedControlPlane {names.path_name(plane)} is being deleted and marked for the cleanup of cloud resources"
    return [RevokeRules(group.group_id, why), DeleteSecurityGroup(group.group_id, why)]


def owned_tags(plane: Object) -> dict[str, str]:
    tags = {tag["key"]: tag["value"] for tag in plane["spec"]["platform"]["aws"].get("resourceTags") or ()}
    return {f"kubernetes.io/cluster/{plane['spec']['infraID']}": "owned"} | tags


def group_named(view: View, infra_id: str, name: str) -> SecurityGroup | None:
    tag = f"kubernetes.io/cluster/{infra_id}"
    groups = (view.security_groups or {}).values()
    return next((item for item in groups if item.name == name and item.tags.get(tag) == "owned"), None)


def _default(view: View, plane: Object) -> SecurityGroup | None:
    return group_named(view, plane["spec"]["infraID"], _name(plane))


def _name(plane: Object) -> str:
    return f"{plane['spec']['infraID']}-default-sg"
