"""The process that hosts the roles for one management cluster: watch, let roles decide, perform and log the changes.

Level-triggered: in every round (`turn`) every role gets the whole state.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.ground import aws_seed
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Controllers, Layout, ManagementCluster, load
from hcp_dr_lab.ground.names import OPERATOR, OPERATOR_NAMESPACE
from hcp_dr_lab.ground.workers import reboot
from hcp_dr_lab.standin import pace, turn
from hcp_dr_lab.standin.cache import Cache
from hcp_dr_lab.standin.change import (
    Change,
    Create,
    Delete,
    DeleteHosted,
    Patch,
    RebootNode,
    RemoveFolder,
    RunInstance,
    TerminateInstance,
)
from hcp_dr_lab.standin.cloud import Cloud
from hcp_dr_lab.standin.hosted_nodes import HostedNodes
from hcp_dr_lab.standin.keys import Keys
from hcp_dr_lab.standin.roles import RESOURCES
from hcp_dr_lab.standin.stored import in_newest
from hcp_dr_lab.standin.view import CloudInstance, View
from hcp_dr_lab.standin.webhook_server import WebhookServer

_LOG = logging.getLogger("standin")

_SETTLE_SECONDS = 0.03  # time for collecting events before a round
_TICK_SECONDS = 2.0  # a round even without events, for times and instances
_PARTS_SECONDS = 5.0
_AFTER_FAILURE_SECONDS = 1.0


class Host:
    """The stand-in of one management cluster. `run` never returns."""

    def __init__(self, layout: Layout, cluster: ManagementCluster) -> None:
        self._layout = layout
        self._folder = layout.root / "standin" / cluster.name
        self._kubernetes: Kubernetes = in_newest(connect(layout.inside_kubeconfig(cluster), cluster.name))
        self._cloud = Cloud(layout)
        self._seed = aws_seed.seeded(layout)
        self._volumes = layout.volumes(cluster)
        self._keys = Keys()
        self._webhooks = WebhookServer(layout, cluster)
        self._cache = Cache(self._kubernetes, RESOURCES)
        self._nodes = HostedNodes(self._cache, self._folder)
        self._instances: dict[str, CloudInstance] = {}
        self._instances_at = 0.0
        self._parts: dict[str, Any] = {}
        self._parts_at = 0.0
        self._load_balancer_domain = cluster.load_balancer_domain
        self._controllers = environment(layout, cluster) if layout.options.controllers is Controllers.REAL else None
        self._pace = pace.chosen(realistic=layout.options.realistic, changed=dict(layout.options.changed))

    def run(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        heartbeat(self._folder).unlink(missing_ok=True)
        self._cache.start()
        self._nodes.start()
        while not self._cache.complete():
            self._cache.changed.wait(0.1)
        _LOG.info("all kinds are listed, starting the roles")
        while True:
            self._cache.changed.clear()
            acted, failed = self._round()
            heartbeat(self._folder).touch(mode=0o600)
            if failed:
                time.sleep(_AFTER_FAILURE_SECONDS)
            elif not acted and self._cache.changed.wait(_TICK_SECONDS):
                time.sleep(_SETTLE_SECONDS)

    def _round(self) -> tuple[bool, bool]:
        """Run a round; return whether a change was made, and whether a change failed."""
        self._webhooks.serve(wanted=self._view().active(OPERATOR_NAMESPACE, OPERATOR))
        return turn.play(self._view, self._do, _LOG.info, (BotoCoreError, ClientError, OSError))

    def _view(self) -> View:
        objects = self._cache.snapshot()
        if objects[r.AWS_MACHINE] and time.monotonic() - self._instances_at > _TICK_SECONDS:
            self._read_instances()
        if objects[r.HOSTED_CLUSTER] and time.monotonic() - self._parts_at > _PARTS_SECONDS:
            self._read_parts()
        return View(
            objects=objects,
            now=datetime.now(UTC),
            keys=self._keys,
            volumes=str(self._volumes),
            worker_security_group=self._seed.security_group_id,
            instances=self._instances,
            hosted_nodes=self._nodes.nodes,
            monitoring=self._nodes.monitoring,
            pace=self._pace,
            controllers=self._controllers,
            load_balancer_domain=self._load_balancer_domain,
            **self._parts,
        )

    def _read_instances(self) -> None:
        try:
            self._instances = self._cloud.instances()
            self._instances_at = time.monotonic()
        except (BotoCoreError, ClientError) as error:
            _LOG.warning("EC2 does not answer: %s", error)

    def _read_parts(self) -> None:
        try:
            self._parts = self._cloud.fabric.parts()
            self._parts_at = time.monotonic()
        except (BotoCoreError, ClientError) as error:
            _LOG.warning("AWS does not answer: %s", error)

    def _do(self, change: Change) -> None:
        match change:
            case Create(resource, body):
                self._cache.put(resource, self._kubernetes.create(resource, body))
            case Patch(resource, name, namespace, body, subresource):
                answer = self._kubernetes.patch(resource, name, namespace, body, subresource=subresource)
                self._cache.put(resource, answer)
            case Delete(resource, name, namespace, uid, _, propagation):
                self._kubernetes.delete(resource, name, namespace, uid=uid, propagation=propagation)
                remaining = self._kubernetes.find(resource, name, namespace)
                if remaining is not None:
                    self._cache.put(resource, remaining)
            case RunInstance():
                made = self._cloud.run(change)
                self._instances = {**self._instances, made.instance_id: made}
            case TerminateInstance(instance_id):
                self._cloud.terminate(instance_id)
                self._read_instances()
            case DeleteHosted(namespace, r.NODE, _, name, uid):
                with contextlib.suppress(
                    errors.KubernetesError
                ):  # the deletion of a machine does not wait for the hosted API
                    self._nodes.delete(namespace, r.NODE, name, None, uid)
            case DeleteHosted(namespace, resource, inside, name, uid):
                self._nodes.delete(namespace, resource, name, inside, uid)
            case RebootNode(namespace, name, instance_id, annotations):
                self._nodes.annotate(namespace, name, annotations)
                reboot(self._layout, instance_id)
            case RemoveFolder(path):
                self._remove(Path(path))
            case _:
                self._cloud.fabric.perform(change)
                self._read_parts()

    def _remove(self, folder: Path) -> None:
        """Remove a folder, only if it is a volume of this cluster."""
        if folder.parent != self._volumes:
            raise OSError(f"{folder} is not a volume of this cluster")
        shutil.rmtree(folder, ignore_errors=True)


def environment(layout: Layout, cluster: ManagementCluster) -> Mapping[str, str]:
    """Return the environment of pods that use the API, because ClusterIPs are unreachable, and the region's AWS."""
    return {
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": layout.inside_aws_endpoint,
        "KUBERNETES_SERVICE_HOST": cluster.api_address,
        "KUBERNETES_SERVICE_PORT": str(cluster.api_port),
    }


def heartbeat(folder: Path) -> Path:
    """Return the file that is touched after every round."""
    return folder / "heartbeat"


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    for library in ("httpx", "httpx2", "botocore", "boto3"):
        logging.getLogger(library).setLevel(logging.WARNING)
    layout = load(Path(sys.argv[1]))
    cluster = next(found for found in MANAGEMENT_CLUSTERS if found.name == sys.argv[2])
    Host(layout, cluster).run()


if __name__ == "__main__":
    main()
