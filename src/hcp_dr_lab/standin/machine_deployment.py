"""A MachineDeployment: the MachineSet with an equal template is the current one, regardless of its revision."""

from __future__ import annotations

from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change, Create, Patch
from hcp_dr_lab.standin.machines import DEPLOYMENT_FINALIZER, children, owned, scale_status
from hcp_dr_lab.standin.shape import (
    add_owner,
    body,
    delete,
    deleting,
    drop_finalizer,
    identity,
    set_status,
)
from hcp_dr_lab.standin.view import View

_HASH = "machine-template-hash"
_REVISION = "machinedeployment.clusters.x-k8s.io/revision"


def reconcile(view: View, cluster: Object, deployment: Object) -> list[Change]:
    if deleting(deployment):
        sets = list(owned(view, r.MACHINE_SET, deployment))
        why = "its MachineDeployment is being deleted"
        if sets:
            return [change for item in sets for change in delete(r.MACHINE_SET, item, why)]
        return drop_finalizer(r.MACHINE_DEPLOYMENT, deployment, DEPLOYMENT_FINALIZER)
    changes = add_owner(r.MACHINE_DEPLOYMENT, deployment, cluster, controller=False)
    for orphan in children(view, r.MACHINE_SET, deployment):
        if not deleting(orphan):
            changes += add_owner(r.MACHINE_SET, orphan, deployment)
    sets = [item for item in children(view, r.MACHINE_SET, deployment, with_owned=True) if not deleting(item)]
    present = _present(view, deployment, sets)
    if present is None:
        changes.append(_new_set(view, deployment, sets))
    else:
        changes += _roll(deployment, present, [item for item in sets if item is not present])
    return changes + set_status(r.MACHINE_DEPLOYMENT, deployment, _status(deployment, sets, present))


def _present(view: View, deployment: Object, sets: list[Object]) -> Object | None:
    """Return the oldest MachineSet with the same template that is not older than a requested rollout time
    (mdutil/util.go:455-504)."""
    template = _comparable(deployment["spec"]["template"])
    after = (deployment["spec"].get("rollout") or {}).get("after")
    since = datetime.fromisoformat(after) if after else None
    same = [
        item
        for item in sets
        if _comparable(item["spec"]["template"]) == template
        and (
            since is None or since > view.now or datetime.fromisoformat(item["metadata"]["creationTimestamp"]) >= since
        )
    ]
    return min(same, key=lambda item: item["metadata"].get("creationTimestamp", ""), default=None)


def _comparable(template: Object) -> Object:
    """Return the fields that roll machines when changed: labels and spec, without fields changed in place."""
    labels = {
        key: value for key, value in ((template.get("metadata") or {}).get("labels") or {}).items() if key != _HASH
    }
    spec = {key: value for key, value in template["spec"].items() if key not in ("deletion", "minReadySeconds")}
    return {"labels": labels, "spec": spec}


def _new_set(view: View, deployment: Object, sets: list[Object]) -> Create:
    name, namespace = identity(deployment)
    mark = f"{names.short_hash(_comparable(deployment['spec']['template']))}-{view.keys.word(5)}"
    template = deployment["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = (metadata.get("labels") or {}) | {_HASH: mark}
    selector = (deployment["spec"]["selector"].get("matchLabels") or {}) | {_HASH: mark}
    infra_id = deployment["spec"]["clusterName"]
    return Create(
        r.MACHINE_SET,
        body(
            r.MACHINE_SET,
            f"{name}-{view.keys.word(5)}",
            namespace,
            labels={**labels, names.CLUSTER_NAME: infra_id, "cluster.x-k8s.io/deployment-name": name},
            annotations={**(metadata.get("annotations") or {}), _REVISION: str(len(sets) + 1)},
            owner=deployment,
            spec={
                "clusterName": infra_id,
                "replicas": 0 if sets else deployment["spec"].get("replicas", 1),
                "selector": {"matchLabels": selector},
                "template": {**template, "metadata": {**metadata, "labels": labels}},
            },
        ),
    )


def _roll(deployment: Object, present: Object, older: list[Object]) -> list[Change]:
    """Scale the current set up and older sets down, within surge and unavailability. Machines of older sets that never
    became available go first, or they would stop the rollout (cleanupUnhealthyReplicas)."""
    wanted = deployment["spec"].get("replicas", 1)
    limits = ((deployment["spec"].get("rollout") or {}).get("strategy") or {}).get("rollingUpdate") or {}
    surge, unavailable = limits.get("maxSurge", 1), limits.get("maxUnavailable", 0)
    others = sum(item["spec"].get("replicas", 0) for item in older)
    room = max(wanted + surge - others, 0) if others else wanted
    changes = _scale(present, min(wanted, max(room, present["spec"].get("replicas", 0))))
    serving = sum(_available(item) for item in (present, *older))
    spare = max(serving - (wanted - unavailable), 0)
    starting = max(present["spec"].get("replicas", 0) - _available(present), 0)
    useless = max(others + present["spec"].get("replicas", 0) - (wanted - unavailable) - starting, 0)
    for item in older:
        replicas = item["spec"].get("replicas", 0)
        unhealthy = min(max(replicas - _available(item), 0), useless)
        down = min(replicas, unhealthy + spare)
        useless -= unhealthy
        spare -= down - unhealthy
        changes += _scale(item, replicas - down)
    return changes


def _available(machine_set: Object) -> int:
    return int((machine_set.get("status") or {}).get("availableReplicas", 0))


def _scale(machine_set: Object, replicas: int) -> list[Change]:
    if machine_set["spec"].get("replicas") == replicas:
        return []
    change = {"spec": {"replicas": replicas}}
    return [Patch(r.MACHINE_SET, *identity(machine_set), change, why=f"scale to {replicas}")]


def _status(deployment: Object, sets: list[Object], present: Object | None) -> Object:
    def total(field: str, among: list[Object]) -> int:
        return sum((item.get("status") or {}).get(field, 0) for item in among)

    wanted, replicas = deployment["spec"].get("replicas", 1), total("replicas", sets)
    current = total("replicas", [present] if present is not None else [])
    phase = "ScalingUp" if current < wanted else "ScalingDown" if replicas > wanted else "Running"
    return scale_status(deployment, []) | {
        "replicas": replicas,
        "readyReplicas": total("readyReplicas", sets),
        "availableReplicas": total("availableReplicas", sets),
        "upToDateReplicas": current,
        "phase": phase,
    }
