"""The nodes of hosted clusters with a control plane here, and other hosted objects for the operators, read every two
seconds.

The API server is reached at its pod's address; Cluster API uses the Service in its own namespace.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from hcp_dr import errors
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import (
    HOSTED_CONTROL_PLANE,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    STATEFUL_SET,
)
from hcp_dr_lab.ground.names import API_PORT
from hcp_dr_lab.ground.pki import write_secret
from hcp_dr_lab.standin import monitoring_recovery
from hcp_dr_lab.standin.cache import Cache, Objects
from hcp_dr_lab.standin.view import Monitoring, is_ready

_LOG = logging.getLogger(__name__)
_EVERY_SECONDS = 2.0
_NAME = "kube-apiserver"  # in the serving certificate


class HostedNodes:
    """`nodes` and `monitoring` are replaced as a whole, never modified."""

    def __init__(self, cache: Cache, folder: Path) -> None:
        self._cache = cache
        self._folder = folder
        self._clients: dict[str, tuple[str, Kubernetes]] = {}
        self.nodes: dict[str, tuple[Object, ...]] = {}
        self.monitoring: dict[str, Monitoring] = {}

    def start(self) -> None:
        threading.Thread(target=self._follow, name="hosted nodes", daemon=True).start()

    def delete(self, namespace: str, resource: Resource, name: str, inside: str | None, uid: str) -> None:
        """Does nothing if the hosted API is not reachable from here. Raises the port's errors."""
        known = self._clients.get(namespace)
        if known is not None:
            known[1].delete(resource, name, inside, uid=uid)

    def annotate(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Does nothing if the hosted API is not reachable from here. Raises the port's errors."""
        known = self._clients.get(namespace)
        if known is not None:
            known[1].patch(NODE, name, None, {"metadata": {"annotations": dict(annotations)}})

    def _follow(self) -> None:
        while not self._cache.stop.wait(_EVERY_SECONDS):
            objects = self._cache.snapshot()
            found: dict[str, tuple[Object, ...]] = {}
            monitoring: dict[str, Monitoring] = {}
            for (namespace, _), plane in objects[HOSTED_CONTROL_PLANE].items():
                nodes = self._ask(objects, str(namespace))
                if nodes is not None:
                    found[str(namespace)] = nodes
                if monitoring_recovery.is_asked_for(plane):
                    monitoring |= self._ask_of_monitoring(objects, str(namespace))
            if monitoring != self.monitoring:
                self.monitoring = monitoring
                self._cache.changed.set()
            if _node_states(found) != _node_states(self.nodes):
                self.nodes = found
                self._cache.changed.set()

    def _ask(self, objects: Objects, namespace: str) -> tuple[Object, ...] | None:
        """None while the hosted API does not answer; then what was known before is kept."""
        client = self._client(objects, namespace)
        if client is None:
            return None
        try:
            return client.list(NODE).items
        except errors.HcpDrError as error:
            _LOG.debug("nodes of %s: %s", namespace, error)
            return self.nodes.get(namespace)

    def _ask_of_monitoring(self, objects: Objects, namespace: str) -> dict[str, Monitoring]:
        """Return an empty mapping while the hosted API does not answer: roles must not act on previous values."""
        client = self._client(objects, namespace)
        if client is None:
            return {}
        inside = monitoring_recovery.NAMESPACE
        try:
            prometheus = client.find(STATEFUL_SET, monitoring_recovery.PROMETHEUS, inside)
            claims, pods = (client.list(resource, inside).items for resource in (PERSISTENT_VOLUME_CLAIM, POD))
        except errors.HcpDrError as error:
            _LOG.debug("monitoring of %s: %s", namespace, error)
            return {}
        return {namespace: Monitoring(prometheus, claims, pods)}

    def _client(self, objects: Objects, namespace: str) -> Kubernetes | None:
        secret = objects[SECRET].get((namespace, "service-network-admin-kubeconfig"))
        address = next(
            (
                pod["status"]["podIP"]
                for (place, _), pod in objects[POD].items()
                if place == namespace
                and (pod["metadata"].get("labels") or {}).get("app") == "kube-apiserver"
                and is_ready(pod)
                and pod["status"].get("podIP")
            ),
            None,
        )
        if secret is None or address is None:
            return None
        version = f"{address} {secret['metadata']['resourceVersion']}"
        known = self._clients.get(namespace)
        if known is not None and known[0] == version:
            return known[1]
        if known is not None:
            known[1].close()
        content = json.loads(base64.b64decode(secret["data"]["kubeconfig"]))
        cluster = content["clusters"][0]["cluster"]
        cluster |= {"server": f"https://{address}:{API_PORT}", "tls-server-name": _NAME}
        file = self._folder / f"{namespace}.kubeconfig"
        write_secret(file, json.dumps(content).encode())
        client = connect(file, f"hosted cluster in {namespace}")
        self._clients[namespace] = (version, client)
        return client


def _node_states(nodes: dict[str, tuple[Object, ...]]) -> list[tuple[str, ...]]:
    return [
        (namespace, node["metadata"]["uid"], str(is_ready(node)), str(node["metadata"].get("annotations")))
        for namespace, found in sorted(nodes.items())
        for node in found
    ]
