"""One NodePool: ignition Secrets, machine template, and MachineDeployment, or, for in-place upgrades, a MachineSet
without owner.

Two things happen before the pause is checked, and decide whether a restored pool rolls: for a pool without
status.version the images are chosen again, and the conditions report whether its configuration differs from the
current.
"""

from __future__ import annotations

import base64
import json

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin import autoscaler, ignition_server, in_place_upgrader, machine_config
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.hypershift_operator.configuration import Target, hosted_cluster_of, target
from hcp_dr_lab.standin.hypershift_operator.status import worker_security_group
from hcp_dr_lab.standin.pause import PAUSED, is_paused, reconciliation_active
from hcp_dr_lab.standin.shape import (
    ABSENT,
    add_finalizer,
    add_owner,
    annotation,
    body,
    condition,
    deleting,
    ensure,
    set_status,
)
from hcp_dr_lab.standin.view import View, condition_status

_MANAGEMENT = {"maxSurge": 1, "maxUnavailable": 0}
_REACHED = "ReachedIgnitionEndpoint"
_MAX_UNHEALTHY = 2  # with more at the same time a health check does nothing


def reconcile(view: View, pool: Object) -> list[Change]:
    hosted = hosted_cluster_of(view, pool)
    if hosted is None:
        return []
    changes = add_finalizer(r.NODE_POOL, pool, names.FINALIZER) or add_owner(
        r.NODE_POOL, pool, hosted, controller=False
    )
    wanted = target(view, hosted, pool)
    if wanted is None:
        conditions = [reconciliation_active(view, pool), _ignition(view, pool, "False", "IgnitionEndpointMissing")]
        return changes + set_status(r.NODE_POOL, pool, {"conditions": conditions})
    if not (pool.get("status") or {}).get("version"):
        changes += _annotate(view, pool, {names.CANONICAL_IMAGES: "true"})
    namespace = names.control_plane_namespace(hosted)
    existing = view.find(machinery(pool), pool["metadata"]["name"], namespace)
    if is_paused(pool, view.now):
        if existing is not None:
            changes += _pause(view, machinery(pool), existing)
        conditions = _conditions(view, hosted, pool, wanted, existing)
        return changes + set_status(r.NODE_POOL, pool, {"conditions": conditions})
    return changes + _roll_out(view, hosted, pool, wanted)


def _roll_out(view: View, hosted: Object, pool: Object, wanted: Target) -> list[Change]:
    namespace, name, kind = names.control_plane_namespace(hosted), pool["metadata"]["name"], machinery(pool)
    space = view.find(r.NAMESPACE, namespace)
    plane = view.find(r.HOSTED_CONTROL_PLANE, hosted["metadata"]["name"], namespace)
    group = worker_security_group(plane) if plane is not None else ""
    existing = view.find(kind, name, namespace)
    reached = _reached(view, hosted, pool, wanted)
    status: Object = {"conditions": _conditions(view, hosted, pool, wanted, existing)}
    if existing is not None:
        status["conditions"].append(_updating_template(view, hosted, pool, group, existing))
    if space is None or deleting(space) or not group:
        return set_status(r.NODE_POOL, pool, status)
    changes = _ignition_secrets(view, hosted, pool, wanted)
    spec = _template_spec(hosted, pool, group)
    template = template_name(pool, spec)
    marks: dict[str, str | None] = {names.NODE_POOL: names.path_name(pool)}
    made = body(r.AWS_MACHINE_TEMPLATE, template, namespace, annotations=marks, spec={"template": {"spec": spec}})
    changes += ensure(view, r.AWS_MACHINE_TEMPLATE, made)
    shaped = _machine_set if kind is r.MACHINE_SET else _deployment
    changes += ensure(view, kind, shaped(hosted, pool, wanted, template, existing))
    changes += _tuning(view, pool, namespace)
    if pool["spec"]["management"].get("autoRepair") and reached["status"] == "True":
        changes += ensure(view, r.MACHINE_HEALTH_CHECK, _health_check(view, hosted, pool))
    if existing is not None:
        status["replicas"] = (existing.get("status") or {}).get("availableReplicas", 0)
        if _complete(existing, wanted, template):
            status["version"] = wanted.version
            changes += _annotate(
                view,
                pool,
                {
                    names.CURRENT_CONFIG: wanted.config,
                    names.CURRENT_CONFIG_VERSION: wanted.config_version,
                    names.CURRENT_TEMPLATE: json.dumps(spec, sort_keys=True),
                },
            )
    return changes + set_status(r.NODE_POOL, pool, status)


def _updating_template(view: View, hosted: Object, pool: Object, group: str, existing: Object) -> Object:
    """Reported in the reconciliation that writes the machine template, after the check of the pause (NP/capi.go)."""
    name = template_name(pool, _template_spec(hosted, pool, group))
    present = existing["spec"]["template"]["spec"]["infrastructureRef"]["name"]
    generation = pool["metadata"].get("generation", 0)
    reason = "AsExpected" if name == present else "Updating"
    status = "False" if name == present else "True"
    return condition(view, "UpdatingPlatformMachineTemplate", status, reason, observedGeneration=generation)


def template_name(pool: Object, spec: Object) -> str:
    return f"{pool['metadata']['name']}-{names.short_hash(spec)}"


def _conditions(view: View, hosted: Object, pool: Object, wanted: Target, machines: Object | None) -> list[Object]:
    generation = pool["metadata"].get("generation", 0)
    current = annotation(pool, names.CURRENT_CONFIG)
    version = (pool.get("status") or {}).get("version")
    status = (machines or {}).get("status") or {}
    ready = machines is not None and status.get("readyReplicas", 0) >= _replicas(pool, machines)

    def make_condition(kind: str, *, true: bool, message: str = "") -> Object:
        updating = kind.startswith("Updating")
        reason = "AsExpected" if not updating or not true else "Updating"
        made = condition(view, kind, "True" if true else "False", reason, message, observedGeneration=generation)
        return made if true or not updating or view.release.says_no else made | {"status": ABSENT}

    return [
        reconciliation_active(view, pool),
        _reached(view, hosted, pool, wanted),
        make_condition("ValidReleaseImage", true=True),
        make_condition("ValidMachineConfig", true=True),
        make_condition(
            "UpdatingConfig", true=current is not None and current != wanted.config, message=f"Target: {wanted.config}"
        ),
        make_condition(
            "UpdatingVersion", true=bool(version) and version != wanted.version, message=f"Target: {wanted.version}"
        ),
        make_condition("AllMachinesReady", true=ready),
        make_condition("AllNodesHealthy", true=ready),
        make_condition("Ready", true=ready),
    ]


def _reached(view: View, hosted: Object, pool: Object, wanted: Target) -> Object:
    """Report whether the token Secret of the configuration was ever used. Machines with in-place upgrades do not fetch
    again, so that the condition of such a pool stays (NP/conditions.go)."""
    in_place = pool["spec"]["management"].get("upgradeType") == "InPlace"
    if in_place and condition_status(pool, _REACHED) == "True":
        return _ignition(view, pool, "True", "AsExpected")
    secret = view.find(r.SECRET, wanted.token_secret, names.control_plane_namespace(hosted))
    if secret is None:
        return _ignition(view, pool, "False", "NotFound")
    if annotation(secret, ignition_server.REACHED) is None:
        return _ignition(view, pool, "False", "ignitionNotReached")
    return _ignition(view, pool, "True", "AsExpected")


def _ignition(view: View, pool: Object, status: str, reason: str) -> Object:
    return condition(view, _REACHED, status, reason, observedGeneration=pool["metadata"].get("generation", 0))


def _annotate(view: View, pool: Object, annotations: dict[str, str | None]) -> list[Change]:
    name, namespace = pool["metadata"]["name"], pool["metadata"]["namespace"]
    return ensure(view, r.NODE_POOL, body(r.NODE_POOL, name, namespace, annotations=annotations))


def _pause(view: View, kind: Resource, existing: Object) -> list[Change]:
    """Propagate the pool's pause to the topmost machine object, not to the objects below (NP/capi.go:389-397)."""
    name, namespace = existing["metadata"]["name"], existing["metadata"]["namespace"]
    return ensure(view, kind, body(kind, name, namespace, annotations={PAUSED: "true"}))


def _tuning(view: View, pool: Object, namespace: str) -> list[Change]:
    """Create the input of the node tuning operator."""
    asked = [
        existing["data"].get("tuning", "")
        for entry in pool["spec"].get("tuningConfig") or ()
        if (existing := view.find(r.CONFIG_MAP, entry["name"], pool["metadata"]["namespace"])) is not None
    ]
    if not asked:
        return []
    name = pool["metadata"]["name"]
    labels = {machine_config.TUNED: "true", machine_config.POOL: name}
    data = {"tuning": "\n---\n".join(asked)}
    return ensure(view, r.CONFIG_MAP, body(r.CONFIG_MAP, f"tuned-{name}", namespace, labels=labels, data=data))


def _ignition_secrets(view: View, hosted: Object, pool: Object, wanted: Target) -> list[Change]:
    namespace = names.control_plane_namespace(hosted)
    marks: dict[str, str | None] = {names.NODE_POOL: names.path_name(pool)}
    changes: list[Change] = []
    present = view.find(r.SECRET, wanted.token_secret, namespace)
    token = (present or {}).get("data", {}).get("token") or _encoded(view.keys.word(32))
    data = {"token": token, "config": _encoded(wanted.config)}
    if present is None:
        mine = marks | {ignition_server.CONFIG: "true"}
        if annotation(hosted, names.RESTORED) is not None:  # otherwise this would not be repeated (NP/token.go)
            mine[ignition_server.REACHED] = "True"
        changes += ensure(view, r.SECRET, body(r.SECRET, wanted.token_secret, namespace, annotations=mine, data=data))
    if view.find(r.SECRET, wanted.user_data_secret, namespace) is None:
        ignition = {
            "ignition": {
                "version": "3.2.0",
                "config": {
                    "merge": [
                        {
                            "source": f"https://{hosted['status']['ignitionEndpoint']}/ignition",
                            "httpHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}],
                        }
                    ]
                },
            }
        }
        content = {"value": _encoded(json.dumps(ignition)), "disableTemplating": _encoded("true")}
        secret = body(r.SECRET, wanted.user_data_secret, namespace, annotations=marks, data=content)
        changes += ensure(view, r.SECRET, secret)
    return changes


def _template_spec(hosted: Object, pool: Object, default_group: str) -> Object:
    aws, infra_id = pool["spec"]["platform"]["aws"], hosted["spec"]["infraID"]
    tags = {entry["key"]: entry["value"] for entry in aws.get("resourceTags") or ()}
    groups = list(aws.get("securityGroups") or [{"id": default_group}])
    root = aws.get("rootVolume") or {"size": 120, "type": "gp3"}
    return {
        "ami": {"id": aws.get("ami", "")},
        "instanceType": aws["instanceType"],
        "iamInstanceProfile": aws.get("instanceProfile") or f"{infra_id}-worker",
        "subnet": aws["subnet"],
        "additionalSecurityGroups": groups,
        "additionalTags": {f"kubernetes.io/cluster/{infra_id}": "owned", **tags},
        "rootVolume": {"size": root["size"], "type": root["type"]},
        "uncompressedUserData": True,
        "cloudInit": {"insecureSkipSecretsManager": True, "secureSecretsBackend": "secrets-manager"},
    }


def pool_key(hosted: Object, pool: Object) -> str:
    """Return the label that selects only the machines of this pool."""
    return f"{hosted['spec']['infraID']}-{hosted['metadata']['name']}-{pool['metadata']['name']}"[:63].rstrip("-")


def _deployment(hosted: Object, pool: Object, wanted: Target, template: str, existing: Object | None) -> Object:
    strategy = (pool["spec"]["management"].get("replace") or {}).get("rollingUpdate") or _MANAGEMENT
    made = _machines(r.MACHINE_DEPLOYMENT, hosted, pool, wanted, template)
    made["metadata"]["annotations"] |= _bounds(pool)
    made["spec"] |= {
        "replicas": _replicas(pool, existing),
        "rollout": {"strategy": {"type": "RollingUpdate", "rollingUpdate": strategy}},
    }
    return made


def _machine_set(hosted: Object, pool: Object, wanted: Target, template: str, existing: Object | None) -> Object:
    """A changed template rolls no machine: the in-place upgrader changes the running machines."""
    made = _machines(r.MACHINE_SET, hosted, pool, wanted, template)
    most = (pool["spec"]["management"].get("inPlace") or {}).get("maxUnavailable", 1)
    marks = {
        in_place_upgrader.TARGET: wanted.config_version,
        in_place_upgrader.MAX_UNAVAILABLE: str(most),
        **_bounds(pool),
    }
    if existing is None:
        marks[in_place_upgrader.CURRENT] = wanted.config_version
    made["metadata"]["annotations"] |= marks
    made["spec"] |= {"replicas": _replicas(pool, existing)}
    return made


def _machines(kind: Resource, hosted: Object, pool: Object, wanted: Target, template: str) -> Object:
    infra_id, key = hosted["spec"]["infraID"], pool_key(hosted, pool)
    marks = {names.NODE_POOL: names.path_name(pool)}
    return body(
        kind,
        pool["metadata"]["name"],
        names.control_plane_namespace(hosted),
        labels={names.CLUSTER_NAME: infra_id},
        annotations={**marks, PAUSED: ABSENT},
        spec={
            "clusterName": infra_id,
            "selector": {"matchLabels": {key: key}},
            "template": {
                "metadata": {"labels": {key: key, names.CLUSTER_NAME: infra_id}, "annotations": marks},
                "spec": {
                    "clusterName": infra_id,
                    "bootstrap": {"dataSecretName": wanted.user_data_secret},
                    "infrastructureRef": {
                        "apiGroup": r.AWS_MACHINE_TEMPLATE.group,
                        "kind": r.AWS_MACHINE_TEMPLATE.kind,
                        "name": template,
                    },
                    "version": wanted.version,
                },
            },
        },
    )


def machinery(pool: Object) -> Resource:
    """Return the kind of the topmost machine object, which has the pool's name."""
    in_place = pool["spec"]["management"].get("upgradeType") == "InPlace"
    return r.MACHINE_SET if in_place else r.MACHINE_DEPLOYMENT


def _replicas(pool: Object, existing: Object | None) -> int:
    """Return the pool's replicas, or, with autoscaling, the current replicas within the bounds."""
    scaling = pool["spec"].get("autoScaling")
    if not scaling:
        wanted: int = pool["spec"].get("replicas", 0)
        return wanted
    least, most = int(scaling["min"]), int(scaling["max"])
    present: int = existing["spec"].get("replicas", 0) if existing is not None else least
    return max(least, min(present, most))


def _bounds(pool: Object) -> dict[str, str | None]:
    scaling = pool["spec"].get("autoScaling") or {}
    return {
        autoscaler.MIN_SIZE: str(scaling["min"]) if scaling else ABSENT,
        autoscaler.MAX_SIZE: str(scaling["max"]) if scaling else ABSENT,
    }


def _health_check(view: View, hosted: Object, pool: Object) -> Object:
    """NP/capi.go: 8 minutes, in realistic regions."""
    key, patience = pool_key(hosted, pool), view.paced
    unready = [
        {"type": "Ready", "status": status, "timeoutSeconds": round(patience.node_unready)}
        for status in ("False", "Unknown")
    ]
    return body(
        r.MACHINE_HEALTH_CHECK,
        pool["metadata"]["name"],
        names.control_plane_namespace(hosted),
        annotations={names.NODE_POOL: names.path_name(pool)},
        spec={
            "clusterName": hosted["spec"]["infraID"],
            "selector": {"matchLabels": {key: key}},
            "checks": {
                "nodeStartupTimeoutSeconds": round(patience.node_startup),
                "unhealthyNodeConditions": unready,
            },
            "remediation": {"triggerIf": {"unhealthyLessThanOrEqualTo": _MAX_UNHEALTHY}},
        },
    )


def _complete(machines: Object, wanted: Target, template: str) -> bool:
    spec, status = machines["spec"], machines.get("status") or {}
    machine = spec["template"]["spec"]
    replicas = spec.get("replicas", 0)
    counts = {status.get(field, 0) for field in ("replicas", "upToDateReplicas", "availableReplicas")}
    upgraded = annotation(machines, in_place_upgrader.CURRENT) in (None, wanted.config_version)
    return (
        upgraded
        and counts == {replicas}
        and status.get("observedGeneration") == machines["metadata"].get("generation")
        and machine["infrastructureRef"]["name"] == template
        and machine["bootstrap"]["dataSecretName"] == wanted.user_data_secret
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
