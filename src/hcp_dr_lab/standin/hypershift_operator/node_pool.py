"""One NodePool: its configuration's hash, its ignition secrets, machine template and MachineDeployment.

Two things happen before the pause is looked at, and they decide whether a restored pool rolls: a pool without
status.version gets its images chosen anew, and the conditions say whether its configuration differs from the current.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin import names
from hcp_dr_lab.standin.change import Change
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
from hcp_dr_lab.standin.view import View

TOKEN = "token-"  # noqa: S105 - how such a Secret's name begins
USER_DATA = "user-data-"
_MANAGEMENT = {"maxSurge": 1, "maxUnavailable": 0}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a NodePool is to go: the version, the hash of the configuration alone, and of both."""

    pool: str
    version: str
    config: str
    config_version: str

    @property
    def token_secret(self) -> str:
        return f"{TOKEN}{self.pool}-{self.config_version}"

    @property
    def user_data_secret(self) -> str:
        return f"{USER_DATA}{self.pool}-{self.config_version}"


def hosted_cluster_of(view: View, pool: Object) -> Object | None:
    return view.find(r.HOSTED_CLUSTER, pool["spec"]["clusterName"], pool["metadata"]["namespace"])


def target(view: View, hosted: Object, pool: Object) -> Target | None:
    """None while the control plane does not yet give what the configuration is made of."""
    namespace = names.control_plane_namespace(hosted)
    if not (hosted.get("status") or {}).get("ignitionEndpoint"):
        return None
    if view.find(r.SECRET, "ignition-server-ca-cert", namespace) is None:
        return None
    version = names.release_version(pool["spec"]["release"]["image"])
    configs = []
    for entry in pool["spec"].get("config") or ():
        found = view.find(r.CONFIG_MAP, entry["name"], pool["metadata"]["namespace"])
        if found is None:
            return None
        configs.append(found.get("data") or {})
    config = names.short_hash(
        {
            "haproxy": _haproxy_image(hosted, pool),
            "api": repr(names.published(hosted, "APIServer")),
            "clusterID": hosted["spec"].get("clusterID"),
            "configs": configs,
            "pullSecret": hosted["spec"]["pullSecret"]["name"],
            "trustBundle": (hosted["spec"].get("additionalTrustBundle") or {}).get("name", ""),
        }
    )
    return Target(pool["metadata"]["name"], version, config, names.short_hash(config + version))


def reconcile(view: View, pool: Object) -> list[Change]:
    hosted = hosted_cluster_of(view, pool)
    if hosted is None:
        return []
    changes = add_finalizer(r.NODE_POOL, pool, names.FINALIZER) or add_owner(
        r.NODE_POOL, pool, hosted, controller=False
    )
    wanted = target(view, hosted, pool)
    if wanted is None:
        conditions = [reconciliation_active(view, pool), _ignition(view, pool, reached=False)]
        return changes + set_status(r.NODE_POOL, pool, {"conditions": conditions})
    if not (pool.get("status") or {}).get("version"):
        changes += _annotate(view, pool, {names.CANONICAL_IMAGES: "true"})
    namespace = names.control_plane_namespace(hosted)
    found = view.find(r.MACHINE_DEPLOYMENT, pool["metadata"]["name"], namespace)
    if is_paused(pool, view.now):
        if found is not None:
            changes += _annotate_machines(view, found, "true")
        return changes + set_status(r.NODE_POOL, pool, {"conditions": _conditions(view, pool, wanted, found)})
    return changes + _roll_out(view, hosted, pool, wanted)


def _roll_out(view: View, hosted: Object, pool: Object, wanted: Target) -> list[Change]:
    namespace, name = names.control_plane_namespace(hosted), pool["metadata"]["name"]
    space = view.find(r.NAMESPACE, namespace)
    plane = view.find(r.HOSTED_CONTROL_PLANE, hosted["metadata"]["name"], namespace)
    group = worker_security_group(plane) if plane is not None else ""
    found = view.find(r.MACHINE_DEPLOYMENT, name, namespace)
    status: Object = {"conditions": _conditions(view, pool, wanted, found)}
    if space is None or deleting(space) or not group:
        return set_status(r.NODE_POOL, pool, status)
    changes = _ignition_secrets(view, hosted, pool, wanted)
    spec = _template_spec(hosted, pool, group)
    template = f"{name}-{names.short_hash(spec)}"
    marks: dict[str, str | None] = {names.NODE_POOL: names.path_name(pool)}
    made = body(r.AWS_MACHINE_TEMPLATE, template, namespace, annotations=marks, spec={"template": {"spec": spec}})
    changes += ensure(view, r.AWS_MACHINE_TEMPLATE, made)
    changes += ensure(view, r.MACHINE_DEPLOYMENT, _deployment(hosted, pool, wanted, template))
    if pool["spec"]["management"].get("autoRepair"):
        changes += ensure(view, r.MACHINE_HEALTH_CHECK, _health_check(hosted, pool))
    if found is not None:
        status["replicas"] = (found.get("status") or {}).get("availableReplicas", 0)
        if _complete(found, wanted, template):
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


def _conditions(view: View, pool: Object, wanted: Target, deployment: Object | None) -> list[Object]:
    generation = pool["metadata"].get("generation", 0)
    current = annotation(pool, names.CURRENT_CONFIG)
    version = (pool.get("status") or {}).get("version")
    status = (deployment or {}).get("status") or {}
    ready = deployment is not None and status.get("readyReplicas", 0) >= pool["spec"].get("replicas", 0)

    def said(kind: str, *, true: bool, message: str = "") -> Object:
        reason = "AsExpected" if not kind.startswith("Updating") or not true else "Updating"
        return condition(view, kind, "True" if true else "False", reason, message, observedGeneration=generation)

    return [
        reconciliation_active(view, pool),
        _ignition(view, pool, reached=True),
        said("ValidReleaseImage", true=True),
        said("ValidMachineConfig", true=True),
        said(
            "UpdatingConfig", true=current is not None and current != wanted.config, message=f"Target: {wanted.config}"
        ),
        said("UpdatingVersion", true=bool(version) and version != wanted.version, message=f"Target: {wanted.version}"),
        said("AllMachinesReady", true=ready),
        said("AllNodesHealthy", true=ready),
        said("Ready", true=ready),
    ]


def _ignition(view: View, pool: Object, *, reached: bool) -> Object:
    generation = pool["metadata"].get("generation", 0)
    return (
        condition(view, "ReachedIgnitionEndpoint", "True", "AsExpected", observedGeneration=generation)
        if reached
        else condition(
            view, "ReachedIgnitionEndpoint", "False", "IgnitionEndpointMissing", observedGeneration=generation
        )
    )


def _haproxy_image(hosted: Object, pool: Object) -> str:
    """Pinned by annotation, or of the release; a pool with the mark of canonical images takes the origin's."""
    pinned = annotation(pool, names.HAPROXY_IMAGE)
    if pinned is not None:
        return pinned
    canonical = annotation(pool, names.CANONICAL_IMAGES) or not (pool.get("status") or {}).get("version")
    release = names.release_version(hosted["spec"]["release"]["image"])
    return f"{'origin' if canonical else 'mirror'}/haproxy-router:{release}"


def _annotate(view: View, pool: Object, annotations: dict[str, str | None]) -> list[Change]:
    name, namespace = pool["metadata"]["name"], pool["metadata"]["namespace"]
    return ensure(view, r.NODE_POOL, body(r.NODE_POOL, name, namespace, annotations=annotations))


def _annotate_machines(view: View, deployment: Object, value: str | None) -> list[Change]:
    """The pause of a pool reaches its MachineDeployment and nothing below it."""
    name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
    mark = body(r.MACHINE_DEPLOYMENT, name, namespace, annotations={PAUSED: value})
    return ensure(view, r.MACHINE_DEPLOYMENT, mark)


def _ignition_secrets(view: View, hosted: Object, pool: Object, wanted: Target) -> list[Change]:
    namespace = names.control_plane_namespace(hosted)
    marks: dict[str, str | None] = {names.NODE_POOL: names.path_name(pool)}
    changes: list[Change] = []
    present = view.find(r.SECRET, wanted.token_secret, namespace)
    token = (present or {}).get("data", {}).get("token") or _encoded(view.keys.word(32))
    data = {"token": token, "config": _encoded(wanted.config)}
    if present is None:
        changes += ensure(view, r.SECRET, body(r.SECRET, wanted.token_secret, namespace, annotations=marks, data=data))
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
    """The label by which the machines of this pool, and of no other, are selected."""
    return f"{hosted['spec']['infraID']}-{hosted['metadata']['name']}-{pool['metadata']['name']}"[:63].rstrip("-")


def _deployment(hosted: Object, pool: Object, wanted: Target, template: str) -> Object:
    infra_id, key = hosted["spec"]["infraID"], pool_key(hosted, pool)
    marks = {names.NODE_POOL: names.path_name(pool)}
    strategy = (pool["spec"]["management"].get("replace") or {}).get("rollingUpdate") or _MANAGEMENT
    return body(
        r.MACHINE_DEPLOYMENT,
        pool["metadata"]["name"],
        names.control_plane_namespace(hosted),
        labels={names.CLUSTER_NAME: infra_id},
        annotations={**marks, PAUSED: ABSENT},
        spec={
            "clusterName": infra_id,
            "replicas": pool["spec"].get("replicas", 0),
            "selector": {"matchLabels": {key: key}},
            "rollout": {"strategy": {"type": "RollingUpdate", "rollingUpdate": strategy}},
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


def _health_check(hosted: Object, pool: Object) -> Object:
    key = pool_key(hosted, pool)
    unready = [{"type": "Ready", "status": status, "timeoutSeconds": 480} for status in ("False", "Unknown")]
    return body(
        r.MACHINE_HEALTH_CHECK,
        pool["metadata"]["name"],
        names.control_plane_namespace(hosted),
        annotations={names.NODE_POOL: names.path_name(pool)},
        spec={
            "clusterName": hosted["spec"]["infraID"],
            "selector": {"matchLabels": {key: key}},
            "checks": {"nodeStartupTimeoutSeconds": 1200, "unhealthyNodeConditions": unready},
            "remediation": {"triggerIf": {"unhealthyLessThanOrEqualTo": 2}},
        },
    )


def _complete(deployment: Object, wanted: Target, template: str) -> bool:
    spec, status = deployment["spec"], deployment.get("status") or {}
    machine = spec["template"]["spec"]
    replicas = spec.get("replicas", 0)
    counts = {status.get(field, 0) for field in ("replicas", "upToDateReplicas", "availableReplicas")}
    return (
        counts == {replicas}
        and status.get("observedGeneration") == deployment["metadata"].get("generation")
        and machine["infrastructureRef"]["name"] == template
        and machine["bootstrap"]["dataSecretName"] == wanted.user_data_secret
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
