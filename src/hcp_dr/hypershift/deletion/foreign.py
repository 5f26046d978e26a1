"""Foreign objects in a control plane namespace: they do not belong to the hosted cluster, and the deletion of the
namespace would delete them too.

No list of names has all objects of a control plane, because releases and add-ons differ. Evidence decides: an owner in
the control plane; a label or annotation of HyperShift, Cluster API or hcp-dr; or, by its managedFields, a client that
also makes objects of the control plane. An object without any such evidence is foreign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check
from hcp_dr.errors import ClusterUnreachable, Forbidden, KubernetesError, NotFound
from hcp_dr.hypershift.checks import bad_if
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import (
    CONFIG_MAP,
    CRON_JOB,
    CUSTOM_RESOURCE_DEFINITION,
    DAEMON_SET,
    DEPLOYMENT,
    HOSTED_CONTROL_PLANE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    RESOURCE_QUOTA,
    ROLE,
    ROLE_BINDING,
    ROUTE,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from hcp_dr.model import RELOCATION_ANNOTATION
from hcp_dr.objects.field_owners import writers
from hcp_dr.objects.reading import annotations_of, dig, is_deleting, labels_of, name_of, uid_of
from hcp_dr.objects.select import travels
from hcp_dr.upstream import COMPONENTS, CONTROL_PLANE_INPUTS, ETCD, MADE_IN_EVERY_NAMESPACE

BUILT_IN = (
    *(SECRET, CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, SERVICE, SERVICE_ACCOUNT, POD, ROLE, ROLE_BINDING, ROUTE),
    *(DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CRON_JOB),
    Resource("apps", "v1", "replicasets", "ReplicaSet"),
    Resource("batch", "v1", "jobs", "Job"),
    Resource("", "v1", "replicationcontrollers", "ReplicationController"),
    RESOURCE_QUOTA,
    Resource("", "v1", "limitranges", "LimitRange"),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress"),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    Resource("apps.openshift.io", "v1", "deploymentconfigs", "DeploymentConfig"),
    Resource("build.openshift.io", "v1", "buildconfigs", "BuildConfig"),
    Resource("image.openshift.io", "v1", "imagestreams", "ImageStream"),
    Resource("template.openshift.io", "v1", "templates", "Template"),
)
"""The namespaced kinds of Kubernetes and of OpenShift's API server, without records of events, leases and endpoints.
All other kinds are found by their CustomResourceDefinitions."""
_ALWAYS = (*BUILT_IN, HOSTED_CONTROL_PLANE)
_SHOWING = (HOSTED_CONTROL_PLANE, DEPLOYMENT, SECRET, CONFIG_MAP)
"""Kinds with objects of each client that makes a control plane."""
_GROUPS = ("hypershift.openshift.io", "cluster.x-k8s.io")
_MARKS = (*(f"{group}/" for group in _GROUPS), RELOCATION_ANNOTATION)
_ACCOUNTS = ("default", "builder", "deployer")
_ROLES = ("system:", "hcp-dr:")
"""Prefixes of Roles and RoleBindings made by OpenShift in every namespace, and by the manifests of `hcp-dr rbac`."""
_CLAIM = re.compile(rf"data-{ETCD}(-[a-z0-9-]+)?-\d+")
_PEOPLE = re.compile(r"(kubectl|oc|mozilla|helm|argocd|velero|kube-controller-manager)\b", re.IGNORECASE)
"""Field managers of clients that make objects for anybody, whatever they have once written in the control plane."""


@dataclass(frozen=True, slots=True)
class Content:
    """The objects of a namespace, and the listed kinds. `unseen` are the kinds, or API groups, that could not be
    listed, each with the reason."""

    items: tuple[Object, ...]
    kinds: frozenset[tuple[str, str]]  # group and kind
    unseen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Foreign:
    """Foreign objects, by kind and name, and the kinds or API groups that could not be listed."""

    names: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


NOTHING_FOREIGN = Foreign()


def read_content(cluster: Kubernetes, namespace: str) -> Content:
    """Raises KubernetesError if the cluster does not answer, or for kinds of Kubernetes itself, except if they may not
    be listed."""
    items: list[Object] = []
    kinds: list[Resource] = []
    unseen: list[str] = []

    def read(resource: Resource) -> None:
        try:
            items.extend(cluster.list(resource, namespace).items)
        except NotFound:
            return
        except Forbidden:
            if not resource.group.endswith(_GROUPS):  # HyperShift's own kinds
                unseen.append(f"{resource if resource in BUILT_IN else resource.group} (forbidden)")
        else:
            kinds.append(resource)

    for resource in _ALWAYS:
        read(resource)
    try:
        custom = tuple(_custom_kinds(cluster.list(CUSTOM_RESOURCE_DEFINITION).items))
    except Forbidden:
        custom = ()
        unseen.append("custom resources (forbidden)")
    for resource in custom:
        try:
            read(resource)
        except ClusterUnreachable:
            raise
        except KubernetesError:  # such as the conversion webhook of an add-on that does not answer
            unseen.append(f"{resource} (its list failed)")
    return Content(tuple(items), frozenset((each.group, each.kind) for each in kinds), tuple(dict.fromkeys(unseen)))


def _custom_kinds(definitions: Iterable[Object]) -> Iterator[Resource]:
    """In the stored version, so that a list needs no conversion, or else in a served version."""
    known = {(resource.group, resource.plural) for resource in _ALWAYS}
    for definition in definitions:
        spec = definition["spec"]
        group, names = str(spec["group"]), spec["names"]
        served = [each for each in spec["versions"] if each.get("served")]
        if spec.get("scope") != "Namespaced" or not served or (group, names["plural"]) in known:
            continue
        version = next((each for each in served if each.get("storage")), served[0])["name"]
        yield Resource(group, version, names["plural"], names["kind"])


def find_foreign(cluster: Kubernetes, namespace: str, *others: Kubernetes) -> Foreign:
    """The foreign objects of the namespace. `others` are management clusters that also show the clients of this control
    plane: during a teardown, only the destination still does. Raises KubernetesError."""
    content = read_content(cluster, namespace)
    makers = _makers(content.items)
    for other in others:
        makers |= _makers(item for kind in _SHOWING for item in other.list(kind, namespace).items)
    claims = _claims(content.items)
    names = (
        f"{item['kind']} {name_of(item)}"
        for item in content.items
        if not (
            is_deleting(item)
            or _has_owner(item, content.kinds)
            or is_default(item)
            or _is_marked(item)
            or _is_known(item, claims)
            or not makers.isdisjoint(_managers(item))
        )
    )
    return Foreign(tuple(sorted(names)), content.unseen)


def _has_owner(item: Object, kinds: frozenset[tuple[str, str]]) -> bool:
    """An owner of a listed kind is judged by itself, and if it is gone, the garbage collector removes the object. So do
    the objects of a control plane that is gone."""
    owners = item["metadata"].get("ownerReferences") or ()
    return any(_group(owner).endswith(_GROUPS) or (_group(owner), owner.get("kind")) in kinds for owner in owners)


def _group(owner: Object) -> str:
    group, slash, _ = str(owner.get("apiVersion")).partition("/")
    return group if slash else ""


def is_default(item: Object) -> bool:
    """Made by Kubernetes or OpenShift in every namespace, or by the manifests of `hcp-dr rbac`."""
    kind, name = item["kind"], name_of(item)
    match kind:
        case "ConfigMap":
            return name in MADE_IN_EVERY_NAMESPACE
        case "Secret":
            return not travels(item)
        case "ServiceAccount":
            return name in _ACCOUNTS
        case "Role" | "RoleBinding":
            return name.startswith(_ROLES)
    return False


def _is_marked(item: Object) -> bool:
    keys = (*labels_of(item), *annotations_of(item))
    return any(key.startswith(mark) for key in keys for mark in _MARKS)


def _is_known(item: Object, claims: Iterable[re.Pattern[str]]) -> bool:
    if item["kind"] == PERSISTENT_VOLUME_CLAIM.kind:
        return any(claim.fullmatch(name_of(item)) for claim in claims)
    if item["kind"] in (DEPLOYMENT.kind, STATEFUL_SET.kind):
        return name_of(item) in COMPONENTS
    if item["kind"] == HOSTED_CONTROL_PLANE.kind:
        return True
    return item["kind"] in (SECRET.kind, CONFIG_MAP.kind) and name_of(item) in CONTROL_PLANE_INPUTS


def _claims(items: Iterable[Object]) -> tuple[re.Pattern[str], ...]:
    """The names of the volume claims of etcd, and of the StatefulSets of the namespace."""
    templates = (
        f"{name_of(template)}-{name_of(item)}"
        for item in items
        if item["kind"] == STATEFUL_SET.kind
        for template in dig(item, "spec", "volumeClaimTemplates") or ()
    )
    return (_CLAIM, *(re.compile(rf"{re.escape(each)}-\d+") for each in templates))


def _makers(items: Iterable[Object]) -> frozenset[str]:
    """The field managers of the clients that make the control plane: the managers of the HostedControlPlane and of the
    owners of its objects, and the Deployments in the control plane, as operators call themselves so."""
    items = tuple(items)
    planes = {uid_of(item) for item in items if item["kind"] == HOSTED_CONTROL_PLANE.kind}
    found: set[str] = set()
    for item in items:
        if uid_of(item) in planes:
            found |= {writer.manager for writer in writers(item, "spec", "infraID")}
        if any(owner.get("uid") in planes for owner in item["metadata"].get("ownerReferences") or ()):
            found |= {writer.manager for writer in writers(item, "metadata", "ownerReferences")}
            found |= {name_of(item)} if item["kind"] == DEPLOYMENT.kind else set()
    return frozenset(manager for manager in found if not _PEOPLE.match(manager))


def _managers(item: Object) -> frozenset[str]:
    return frozenset(writer.manager for writer in writers(item))


CHECK, UNSEEN_CHECK = "foreign_objects", "foreign_objects_unseen"
_WHY = "they are not part of the hosted cluster, are not moved as part of it, and the teardown would delete them with "
_WHY += "the namespace"
GRANT = "grant the permission to list these kinds in this namespace (`hcp-dr rbac source` prints those of Kubernetes)"


def checks(namespace: str, found: Foreign) -> tuple[Check, ...]:
    return (
        bad_if(
            found.names,
            CHECK,
            f"foreign objects in {namespace}: {', '.join(found.names) or 'none'}",
            _WHY,
            f"move them to another namespace, or delete them; accept this check to let them go with {namespace}",
            acceptable=True,
        ),
        bad_if(
            found.unseen,
            UNSEEN_CHECK,
            f"kinds that could not be listed in {namespace}: {', '.join(found.unseen) or 'none'}",
            "the teardown deletes the namespace, with foreign objects of these kinds",
            f"{GRANT}, or list them with other credentials and accept this check",
            verdict="unknown",
            acceptable=True,
        ),
    )


def unaccepted(found: Foreign, memory: RunState) -> Foreign:
    """The part of the finding that was not accepted at the beginning of the relocation."""
    return Foreign(_without(found.names, memory, CHECK), _without(found.unseen, memory, UNSEEN_CHECK))


def _without(names: tuple[str, ...], memory: RunState, check: str) -> tuple[str, ...]:
    accepted = set(memory.accepted.get(check, "").rpartition(": ")[2].split(", "))
    return tuple(name for name in names if name not in accepted)
