"""All permissions of the product, and no further verb: one table, the source of the roles of `hcp-dr rbac` and of the
requests of preflight.

A permission is limited to one namespace if that namespace exists before and after. Cluster-wide are only kinds without
namespace, and reading objects after their namespace, with its RoleBinding, is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hcp_dr.engine import lease_status
from hcp_dr.engine.authenticity import secret_name
from hcp_dr.hypershift.deletion.foreign import BUILT_IN
from hcp_dr.hypershift.identity import NONCE_MARK, PARENT, SAMPLED
from hcp_dr.hypershift.inventory import MACHINERY
from hcp_dr.hypershift.operator_claim import LEASE_NAME as CLAIM
from hcp_dr.kube.port import Kubernetes, Resource
from hcp_dr.kube.resources import (
    AWS_CLUSTER,
    AWS_ENDPOINT_SERVICE,
    AWS_MACHINE,
    AWS_MACHINE_TEMPLATE,
    CLUSTER,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CLUSTER_VERSION,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    LEASE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_HEALTH_CHECK,
    MACHINE_SET,
    NAMESPACE,
    NODE,
    NODE_POOL,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    RESOURCE_QUOTA,
    ROLE,
    ROLE_BINDING,
    ROUTE,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
)
from hcp_dr.model import Side
from hcp_dr.objects.naming import control_plane_namespace
from hcp_dr.upstream import (
    ADDON,
    DASHBOARDS_NAMESPACE,
    INGRESS_NAMESPACES,
    KUBE_SYSTEM,
    NODE_LEASES_NAMESPACE,
    OPERATOR,
    OPERATOR_LEASE,
    OPERATOR_NAMESPACE,
    OVN_NAMESPACE,
)

Place = str
EVERYWHERE: Place = ""
SHARED: Place = "{shared}"  # the HostedCluster's namespace
OWN: Place = "{own}"  # the control plane namespace of the HostedCluster
JOURNAL_KEY = "{key}"  # the name of the Secret with the key of the journal
LEASES: Place = lease_status.NAMESPACE
_ADMISSION, _WORK = "admissionregistration.k8s.io", "work.open-cluster-management.io"
WEBHOOKS = (
    Resource(_ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False),
    Resource(_ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False),
)
PAUSE_WRITERS = (
    Resource(_WORK, "v1", "manifestworks", "ManifestWork"),
    Resource(_WORK, "v1", "appliedmanifestworks", "AppliedManifestWork", namespaced=False),
    Resource("operator.open-cluster-management.io", "v1", "klusterlets", "Klusterlet", namespaced=False),
    Resource("batch", "v1", "cronjobs", "CronJob"),
)
"""Possible causes of a lifted pause: controllers that apply objects from elsewhere, and scheduled jobs."""

UNDOING = "for undoing"
LEASE_HELD = "for the lease against a second relocation"
KEY_KEPT = "for the key of the journal in the bucket"
LOOKS = "for optional checks of preflight"
TROUBLE = "only for error handling"
WAITS = "for long waits"
PRIVATE = "for a hosted cluster that is not public"
DEDICATED = "for the topology with dedicated nodes"
REPAIRED = "for NodePools with auto-repair"
RETAINED = "for StatefulSets that delete their volumes"
HANDED = "for the handover of DNS names"
CACHED = "for an external-dns with a cache"
RELOCATED_BEFORE = "for a hosted cluster that was relocated before"
BESIDE = "for a HostedCluster's namespace that another relocation created"
OWNERS = "if the admission plugin OwnerReferencesPermissionEnforcement requires it, as in OpenShift"
FOREIGN = "to find foreign objects before the namespace is deleted"
NAMED = "for undoing, if a Route with a host of its own requires it, as in OpenShift"
_MARKS = (PARENT, NONCE_MARK)


@dataclass(frozen=True, slots=True)
class Permission:
    """Verbs on one kind in one place. `names` are the only permitted objects, all objects if empty; `beyond` is the
    purpose of a permission that a relocation without trouble does not use."""

    place: Place
    resource: Resource
    verbs: tuple[str, ...]
    part: str = ""  # the subresource
    names: tuple[str, ...] = ()
    beyond: str = ""

    def __str__(self) -> str:
        part = f"/{self.part}" if self.part else ""
        where = f" in {self.place}" if self.place else ""
        only = f" {' '.join(self.names)}" if self.names else ""
        return f"{','.join(self.verbs)} {self.resource}{part}{only}{where}"


def _each(
    place: Place,
    resources: tuple[Resource, ...],
    verbs: str,
    *,
    part: str = "",
    names: tuple[str, ...] = (),
    beyond: str = "",
) -> tuple[Permission, ...]:
    return tuple(Permission(place, each, tuple(verbs.split()), part, names, beyond) for each in resources)


_OUTLIVING = (
    HOSTED_CONTROL_PLANE,
    AWS_ENDPOINT_SERVICE,
    *(resource for resource in MACHINERY if resource not in (AWS_CLUSTER, AWS_MACHINE_TEMPLATE)),
    DEPLOYMENT,
)
"""Kinds that are looked up on the source after the control plane namespace, with its RoleBinding, is gone."""
_MANAGEMENT = (
    *_each(EVERYWHERE, (HOSTED_CLUSTER, STORAGE_CLASS, NODE), "list"),
    *_each(EVERYWHERE, (NAMESPACE,), "get", names=(KUBE_SYSTEM, SHARED, OWN)),
    *_each(EVERYWHERE, (CUSTOM_RESOURCE_DEFINITION,), "get"),
    *_each(EVERYWHERE, (CUSTOM_RESOURCE_DEFINITION, *WEBHOOKS, *PAUSE_WRITERS), "list", beyond=LOOKS),
    *_each(EVERYWHERE, (STORAGE_CLASS,), "get", beyond=LOOKS),
    *_each(OPERATOR_NAMESPACE, (DEPLOYMENT,), "get list"),
    *_each(OPERATOR_NAMESPACE, (POD,), "list"),
    *_each(OPERATOR_NAMESPACE, (LEASE,), "get", names=(OPERATOR_LEASE,), beyond=WAITS),
    *_each(OPERATOR_NAMESPACE, (CONFIG_MAP,), "get", beyond=LOOKS),  # with variables of external-dns
    *_each(LEASES, (LEASE,), "get create patch update", beyond=LEASE_HELD),
    *_each(LEASES, (SECRET,), "get", names=(JOURNAL_KEY,), beyond=KEY_KEPT),
    *_each(LEASES, (SECRET,), "create", beyond=KEY_KEPT),  # RBAC cannot limit create to a name
)
_SOURCE = (
    *_MANAGEMENT,
    *_each(EVERYWHERE, (DEPLOYMENT,), "get", names=(ADDON[0],), beyond=LOOKS),
    *_each(OWN, (SECRET,), "get", beyond=LOOKS),
    *_each(EVERYWHERE, _OUTLIVING, "list"),
    *_each(EVERYWHERE, (NAMESPACE,), "list watch"),
    *_each(EVERYWHERE, (NAMESPACE,), "delete", names=(OWN,)),
    *_each(EVERYWHERE, (NODE,), "patch", beyond=DEDICATED),
    *_each(EVERYWHERE, (PERSISTENT_VOLUME,), "list"),
    *_each(EVERYWHERE, (CLUSTER_ROLE, CLUSTER_ROLE_BINDING), "list delete"),
    *(right for place in INGRESS_NAMESPACES for right in _each(place, (ROLE, ROLE_BINDING), "list delete")),
    *_each(DASHBOARDS_NAMESPACE, (CONFIG_MAP,), "list delete"),
    *_each(SHARED, (HOSTED_CLUSTER,), "get list patch delete"),
    *_each(SHARED, (HOSTED_CLUSTER,), "watch", beyond=WAITS),
    *_each(SHARED, (NODE_POOL,), "list patch delete"),
    *_each(SHARED, (SECRET, CONFIG_MAP), "list patch"),
    *_each(OWN, MACHINERY, "list delete"),
    *_each(OWN, (CLUSTER, MACHINE_DEPLOYMENT, MACHINE_SET, MACHINE, AWS_MACHINE), "patch"),
    *_each(OWN, (AWS_CLUSTER, AWS_MACHINE_TEMPLATE), "patch", beyond=TROUBLE),
    *_each(OWN, (MACHINE_HEALTH_CHECK,), "list"),
    *_each(OWN, (MACHINE_HEALTH_CHECK,), "patch delete", beyond=REPAIRED),
    *_each(OWN, (CLUSTER,), "get"),
    *_each(OWN, (HOSTED_CONTROL_PLANE,), "get list patch delete"),
    *_each(OWN, (AWS_ENDPOINT_SERVICE,), "list"),
    *_each(OWN, (AWS_ENDPOINT_SERVICE,), "patch delete", beyond=PRIVATE),
    *_each(OWN, (SECRET, CONFIG_MAP), "list"),
    *_each(OWN, (DEPLOYMENT, STATEFUL_SET), "list"),
    *_each(OWN, (DEPLOYMENT, STATEFUL_SET), "patch", part="scale"),
    *_each(OWN, (DEPLOYMENT,), "patch", beyond=TROUBLE),  # for finalizers
    *_each(OWN, (STATEFUL_SET,), "get"),
    *_each(OWN, (STATEFUL_SET,), "patch", beyond=RETAINED),
    *_each(OWN, (POD,), "list watch delete"),
    *_each(OWN, (POD,), "get create", part="exec"),  # the request begins as a GET; Kubernetes 1.35 checks both verbs
    *_each(OWN, (ROUTE,), "list delete"),
    *_each(OWN, (ROUTE,), "watch", beyond=WAITS),
    *_each(OWN, (ROUTE,), "create", beyond=UNDOING),
    *_each(OWN, (ROUTE,), "create", part="custom-host", beyond=NAMED),
    *_each(OWN, (HOSTED_CONTROL_PLANE,), "update", part="finalizers", beyond=OWNERS),  # the owner of the Routes
    *_each(OWN, (SERVICE,), "list patch"),
    *_each(OWN, (*BUILT_IN, NODE_POOL), "list", beyond=FOREIGN),
    *_each(OPERATOR_NAMESPACE, (DEPLOYMENT,), "patch", part="scale", names=(OPERATOR,)),
    *_each(LEASES, (LEASE,), "delete", names=(CLAIM,)),  # to release the claim on the operator
    *_each(OPERATOR_NAMESPACE, (POD,), "delete"),
    *_each(OPERATOR_NAMESPACE, (POD,), "watch", beyond=WAITS),
)
_DESTINATION = (
    *_MANAGEMENT,
    *_each(EVERYWHERE, (POD,), "list", beyond=LOOKS),  # for the free capacity of the nodes
    *_each(OWN, (SERVICE, ROUTE), "list", beyond=HANDED),
    *_each(OWN, (SERVICE, PERSISTENT_VOLUME_CLAIM), "list", beyond=UNDOING),
    *_each(EVERYWHERE, (NAMESPACE,), "patch", names=(OWN,)),
    *_each(EVERYWHERE, (NAMESPACE,), "patch", names=(SHARED,), beyond=BESIDE),
    *_each(EVERYWHERE, (NAMESPACE,), "list watch", beyond=UNDOING),
    *_each(EVERYWHERE, (NAMESPACE,), "delete", names=(OWN,), beyond=UNDOING),
    *_each(EVERYWHERE, (*_OUTLIVING, PERSISTENT_VOLUME), "list", beyond=UNDOING),
    *_each(EVERYWHERE, (CLUSTER_ROLE, CLUSTER_ROLE_BINDING), "list delete", beyond=UNDOING),
    *_each(EVERYWHERE, (NODE,), "patch", beyond=UNDOING),
    *(
        right
        for place in INGRESS_NAMESPACES
        for right in _each(place, (ROLE, ROLE_BINDING), "list delete", beyond=UNDOING)
    ),
    *_each(DASHBOARDS_NAMESPACE, (CONFIG_MAP,), "list delete", beyond=UNDOING),
    *_each(SHARED, (HOSTED_CLUSTER,), "get list create patch"),
    *_each(SHARED, (NODE_POOL,), "list create patch"),
    *_each(SHARED, (HOSTED_CLUSTER, NODE_POOL), "watch", beyond=WAITS),
    *_each(SHARED, (NODE_POOL,), "patch", part="status"),
    *_each(SHARED, (HOSTED_CLUSTER, NODE_POOL), "delete", beyond=UNDOING),
    *_each(SHARED, (HOSTED_CLUSTER,), "update", part="finalizers", beyond=OWNERS),
    *_each(SHARED, (SECRET, CONFIG_MAP), "list create"),
    *_each(SHARED, (RESOURCE_QUOTA,), "list", beyond=LOOKS),
    *_each(SHARED, (SECRET, CONFIG_MAP), "get delete", beyond=TROUBLE),
    *_each(SHARED, (SECRET, CONFIG_MAP), "patch", beyond=UNDOING),
    *_each(OWN, MACHINERY, "list create"),
    *_each(OWN, (MACHINE_SET, MACHINE, AWS_MACHINE), "patch"),
    *_each(OWN, (CLUSTER, AWS_CLUSTER, AWS_MACHINE_TEMPLATE, MACHINE_DEPLOYMENT), "patch", beyond=TROUBLE),
    *_each(OWN, (MACHINE,), "watch", beyond=WAITS),
    *_each(OWN, MACHINERY, "get", beyond=TROUBLE),
    *_each(OWN, MACHINERY, "delete", beyond=TROUBLE),
    *_each(OWN, (CLUSTER, MACHINE_DEPLOYMENT, MACHINE_SET, MACHINE), "update", part="finalizers", beyond=OWNERS),
    *_each(OWN, (MACHINE_HEALTH_CHECK,), "list"),
    *_each(OWN, (MACHINE_HEALTH_CHECK,), "patch", beyond=TROUBLE),
    *_each(OWN, (MACHINE_HEALTH_CHECK,), "delete", beyond=UNDOING),
    *_each(OWN, (*BUILT_IN, NODE_POOL), "list", beyond=FOREIGN),
    *_each(OWN, (HOSTED_CONTROL_PLANE,), "list", beyond=TROUBLE),
    *_each(OWN, (HOSTED_CONTROL_PLANE,), "get patch delete", beyond=UNDOING),
    *_each(OWN, (AWS_ENDPOINT_SERVICE,), "list patch delete", beyond=UNDOING),
    *_each(OWN, (SECRET, CONFIG_MAP), "list create"),
    *_each(OWN, (SECRET, CONFIG_MAP), "get delete", beyond=TROUBLE),
    *_each(OWN, (DEPLOYMENT, STATEFUL_SET), "get list"),
    *_each(OWN, (DEPLOYMENT, STATEFUL_SET), "patch", part="scale", beyond=UNDOING),
    *_each(OWN, (DEPLOYMENT, STATEFUL_SET), "patch", beyond=UNDOING),
    *_each(OWN, (POD,), "list watch create delete"),
    *_each(OWN, (POD,), "get create", part="exec"),
    *_each(OPERATOR_NAMESPACE, (DEPLOYMENT,), "patch", part="scale", names=(OPERATOR,), beyond=UNDOING),
    *_each(LEASES, (LEASE,), "delete", names=(CLAIM,), beyond=UNDOING),
    *_each(OPERATOR_NAMESPACE, (POD,), "delete", beyond=CACHED),
    *_each(OPERATOR_NAMESPACE, (POD,), "watch", beyond=UNDOING),
)
_HOSTED = (
    *_each(EVERYWHERE, (NAMESPACE, NODE, *SAMPLED), "list"),
    *_each(EVERYWHERE, (CLUSTER_VERSION,), "get", names=("version",)),
    *_each("default", (CONFIG_MAP,), "get create"),
    *_each("default", (CONFIG_MAP,), "patch", names=_MARKS, beyond=RELOCATED_BEFORE),
    *_each("default", (CONFIG_MAP,), "delete", names=_MARKS, beyond=UNDOING),
    *_each(NODE_LEASES_NAMESPACE, (LEASE,), "list watch"),
    *_each(OVN_NAMESPACE, (POD,), "list watch delete"),
)
_TABLE: dict[Side, tuple[Permission, ...]] = {"source": _SOURCE, "destination": _DESTINATION, "hosted": _HOSTED}
SIDES: tuple[Side, ...] = ("source", "destination", "hosted")


def permissions(side: Side, namespace: str, name: str) -> tuple[Permission, ...]:
    """The permissions for the HostedCluster `namespace`/`name`, with the names of its namespaces."""
    own = control_plane_namespace(namespace, name)
    known = {SHARED: namespace, OWN: own, JOURNAL_KEY: secret_name(namespace, name)}
    return tuple(
        replace(
            right,
            place=known.get(right.place, right.place),
            names=tuple(known.get(each, each) for each in right.names),
        )
        for right in _TABLE[side]
    )


def _used_by_relocation(side: Side, right: Permission, verb: str) -> bool:
    del side, verb
    return right.beyond not in (LOOKS, FOREIGN)


def of_online(side: Side, right: Permission, verb: str) -> bool:
    """Whether an online backup uses it: to read the exported objects, run commands in etcd's pods, mark the cluster."""
    if right.beyond in (LOOKS, FOREIGN, UNDOING, TROUBLE, WAITS):
        return False
    if right.beyond in (LEASE_HELD, KEY_KEPT) or KUBE_SYSTEM in right.names:
        return True
    if side == "hosted":
        return right.place in (EVERYWHERE, "default") and verb != "watch"
    own = right.place and right.place not in (OPERATOR_NAMESPACE, *INGRESS_NAMESPACES, DASHBOARDS_NAMESPACE)
    return side == "source" and bool(own) and (verb in ("get", "list") or right.part == "exec")


def denied(
    cluster: Kubernetes,
    side: Side,
    namespace: str,
    name: str,
    needed: Callable[[Side, Permission, str], bool] = _used_by_relocation,
) -> tuple[str, ...]:
    """The missing permissions of the caller, each verb separately, as the cluster answers. An optional check of
    preflight reports a missing permission itself."""
    missing = [
        str(replace(right, verbs=(verb,), names=(only,) if only else ()))
        for right in permissions(side, namespace, name)
        for verb in right.verbs
        if needed(side, right, verb)
        for only in right.names or ("",)
        if not cluster.may(verb, right.resource, right.place or None, subresource=right.part or None, name=only or None)
    ]
    if side == "destination" and needed is _used_by_relocation and not cluster.may("create", NAMESPACE):
        places = (namespace, control_plane_namespace(namespace, name))
        missing += [f"create namespace {place}" for place in places if cluster.find(NAMESPACE, place) is None]
    return tuple(dict.fromkeys(missing))
