"""Would the destination create every object of the restore? Each is sent as a dry run with strict fields: an unknown
field, a rule of a schema, a policy, a quota or a missing permission is found while the hosted API still serves.

A dry run goes through everything that a creation does, except the store. Secrets are sent without their values. In a
namespace that does not exist an API server checks the fields only; the rest is tried when the namespace exists, before
the fence.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from hcp_dr.engine import trials
from hcp_dr.engine.step import Check, Create
from hcp_dr.errors import RESUME, AlreadyExists, Conflict, NotFound, Refused, ServerBusy, Unauthorized
from hcp_dr.hypershift import bodies, quotas
from hcp_dr.hypershift.backup_objects import Restorable, marked, to_restore
from hcp_dr.hypershift.checks import bad_if, look_for
from hcp_dr.hypershift.inventory import MACHINERY, RESOURCES
from hcp_dr.hypershift.machines.restore import carried_owners, held_body
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import CONFIG_MAP, HOSTED_CLUSTER, NAMESPACE, NODE_POOL, SECRET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.graph import relink
from hcp_dr.objects.reading import name_of, namespace_of, some

UNKNOWN_UID = "00000000-0000-4000-8000-000000000000"
"""Of an owner that is not created yet. No API server looks an owner up."""
_URL = "https://snapshot.invalid/hcp-dr"
"""In the place of the restore URL, which exists only with the snapshot."""
_MACHINERY = frozenset(resource.kind for resource in MACHINERY)
_RESTORED = _MACHINERY | {resource.kind for resource in (HOSTED_CLUSTER, NODE_POOL, SECRET, CONFIG_MAP)}
"""Without the HostedControlPlane, which the operator creates."""
_WEBHOOK = "webhook"
_REMEDY = (
    "Correct the object on the source, or the destination: its CustomResourceDefinitions (of the HyperShift release of "
    "the source or newer), policy, quota or permission (`hcp-dr rbac` prints all that are needed)"
)


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of the dry runs. Each text of `refused` and `unanswered` names an object and quotes the API server.

    `unanswered` may pass: a webhook did not answer, or a quota was being changed. `absent` are namespaces that do not
    exist yet."""

    tried: int = 0
    refused: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def refusal(self, left: str) -> Refused | None:
        """For the steps of a restore. None if no object is refused."""
        if not self.refused:
            return None
        return Refused(
            what=f"The destination would not create objects of the restore: {some(self.refused, 3)}.",
            left=left,
            todo=f"{_REMEDY}; then run {RESUME}. Before the point of no return `hcp-dr abort` puts the source back "
            "into service.",
        )

    def describe(self) -> str:
        """Without a refusal."""
        places = f"; in namespaces that do not exist yet ({', '.join(self.absent)}), fields only" if self.absent else ""
        return f"the destination would create {self.tried} objects, by dry runs{places}"

    def check(self) -> Check:
        failed = (*self.refused, *self.unanswered)
        return bad_if(
            failed,
            "creations",
            f"the destination would not create: {some(failed, 3)}" if failed else self.describe(),
            "the restore would stop at this object, while the hosted API is unavailable",
            f"{_REMEDY[:1].lower()}{_REMEDY[1:]}",
        )


NOT_TRIED = Trial()


def try_restore(ports: Ports, case: Case) -> Trial:
    """Dry runs of all objects that the restore has yet to create. Raises KubernetesError if the destination does not
    answer."""
    creations = (*_namespaces(case), *_creations(to_restore(ports, case), case))
    missing = _missing(ports.destination, creations)
    trial = _try_all(ports.destination, missing)
    return replace(trial, refused=(*trial.refused, *quotas.find_exceeded(ports.destination, missing)))


def try_hosted_cluster(ports: Ports, case: Case) -> Trial:
    """As `try_restore`, for the objects that are created behind the fence: HostedCluster, NodePools, token Secrets."""
    restorable = to_restore(ports, case)
    tokens = {item.entry.file for item in bodies.token_secrets(restorable)}
    kinds = (HOSTED_CLUSTER.kind, NODE_POOL.kind)
    chosen = tuple(item for item in restorable if item.entry.kind in kinds or item.entry.file in tokens)
    return _try_all(ports.destination, tuple(_creations(chosen, case)))


def _try_all(cluster: Kubernetes, creations: tuple[Create, ...]) -> Trial:
    refused, unanswered, absent = [], [], set()
    for action, error in zip(creations, trials.answers(cluster, creations), strict=True):
        kind, namespace, name = _place(action)
        if error is None or isinstance(error, AlreadyExists):
            continue
        reason = str(error.values.get("reason", error.what))
        if isinstance(error, NotFound) and namespace and reason.startswith(f'{NAMESPACE} "{namespace}"'):
            absent.add(namespace)
            continue
        if isinstance(error, NotFound):
            reason = f"{action.body['apiVersion']} is not served there"
        text = f"{kind} {f'{namespace}/{name}' if namespace else name} ({reason})"
        if isinstance(error, Conflict) or (isinstance(error, ServerBusy) and _WEBHOOK in reason):
            unanswered.append(text)
        elif error.passing or isinstance(error, Unauthorized):
            raise error
        else:
            refused.append(text)
    return Trial(len(creations), tuple(refused), tuple(unanswered), tuple(sorted(absent)))


def _namespaces(case: Case) -> Iterator[Create]:
    for name in dict.fromkeys((case.namespace, case.control_plane_namespace)):
        yield Create("destination", NAMESPACE, bodies.namespace_body(name, case.backup_id))


def _creations(restorable: tuple[Restorable, ...], case: Case) -> Iterator[Create]:
    tokens = {item.entry.file: item for item in bodies.token_secrets(restorable)}
    machinery = tuple(item for item in restorable if item.entry.kind in _MACHINERY)
    for item in restorable:
        if item.entry.kind in _RESTORED:
            body = _body(tokens.get(item.entry.file, item), machinery, case)
            yield Create("destination", RESOURCES[item.entry.kind], body)


def _body(item: Restorable, machinery: tuple[Restorable, ...], case: Case) -> Object:
    """As it is created, with placeholders. A NodePool has its status, which is sent by itself later: only here unknown
    fields of it are found."""
    backup_id, kind = case.backup_id, item.entry.kind
    linked: Object | None
    if kind == HOSTED_CLUSTER.kind:
        linked = bodies.hosted_cluster_body(item, backup_id=backup_id, url=_URL)
    elif kind == NODE_POOL.kind:
        linked = bodies.node_pool_body(item, backup_id=backup_id, hosted_cluster=(case.name, UNKNOWN_UID))
        linked = {**linked, "status": bodies.node_pool_status(item)} if linked else None
    elif kind in _MACHINERY:
        there = {each.entry.key: _owner(each.entry.api_version) for each in machinery}
        linked = relink(held_body(item, backup_id), carried_owners(item, machinery), there)
    else:
        linked = marked(_without_values(item.body) if kind == SECRET.kind else item.body, backup_id)
    assert linked is not None  # noqa: S101 - each owner has a uid
    return linked


def _without_values(secret: Object) -> Object:
    """With values of the same length: a plan and preflight send no key to the destination. Some types of Secret must
    hold JSON."""
    lengths = {key: len(value) * 3 // 4 - value.count("=") for key, value in (secret.get("data") or {}).items()}
    values = {key: base64.b64encode(b"{}".ljust(length)).decode() for key, length in lengths.items()}
    return {**secret, "data": values}


def _owner(api_version: str) -> Object:
    """In the version in which it is tried itself: any version that the destination serves will do."""
    return {"apiVersion": api_version, "metadata": {"uid": UNKNOWN_UID}}


def _missing(cluster: Kubernetes, creations: Iterable[Create]) -> tuple[Create, ...]:
    """Without the objects that exist: the restore has created them, or its steps compare them."""
    creations = tuple(creations)
    found: set[tuple[str, str | None, str]] = set()
    for kind, namespace in dict.fromkeys(_place(action)[:2] for action in creations):
        resource = RESOURCES.get(kind)
        items = (look_for(cluster, resource, namespace) or ()) if resource else ()
        found |= {(kind, namespace, name_of(item)) for item in items}
    return tuple(
        action
        for action in creations
        if _place(action) not in found
        and (action.resource != NAMESPACE or cluster.find(NAMESPACE, name_of(action.body)) is None)
    )


def _place(action: Create) -> tuple[str, str | None, str]:
    return (action.resource.kind, namespace_of(action.body), name_of(action.body))
