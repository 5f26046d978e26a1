"""Deployments of one container: working processes, and idle processes without a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import DEPLOYMENT
from hcp_dr_lab.ground.names import CONTROL_PLANE_IMAGE, IDLE_IMAGE
from hcp_dr_lab.standin.shape import body

REQUESTS = {
    "cpu": "5m",
    "memory": "16Mi",
}  # requests of a rehearsal's processes, far below a real control plane's requests
IDLE = ("/usr/bin/bash", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done")


@dataclass(frozen=True, slots=True)
class Container:
    """`secrets` and `config_maps` are (object name, folder) pairs, mounted read-only."""

    name: str
    command: tuple[str, ...] = IDLE
    image: str = CONTROL_PLANE_IMAGE
    secrets: tuple[tuple[str, str], ...] = ()
    config_maps: tuple[tuple[str, str], ...] = ()
    extra: Object = field(default_factory=dict)

    def volumes(self) -> list[Object]:
        made: list[Object] = [{"name": volume_name(name), "secret": {"secretName": name}} for name, _ in self.secrets]
        return made + [{"name": f"{name}-config", "configMap": {"name": name}} for name, _ in self.config_maps]

    def manifest(self) -> Object:
        mounts = [
            {"name": volume_name(name), "mountPath": folder, "readOnly": True} for name, folder in self.secrets
        ] + [{"name": f"{name}-config", "mountPath": folder, "readOnly": True} for name, folder in self.config_maps]
        manifest: Object = {
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": "Never",
            "command": list(self.command),
            "resources": {"requests": dict(REQUESTS)},
            **self.extra,
        }
        all_mounts = [*mounts, *self.extra.get("volumeMounts", ())]
        return manifest | ({"volumeMounts": all_mounts} if all_mounts else {})


def volume_name(name: str) -> str:
    return name.replace(".", "-")


def pod_spec(containers: Sequence[Container], **extra: Any) -> Object:
    """Return a pod without a service account token, with small resource requests."""
    volumes = {volume["name"]: volume for container in containers for volume in container.volumes()}
    volumes |= {volume["name"]: volume for volume in extra.pop("volumes", ())}
    spec: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "containers": [container.manifest() for container in containers],
        **extra,
    }
    return spec | ({"volumes": list(volumes.values())} if volumes else {})


def deployment(
    name: str,
    namespace: str,
    containers: Sequence[Container] = (),
    *,
    owner: Object | None = None,
    pod: Object | None = None,
) -> Object:
    """Return a Deployment with one replica; without containers, with an idle container of the Deployment's name. `pod`
    has additional fields of the pod's spec."""
    return body(
        DEPLOYMENT,
        name,
        namespace,
        labels={"app": name},
        owner=owner,
        spec={
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": pod_spec(containers or (Container(name, image=IDLE_IMAGE),), **(pod or {})),
            },
        },
    )
