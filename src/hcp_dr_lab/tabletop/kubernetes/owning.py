"""The admission plugin OwnerReferencesPermissionEnforcement, enabled in OpenShift: setting blockOwnerDeletion requires
permission to update the owner's finalizers, and an owner in a served version; changing owner references requires
permission to delete the object. Superusers are not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.tabletop.kubernetes import refusal
from hcp_dr_lab.tabletop.kubernetes.access import Attributes
from hcp_dr_lab.tabletop.kubernetes.webhooks import Write

_DELETE = "cannot set an ownerRef on a resource you can't delete: , <nil>"
_FINALIZE = (
    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>"
)
_UNSERVED = (
    "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {apiVersion} Kind "
    '{kind}: no matches for kind "{kind}" in version "{apiVersion}"'
)


def admit(write: Write, kinds: Iterable[Resource], allows: Callable[[Attributes], bool]) -> None:
    """Raises Refusal (403)."""
    new, old = _owners(write.new), _owners(write.old)
    if write.new is None or write.subresource == "status" or new == old:
        return
    resource, place = write.resource, write.namespace or ""
    if write.old is not None and not allows(Attributes("delete", resource.group, resource.plural, place, write.name)):
        raise refusal.forbidden(resource, write.name, _DELETE)
    before = {owner["uid"] for owner in old if owner.get("blockOwnerDeletion")}
    blocking = [owner for owner in new if owner.get("blockOwnerDeletion") and owner["uid"] not in before]
    if not blocking:
        return
    known = {(each.api_version, each.kind): each for each in kinds}
    for owner in blocking:
        found = known.get((owner["apiVersion"], owner["kind"]))
        if found is None:
            raise refusal.forbidden(resource, write.name, _UNSERVED.format(**owner))
        where = place if found.namespaced else ""
        if not allows(Attributes("update", found.group, found.plural, where, owner["name"], "finalizers")):
            raise refusal.forbidden(resource, write.name, _FINALIZE)


def _owners(item: Object | None) -> list[Object]:
    return list(item["metadata"].get("ownerReferences") or ()) if item is not None else []
