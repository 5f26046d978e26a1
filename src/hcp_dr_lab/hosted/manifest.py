"""Adapt a user's own hosted cluster: the manifests that `hypershift create cluster aws --render` prints.

References to the user's cloud (zone, network, image, domain) are replaced by the region's, sizes that do not fit on
this machine are reduced, and every change is reported. Features that cannot be rehearsed faithfully are refused. The
user's own names stay: namespace, name, infraID, NodePools, Secrets and ConfigMaps, role ARNs.
"""

from __future__ import annotations

import base64
import copy
import json
import secrets
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE_POOL
from hcp_dr.objects.select import referenced_config_maps, referenced_secrets
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.ground.layout import AWS_REGION, HOSTED_DOMAIN, WORKER_SUBNET_CIDR
from hcp_dr_lab.ground.names import release_version
from hcp_dr_lab.hosted.cluster import RELEASE, Brought
from hcp_dr_lab.hosted.secret import secret

MAX_WORKERS = 4
STORAGE_CLASS = "gp3-csi"
_KEPT = ("name", "namespace", "labels", "annotations")
_INPUTS = ("Namespace", "Secret", "ConfigMap")
_SERVICES = ("APIServer", "OAuthServer", "Konnectivity", "Ignition")
_FIXED_NAME = {"Route": "route", "LoadBalancer": "loadBalancer"}
_DEFAULT_NAMESPACE = "clusters"
_NOT_STARTED = "Nothing was started."


def read(file: Path) -> Brought:
    """Read the user's manifests. Raises BadOptions if the file cannot be read or rehearsed, with the required
    change."""
    try:
        documents = [found for found in yaml.safe_load_all(file.read_text("utf-8")) if found]
    except (OSError, UnicodeDecodeError) as error:
        raise BadOptions(f"Cannot read {file} (--hosted-cluster): {error}. {_NOT_STARTED}") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise BadOptions(f"{file} (--hosted-cluster) is not valid YAML: {reason}. {_NOT_STARTED}") from error
    return fitted(file.name, documents)


def fitted(source: str, documents: Iterable[Any]) -> Brought:
    """Adapt the manifests. `source` names the manifests in messages."""
    fit = _Fit(source)
    hosted_cluster, pools, inputs = fit.sort(_flat(documents))
    fit.refuse_hosted_cluster(hosted_cluster)
    fit.hosted_cluster(hosted_cluster)
    fit.node_pools(pools, hosted_cluster)
    return Brought(hosted_cluster, tuple(pools), tuple(fit.inputs(inputs, hosted_cluster, pools)), tuple(fit.changes))


def _flat(documents: Iterable[Any]) -> Iterable[Any]:
    """Expand lists as printed by `oc get -o yaml`."""
    for found in documents:
        if isinstance(found, Mapping) and found.get("kind") == "List":
            yield from found.get("items") or ()
        else:
            yield found


class _Fit:
    """Changes copies of the user's objects in place, and records the changes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.changes: list[str] = []

    def sort(self, documents: Iterable[Any]) -> tuple[Object, list[Object], list[Object]]:
        """Return the HostedCluster, its NodePools, and the remaining objects."""
        found: dict[str, list[Object]] = {kind: [] for kind in (*_INPUTS, HOSTED_CLUSTER.kind, NODE_POOL.kind)}
        for document in documents:
            kind = document.get("kind") if isinstance(document, Mapping) else None
            if not isinstance(kind, str) or not (document.get("metadata") or {}).get("name"):
                raise self._refusal("has a document that is not a Kubernetes object with a kind and a name")
            if kind not in found:
                raise self._refusal(
                    f"has a {kind}; only {', '.join(found)} can be rehearsed", f"Remove the {kind} and try again."
                )
            found[kind].append(_bare(document))
        clusters = found[HOSTED_CLUSTER.kind]
        if len(clusters) != 1:
            raise self._refusal(
                f"has {len(clusters)} HostedClusters", "Pass one, with its NodePools, Secrets and ConfigMaps."
            )
        (hosted_cluster,) = clusters
        metadata = hosted_cluster["metadata"]
        if len(metadata["name"]) > 40:
            raise self._refusal(f"names the HostedCluster {metadata['name']}: more than 40 characters")
        pools = found[NODE_POOL.kind]
        self._check_pools(hosted_cluster, pools)
        inputs = [item for kind in _INPUTS for item in found[kind]]
        other_objects = [
            f"{item['kind']} {_place(item)}"
            for item in (*pools, *inputs)
            if item["kind"] != "Namespace" and item["metadata"]["namespace"] != metadata["namespace"]
        ]
        if other_objects:
            raise self._refusal(f"has {', '.join(other_objects)} outside the HostedCluster's namespace")
        return hosted_cluster, pools, inputs

    def refuse_hosted_cluster(self, hosted_cluster: Object) -> None:
        """Refuse features that cannot be rehearsed faithfully."""
        spec = hosted_cluster["spec"]
        missing = [field for field in ("platform", "etcd", "services", "release", "pullSecret") if not spec.get(field)]
        if missing:
            raise self._refusal(f"has a HostedCluster without spec.{', spec.'.join(missing)}")
        platform = spec["platform"].get("type")
        if platform != "AWS":
            raise self._refusal(f"is for the platform {platform}; only AWS hosted clusters can be relocated")
        access = (spec["platform"].get("aws") or {}).get("endpointAccess", "Public")
        if access == "Private":
            raise self._refusal(
                "has the endpoint access Private: the region has no private network for watching the API",
                "Rehearse with Public or PublicAndPrivate.",
            )
        if spec["etcd"].get("managementType") != "Managed":
            raise self._refusal(
                "has an unmanaged etcd: snapshots are then the responsibility of etcd's owner, not of hcp-dr"
            )
        if spec.get("autoNode"):
            raise self._refusal("has autoNode: machines of Karpenter cannot be rehearsed")
        self._refuse_publishing(spec["services"])

    def _refuse_publishing(self, services: list[Object]) -> None:
        published = {entry.get("service"): entry.get("servicePublishingStrategy") or {} for entry in services}
        for service in _SERVICES:
            strategy = published.get(service) or {}
            kind = strategy.get("type", "")
            hostname = (strategy.get(_FIXED_NAME.get(kind, "")) or {}).get("hostname")
            if not hostname:
                raise self._refusal(
                    f"publishes {service} as {kind or 'nothing'} without a fixed hostname: without a name to move, "
                    "the cluster cannot be relocated",
                    "Render the cluster with --external-dns-domain, or set a hostname for each service.",
                )
            if kind == "LoadBalancer" and service != "APIServer":
                raise self._refusal(
                    f"publishes {service} by a load balancer; only APIServer can be rehearsed with a load balancer"
                )

    def hosted_cluster(self, hosted_cluster: Object) -> None:
        metadata, spec = hosted_cluster["metadata"], hosted_cluster["spec"]
        aws = spec["platform"]["aws"]
        self._release(hosted_cluster)
        if not spec.get("infraID"):
            spec["infraID"] = f"{metadata['name']}-{secrets.token_hex(3)[:5]}"
            self._say(f"infraID is {spec['infraID']}, because it was not set")
        spec.setdefault("clusterID", str(uuid.uuid4()))  # the operator's default
        spec.setdefault("issuerURL", f"https://oidc.rehearsal.example/{spec['infraID']}")
        self._set(spec.setdefault("dns", {}), "baseDomain", HOSTED_DOMAIN, "dns.baseDomain")
        if spec["dns"].pop("privateZoneID", None):
            self._say("dns.privateZoneID is omitted: the region's hosted clusters share one public zone")
        self._hostnames(spec["services"])
        self._set(aws, "region", AWS_REGION, "platform.aws.region")
        self._say("VPC, subnets, zone and AMI are the region's")
        aws["rolesRef"] = aws.get("rolesRef") or {}
        spec.setdefault("networking", {})["machineNetwork"] = [{"cidr": WORKER_SUBNET_CIDR}]
        self._etcd(spec)
        for field in ("nodeSelector", "tolerations", "pausedUntil"):
            if spec.pop(field, None):
                self._say(f"{field} is omitted: the region's management clusters have one node each")
        if (spec.get("secretEncryption") or {}).get("type") == "kms":
            del spec["secretEncryption"]
            self._say("secretEncryption by KMS is omitted: the region has no KMS; Secrets are not encrypted in etcd")

    def _etcd(self, spec: Object) -> None:
        storage = spec["etcd"].setdefault("managed", {}).setdefault("storage", {"type": "PersistentVolume"})
        self._set(
            storage.setdefault("persistentVolume", {}), "storageClassName", STORAGE_CLASS, "etcd's storageClassName"
        )
        if storage.pop("restoreSnapshotURL", None):
            self._say("etcd's restoreSnapshotURL is omitted: the cluster starts empty")

    def _hostnames(self, services: list[Object]) -> None:
        """Keep the first label, and use the domain that external-dns manages."""
        for entry in services:
            strategy = entry["servicePublishingStrategy"]
            fixed = strategy.get(_FIXED_NAME.get(strategy["type"], "")) or {}
            if hostname := fixed.get("hostname"):
                required = f"{hostname.partition('.')[0]}.{HOSTED_DOMAIN}"
                self._set(fixed, "hostname", required, f"the hostname of {entry['service']}")

    def node_pools(self, pools: list[Object], hosted_cluster: Object) -> None:
        free = MAX_WORKERS
        for pool in pools:
            spec = pool["spec"]
            aws = spec["platform"].setdefault("aws", {})
            self._release(pool)
            required = spec.get("replicas", 0)
            if scaling := spec.pop("autoScaling", None):
                required = scaling.get("min", 1)
                self._say(f"NodePool {_name(pool)} is not autoscaled: it has its minimum number of machines")
            spec["replicas"] = min(required, max(free, 0))
            free -= spec["replicas"]
            if spec["replicas"] != required:
                self._say(
                    f"NodePool {_name(pool)} has {spec['replicas']} replicas instead of {required}: {MAX_WORKERS} "
                    "workers in total are the limit of one machine"
                )
            self._set(spec, "arch", "amd64", f"the arch of NodePool {_name(pool)}")
            if aws.pop("securityGroups", None):
                self._say(f"NodePool {_name(pool)} has the hosted cluster's own security group instead of other groups")
            aws.setdefault("instanceType", "m5.large")
            aws.setdefault("rootVolume", {"size": 120, "type": "gp3"})
            if spec.pop("pausedUntil", None):
                self._say(f"NodePool {_name(pool)} is not paused")
        if free == MAX_WORKERS:
            raise self._refusal(
                f"has no NodePool of {_name(hosted_cluster)} with a worker: without workers a rehearsal proves nothing "
                "about workloads"
            )

    def inputs(self, inputs: list[Object], hosted_cluster: Object, pools: list[Object]) -> list[Object]:
        """Return the given inputs, and generate the inputs that `--render` omits without --render-sensitive."""
        spec = hosted_cluster["spec"]
        present = {(item["kind"], _name(item)) for item in inputs}
        made: dict[str | None, tuple[Mapping[str, str | bytes], str]] = {
            (spec["pullSecret"] or {}).get("name"): (_login(), "kubernetes.io/dockerconfigjson"),
            (spec.get("sshKey") or {}).get("name"): ({"id_rsa.pub": "ssh-ed25519 made-for-the-rehearsal"}, "Opaque"),
        }
        keys = (spec.get("secretEncryption") or {}).get("aescbc") or {}
        for field in ("activeKey", "backupKey"):
            made[(keys.get(field) or {}).get("name")] = ({"key": secrets.token_bytes(32)}, "Opaque")
        result = list(inputs)
        for name in sorted(referenced_secrets(hosted_cluster)):
            if ("Secret", name) in present:
                continue
            if name not in made:
                raise self._missing("Secret", name, hosted_cluster)
            content, kind = made[name]
            result.append(secret(hosted_cluster["metadata"]["namespace"], name, content, kind))
            self._say(f"Secret {name} is generated: the manifests refer to it and do not contain it")
        for name in sorted(referenced_config_maps(hosted_cluster, pools)):
            if ("ConfigMap", name) not in present:
                raise self._missing("ConfigMap", name, hosted_cluster)
        return result

    def _check_pools(self, hosted_cluster: Object, pools: list[Object]) -> None:
        for pool in pools:
            spec = pool.get("spec") or {}
            if spec.get("clusterName") != _name(hosted_cluster):
                raise self._refusal(f"has NodePool {_place(pool)} of the cluster {spec.get('clusterName')}")
            platform = (spec.get("platform") or {}).get("type")
            if platform != "AWS":
                raise self._refusal(f"has NodePool {_place(pool)} for the platform {platform}")

    def _release(self, subject: Object) -> None:
        """The stand-in simulates the release in the image's tag."""
        release = subject["spec"].setdefault("release", {})
        image = str(release.get("image", ""))
        if release_version(image) == "0.0.0":
            release["image"] = RELEASE
            self._say(
                f"the release of {subject['kind']} {_name(subject)} is {RELEASE}: the tag of {image} has no version"
            )

    def _set(self, where: Object, field: str, value: str, what: str) -> None:
        if (before := where.get(field)) != value:
            where[field] = value
            self._say(f"{what} is {value}" + (f" instead of {before}" if before else ""))

    def _say(self, change: str) -> None:
        self.changes.append(change)

    def _refusal(self, what: str, todo: str = "Change the manifests and try again.") -> BadOptions:
        return BadOptions(f"{self._source} {what}. This cannot be rehearsed. {_NOT_STARTED} {todo}")

    def _missing(self, kind: str, name: str, hosted_cluster: Object) -> BadOptions:
        return self._refusal(
            f"refers to {kind} {name} of namespace {hosted_cluster['metadata']['namespace']} and lacks it",
            f"Add the {kind} to the file, by hand or with `hypershift create cluster aws --render --render-sensitive`.",
        )


def _bare(document: Object) -> Object:
    """Remove the fields that only a server sets: uid, versions, times, owners, finalizers, status."""
    item = copy.deepcopy(dict(document))
    metadata = {field: value for field in _KEPT if (value := item["metadata"].get(field))}
    if item["kind"] != "Namespace":
        metadata.setdefault("namespace", _DEFAULT_NAMESPACE)
    item["metadata"] = metadata
    item.pop("status", None)
    return item


def _name(item: Object) -> str:
    name: str = item["metadata"]["name"]
    return name


def _place(item: Object) -> str:
    return f"{item['metadata'].get('namespace', '')}/{_name(item)}"


def _login() -> dict[str, str | bytes]:
    login = base64.b64encode(f"rehearsal:{secrets.token_hex(12)}".encode()).decode()
    return {".dockerconfigjson": json.dumps({"auths": {"registry.rehearsal.example": {"auth": login}}})}
