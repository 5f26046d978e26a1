"""The documented commands (8.6.2, 8.6.3) as somebody types them at the tabletop, each with the mend that it needs.

Files are what `oc get -o yaml` prints, with the status cut off as the documented sed does it: uid, resourceVersion,
owner references and finalizers are in them.
"""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from hcp_dr.hypershift.dns import external_dns
from hcp_dr.hypershift.dns.records import owned
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.ground.layout import BUCKET, HostedClusterNames
from hcp_dr_lab.tabletop.aws import MemoryBucket, MemoryZone
from hcp_dr_lab.tabletop.world import NAME, World

FOUR = ("kube-apiserver", "openshift-apiserver", "openshift-oauth-apiserver", "control-plane-operator")
ETCDCTL = (
    "ETCDCTL_API=3 etcdctl --endpoints https://localhost:2379 --cacert /etc/etcd/tls/etcd-ca/ca.crt "
    "--cert /etc/etcd/tls/client/etcd-client.crt --key /etc/etcd/tls/client/etcd-client.key"
)
"""Mended: the documented path of the CA is that of 4.11."""
FILE = "/var/lib/data/snapshot.db"
MACHINERY: tuple[tuple[Resource, str], ...] = (
    (r.CLUSTER, "cl"),
    (r.AWS_CLUSTER, "awscl"),
    (r.AWS_MACHINE_TEMPLATE, "awsmt"),
    (r.AWS_MACHINE, "awsm"),
    (r.MACHINE_DEPLOYMENT, "machinedeployment"),
    (r.MACHINE_SET, "machineset"),
    (r.MACHINE, "machine"),
)
_NOT_SAVED = ("docker", "service-account-token", "oauth-openshift")


class Hands:
    """Somebody with `oc` and `aws` at the tabletop. `files` is the backup folder."""

    def __init__(self, world: World, *, mended: bool = True) -> None:
        self.world = world
        self.mended = mended
        self.names: HostedClusterNames = world.residents[NAME].names
        self.source: Kubernetes = world.sides[0].client()
        self.destination: Kubernetes = world.sides[1].client()
        self.bucket = MemoryBucket(world.cloud.storage, BUCKET)
        self.files: dict[str, bytes] = {}

    # 8.6.2

    def backup(self) -> None:
        self.pause()
        self.scale_down()
        self.save_and_upload()
        self.export()
        self.delete_routes()

    def pause(self) -> None:
        patch = {"spec": {"pausedUntil": "true"}}
        self.source.patch(r.HOSTED_CLUSTER, self.names.name, self.names.namespace, patch)
        for pool in self.pools():
            self.source.patch(r.NODE_POOL, pool["metadata"]["name"], self.names.namespace, patch)
        self.world.clock.spend(5)

    def scale_down(self) -> None:
        for name in FOUR:
            self.source.patch(r.DEPLOYMENT, name, self.names.control_plane_namespace, {"spec": {"replicas": 0}})
        self.until(lambda: not self._pods_of(FOUR), "the pods are gone")

    def save_and_upload(self) -> None:
        """Mended: a presigned PUT, because buckets made since 2020 refuse the old signature. The loop uploads the file
        of etcd-0 under every pod's name."""
        members = self.source.get(r.STATEFUL_SET, "etcd", self.names.control_plane_namespace)["spec"]["replicas"]
        for number in range(members):
            self.in_etcd(f"etcd-{number}", f"{ETCDCTL} snapshot save {FILE}")
            self.upload(f"{self.names.name}-etcd-{number}-snapshot.db")

    def upload(self, key: str) -> None:
        sha256 = self.in_etcd("etcd-0", f"sha256sum < {FILE}").split()[0]
        url, headers = self.bucket.presign_put(key, seconds=600, sha256_hex=sha256, metadata={})
        told = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items())
        self.in_etcd("etcd-0", f"curl --silent --fail --upload-file {FILE} {told} {shlex.quote(url)}")

    def export(self) -> None:
        names, own = self.names, self.names.control_plane_namespace
        self.save(self.source.get(r.HOSTED_CLUSTER, names.name, names.namespace), f"hc-{names.name}")
        for pool in self.pools() if self.mended else self.pools()[:1]:
            self.save(pool, f"np-{pool['metadata']['name']}")
        for secret in self.source.list(r.SECRET, names.namespace).items:
            if secret["metadata"]["name"].startswith(names.name):
                self.save(secret, f"secret-{secret['metadata']['name']}")
        for secret in self.source.list(r.SECRET, own).items:
            line = f"{secret['metadata']['name']} {secret.get('type', '')}"
            if not any(word in line for word in (*_NOT_SAVED, f"token-{names.name}")):
                self.save(secret, f"secret-{secret['metadata']['name']}")
        self.save(self.source.get(r.HOSTED_CONTROL_PLANE, names.name, own), f"hcp-{names.name}")
        for resource, prefix in MACHINERY:
            preferred = resource.at(self.source.versions(resource.group)[0])
            for item in self.source.list(preferred, own).items:
                if self.mended or resource != r.AWS_MACHINE_TEMPLATE:  # named with a hash, where the NodePool is asked
                    self.save(item, f"{prefix}-{item['metadata']['name']}")
        if self.mended:
            self.save_what_the_documented_way_forgets()

    def save_what_the_documented_way_forgets(self) -> None:
        """ConfigMaps, and secrets whose names do not begin with the cluster's."""
        for namespace in (self.names.namespace, self.names.control_plane_namespace):
            for resource, prefix in ((r.CONFIG_MAP, "configmap"), (r.SECRET, "secret")):
                for item in self.source.list(resource, namespace).items:
                    self.save(item, f"{prefix}-{item['metadata']['name']}")

    def save(self, item: Object, name: str) -> None:
        cut = {key: value for key, value in copy.deepcopy(item).items() if key != "status"}
        cut["metadata"].pop("managedFields", None)  # oc does not show them
        self.files[f"namespaces/{item['metadata']['namespace']}/{name}.yaml"] = yaml.safe_dump(cut).encode()

    def delete_routes(self) -> None:
        own = self.names.control_plane_namespace
        for route in self.source.list(r.ROUTE, own).items:
            self.source.delete(r.ROUTE, route["metadata"]["name"], own)
        for _ in range(40):  # and goes on after the documented 40 tries
            if not self._records():
                break
            self.world.clock.spend(2)

    # 8.6.3, from a folder of either making

    def restore(self, files: Mapping[str, bytes], key: str) -> None:
        """As docs/by-hand.md has it: owners are linked anew, machine objects are held, the HostedControlPlane is left
        to the operator."""
        names, own = self.names, self.names.control_plane_namespace
        objects = {path: yaml.safe_load(data) for path, data in files.items() if path.startswith("namespaces/")}
        for namespace in (names.namespace, own):
            if self.destination.find(r.NAMESPACE, namespace) is None:
                self.destination.create(
                    r.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
                )
        tokens = ("secret-token-", "secret-user-data-")
        for path, item in objects.items():
            if item["kind"] in ("Secret", "ConfigMap") and not path.rpartition("/")[2].startswith(tokens):
                self.apply(item)
        self._restore_machines(objects)
        self._restore_hosted_cluster(objects[f"namespaces/{names.namespace}/hc-{names.name}.yaml"], key)
        self._restore_pools(objects)
        for path, item in objects.items():
            if path.rpartition("/")[2].startswith(tokens):
                self.apply(item)

    def _restore_machines(self, objects: Mapping[str, Object]) -> None:
        made: dict[tuple[str, str], str] = {}
        paused = {"cluster.x-k8s.io/paused": "true"}
        for resource, _ in MACHINERY[:3] + MACHINERY[4:] + MACHINERY[3:4]:
            for item in objects.values():
                if item["kind"] == resource.kind:
                    body = copy.deepcopy(item)
                    held = resource not in (r.CLUSTER, r.AWS_CLUSTER, r.AWS_MACHINE_TEMPLATE)
                    body["metadata"].setdefault("annotations", {}).update(paused if held else {})
                    body["metadata"]["ownerReferences"] = self._owners(body, made)
                    if resource == r.CLUSTER:
                        body["spec"]["paused"] = True
                    found = self.apply(body)
                    made[item["kind"], item["metadata"]["name"]] = found["metadata"]["uid"]

    def _owners(self, item: Object, made: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
        """As docs/by-hand.md says to find them: by the references of the source, with the uids of the destination."""
        there = self.source.list(_RESOURCES[item["kind"]], self.names.control_plane_namespace).items
        source = next(each for each in there if each["metadata"]["name"] == item["metadata"]["name"])
        references = source["metadata"].get("ownerReferences") or []
        return [{**each, "uid": made[key]} for each in references if (key := (each["kind"], each["name"])) in made]

    def _restore_hosted_cluster(self, item: Object, key: str) -> None:
        body = copy.deepcopy(item)
        url = self.bucket.presign_get(key, seconds=3600)
        body["spec"]["etcd"]["managed"]["storage"]["restoreSnapshotURL"] = [url]
        body["spec"]["pausedUntil"] = "true"
        body["metadata"]["finalizers"] = ["hypershift.io/aws-oidc-discovery"]
        self.apply(body)

    def _restore_pools(self, objects: Mapping[str, Object]) -> None:
        names = self.names
        owner = self.destination.get(r.HOSTED_CLUSTER, names.name, names.namespace)
        for item in objects.values():
            if item["kind"] == "NodePool":
                body = copy.deepcopy(item)
                body["spec"]["pausedUntil"] = "true"
                body["metadata"]["ownerReferences"] = [
                    {
                        "apiVersion": owner["apiVersion"],
                        "kind": "HostedCluster",
                        "name": names.name,
                        "uid": owner["metadata"]["uid"],
                    }
                ]
                self.apply(body)
                version = (item.get("status") or {}).get("version")
                status = {"status": {"version": version}}
                self.destination.patch(
                    r.NODE_POOL, body["metadata"]["name"], names.namespace, status, subresource="status"
                )

    def start(self) -> None:
        names = self.names
        lift = {"spec": {"pausedUntil": None}}
        self.destination.patch(r.HOSTED_CLUSTER, names.name, names.namespace, lift)
        self.until(self.serves, "the API answers by its name", 1200)

    def adopt(self) -> None:
        """From the bottom up, then the pools."""
        own, names = self.names.control_plane_namespace, self.names
        for resource in (r.AWS_MACHINE, r.MACHINE, r.MACHINE_SET):
            for item in self.destination.list(resource, own).items:
                lift = {"metadata": {"annotations": {"cluster.x-k8s.io/paused": None}}}
                self.destination.patch(resource, item["metadata"]["name"], own, lift)
        for pool in self.destination.list(r.NODE_POOL, names.namespace).items:
            self.destination.patch(
                r.NODE_POOL, pool["metadata"]["name"], names.namespace, {"spec": {"pausedUntil": None}}
            )
        self.world.clock.spend(60)

    # What they share

    def apply(self, item: Object) -> Object:
        """oc apply, server side: uid and resourceVersion must not be in the file; ours has none."""
        body = copy.deepcopy(item)
        body.pop("status", None)
        resource = _RESOURCES[item["kind"]]
        found = self.destination.find(resource, body["metadata"]["name"], body["metadata"]["namespace"])
        return found or self.destination.create(resource, body)

    def pools(self) -> tuple[Object, ...]:
        items = self.source.list(r.NODE_POOL, self.names.namespace).items
        return tuple(item for item in items if item["spec"]["clusterName"] == self.names.name)

    def in_etcd(self, pod: str, script: str) -> str:
        done = self.source.execute(self.names.control_plane_namespace, pod, "etcd", ["/bin/bash", "-c", script])
        assert done.exit_code == 0, done.stderr
        return done.stdout.decode()

    def serves(self) -> bool:
        try:
            return bool(self.world.hosted_client(NAME).find(r.NAMESPACE, "default"))
        except Exception:  # noqa: BLE001 - whatever it is, it does not serve yet
            return False

    def until(self, seen: Callable[[], object], what: str, seconds: float = 400) -> None:
        for _ in range(int(seconds)):
            if seen():
                return
            self.world.clock.spend(1)
        raise AssertionError(f"not within {seconds:.0f} s: {what}")

    def _pods_of(self, names: tuple[str, ...]) -> list[str]:
        pods = self.source.list(r.POD, self.names.control_plane_namespace).items
        return [pod["metadata"]["name"] for pod in pods if pod["metadata"]["labels"].get("app") in names]

    def _records(self) -> list[str]:
        """What the source's external-dns keeps; the documented count of lines would count a stranger's too."""
        zone = MemoryZone(self.world.cloud.records, self.world.cloud.zone_id)
        owner = external_dns.read_external_dns(self.source, "source").owner
        return [record.name for record in owned(zone.records(), {owner}, self.names.control_plane_namespace)]


_RESOURCES = {value.kind: value for value in vars(r).values() if isinstance(value, Resource)}
