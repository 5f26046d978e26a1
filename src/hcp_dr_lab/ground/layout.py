"""The layout of a region: addresses, names, ports, folders. Values only; this module does not touch the machine.

All addresses except the pair between host and region are the same in every region, because every region has its own
network namespace. `Layout.number` distinguishes the regions on one host.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from hcp_dr_lab.ground import delays
from hcp_dr_lab.ground.delays import Delays
from hcp_dr_lab.ground.releases import NEWEST

AWS_REGION = "us-east-1"
AVAILABILITY_ZONE = "us-east-1a"
HOSTED_DOMAIN = "hosted.rehearsal.example"  # EXTERNAL_DNS_DOMAIN: the Route53 zone, under external-dns's filter
REGION_DOMAIN = "region.rehearsal.example"  # static names: load balancers, API servers of the management clusters
HOSTED_CLUSTER_NAMESPACE = "clusters"
BUCKET = "hcp-dr-rehearsal"
OIDC_BUCKET = "hcp-dr-oidc"  # of the HyperShift operators of both management clusters
AWS_ACCOUNT = "123456789012"  # returned by moto
PRODUCT_USER = "hcp-dr"  # has only the roles that `hcp-dr rbac` prints

BRIDGE = "region0"
BRIDGE_ADDRESS = "10.78.0.1"
VPC_CIDR = "10.78.0.0/16"
VPC_PREFIX_LENGTH = 16
WORKER_SUBNET_CIDR = "10.78.2.0/24"
WIDE_SUBNET_CIDR = "10.78.16.0/20"  # of instances without workers

RESOLVER = "10.78.0.53"  # the VPC's caching resolver, port 53, for everything in the region except cluster pods
ZONE_SERVER = "10.78.0.52"  # the authoritative name server: the Route53 zone and the static names, port 53
S3_ADDRESS, S3_PORT = "10.78.0.30", 7070  # through the fault proxy also at Layout.region_address
AWS_ADDRESS, AWS_PORT = "10.78.0.31", 5000  # moto: EC2, Route53, STS; through the fault proxy likewise
PROXY_PORT = 3128  # the CONNECT proxy, at Layout.region_address
FAULT_ADDRESS, FAULT_PORT = "127.0.0.1", 3129  # control API of the fault proxy, only inside the region

POD_NETWORK = "10.88.0.0/13"  # management nodes 10.88.N.0/24, workers 10.89.N.0/24


@dataclass(frozen=True, slots=True)
class ManagementCluster:
    """One management cluster: address and name of the API server, node, load balancer, name server."""

    number: int  # 1 or 2

    @property
    def name(self) -> str:
        return f"mgmt-{self.number}"

    @property
    def api_address(self) -> str:
        return f"10.78.0.{10 + self.number}"

    @property
    def api_port(self) -> int:
        return 6443

    @property
    def api_hostname(self) -> str:
        return f"api.{self.name}.{REGION_DOMAIN}"

    @property
    def load_balancer_address(self) -> str:
        """443 by SNI from admitted Routes; 6443 for LoadBalancer Services."""
        return f"10.78.0.{20 + self.number}"

    @property
    def load_balancer_hostname(self) -> str:
        """routerCanonicalHostname of admitted Routes."""
        return f"router.{self.name}.{REGION_DOMAIN}"

    @property
    def load_balancer_domain(self) -> str:
        """The parent domain for the host names of LoadBalancer Services, as in AWS."""
        return f"elb.{self.name}.{REGION_DOMAIN}"

    @property
    def name_server_address(self) -> str:
        """The cluster DNS for pods, port 53."""
        return f"10.78.0.{60 + self.number}"

    @property
    def service_cidr(self) -> str:
        """The range of ClusterIPs. ClusterIPs are unreachable, because there is no kube-proxy."""
        return f"10.9{self.number}.0.0/16"

    @property
    def node_name(self) -> str:
        return f"{self.name}-node"

    @property
    def node_address(self) -> str:
        return f"10.78.1.{self.number}"

    @property
    def pod_cidr(self) -> str:
        return f"10.88.{self.number}.0/24"

    @property
    def external_dns_owner(self) -> str:
        return f"{self.name}-external-dns-owner"


MANAGEMENT_CLUSTERS = (ManagementCluster(1), ManagementCluster(2))


class Controllers(StrEnum):
    """Cluster API and its AWS provider: roles of the stand-in, or the real programs as pods."""

    PLAYED = "played"
    REAL = "real"


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """Options of a region, independent of its hosted clusters."""

    realistic: bool = False  # the delays of the real DNS, load balancers and external-dns instead of a fast pace
    crds: Path | None = None  # a folder of CustomResourceDefinitions to install instead of the rehearsal's own
    changed: tuple[tuple[str, float], ...] = ()  # delays by name, of `delays` and of the operators' pace, in seconds
    releases: tuple[str, str] = (NEWEST, NEWEST)  # of the HyperShift operators of mgmt-1 and mgmt-2
    controllers: Controllers = Controllers.PLAYED

    @property
    def delays(self) -> Delays:
        return delays.chosen(realistic=self.realistic, changed=dict(self.changed))

    @property
    def patience(self) -> int:
        """The factor for timeouts, compared with the plain region."""
        return 8 if self.realistic else 1

    @property
    def words(self) -> tuple[str, ...]:
        """The options as text; empty for the plain region."""
        realistic = ("realistic delays",) if self.realistic else ()
        changed = tuple(f"{name} {seconds:g} s" for name, seconds in self.changed)
        releases = (f"HyperShift {' and '.join(self.releases)}",) if self.releases != (NEWEST, NEWEST) else ()
        controllers = ("real Cluster API and AWS provider",) if self.controllers is Controllers.REAL else ()
        return (
            *realistic,
            *changed,
            *releases,
            *controllers,
            *([f"CRDs from {self.crds}"] if self.crds is not None else []),
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """One region of this host. `root` is the state folder, mode 0700."""

    name: str
    number: int  # 0..99: the third byte of the pair 10.77.N.1 (host) and 10.77.N.2 (region)
    root: Path
    options: RegionOptions = RegionOptions()

    @property
    def host_address(self) -> str:
        return f"10.77.{self.number}.1"

    @property
    def region_address(self) -> str:
        return f"10.77.{self.number}.2"

    @property
    def s3_endpoint(self) -> str:
        """For clients outside the region and for presigned URLs, through the fault proxy."""
        return f"https://{self.region_address}:{S3_PORT}"

    @property
    def aws_endpoint(self) -> str:
        """For clients outside the region, through the fault proxy."""
        return f"https://{self.region_address}:{AWS_PORT}"

    @property
    def inside_s3_endpoint(self) -> str:
        """For the parts of the region."""
        return f"https://{S3_ADDRESS}:{S3_PORT}"

    @property
    def inside_aws_endpoint(self) -> str:
        """For the parts of the region."""
        return f"https://{AWS_ADDRESS}:{AWS_PORT}"

    @property
    def proxy_url(self) -> str:
        return f"http://{self.region_address}:{PROXY_PORT}"

    @property
    def cgroup(self) -> str:
        """The parent cgroup of all pods in the region, with one child cgroup for each node."""
        return f"hcp-dr-lab-{self.name}"

    @property
    def state_file(self) -> Path:
        return self.root / "region.json"

    def program(self, name: str) -> Path:
        """The path of a program: kube-apiserver, containerd, etcd-3.5/etcdctl, etcd-3.6/etcd and so on."""
        return self.root / "bin" / name

    def disk(self, name: str) -> Path:
        """A node's initial disk with images: `management` for management nodes, `worker` for workers."""
        return self.root / "disks" / name

    @property
    def control_socket(self) -> Path:
        """The control socket of the region's first process."""
        return self.root / "control.sock"

    @property
    def logs(self) -> Path:
        """One file `<part>.log` for each part; a part is named like mgmt-1/kube-apiserver, with / as -- in files."""
        return self.root / "log"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def ca_file(self) -> Path:
        """The region's certificate authority, for S3, moto and AWS_CA_BUNDLE."""
        return self.pki / "region-ca.crt"

    @property
    def aws_credentials_file(self) -> Path:
        """AWS_CREDS: an ordinary AWS credentials file with the profile default."""
        return self.root / "aws-credentials"

    def management_kubeconfig(self, cluster: ManagementCluster) -> Path:
        """For the host: through the CONNECT proxy (`proxy-url`)."""
        return self.root / "kubeconfig" / f"{cluster.name}.kubeconfig"

    def inside_kubeconfig(self, cluster: ManagementCluster) -> Path:
        """For processes inside the region: without a proxy."""
        return self.root / "kubeconfig" / f"{cluster.name}.inside.kubeconfig"

    def hosted_kubeconfig(self, hosted_cluster: str) -> Path:
        """For the host, with the fixed API name, through the proxy; written when the hosted cluster is in service."""
        return self.root / "kubeconfig" / f"{hosted_cluster}.kubeconfig"

    def product_kubeconfig(self, cluster: str) -> Path:
        """For the host, for a management or hosted cluster, as the user with the rights that `hcp-dr rbac` prints."""
        return self.root / "kubeconfig" / f"{cluster}.{PRODUCT_USER}.kubeconfig"

    def audit_log(self, cluster: ManagementCluster) -> Path:
        """The API server's audit log of that user's requests, one JSON object a line."""
        return self.root / "audit" / f"{cluster.name}.jsonl"

    def volumes(self, cluster: ManagementCluster) -> Path:
        """The folders of PersistentVolumes, named after the claims' UIDs."""
        return self.root / "volumes" / cluster.name

    def node(self, node_name: str) -> Path:
        """A node's kubelet, containerd and CNI files."""
        return self.root / "nodes" / node_name

    def instance(self, instance_id: str) -> Path:
        """A worker instance's disk: kubelet certificate, containerd root, boot ID."""
        return self.root / "instances" / instance_id

    def env_file(self, hosted_cluster: str) -> Path:
        """The documented variables and the AWS variables, for relocating one hosted cluster from mgmt-1 to mgmt-2."""
        return self.root / f"{hosted_cluster}.env"


@dataclass(frozen=True, slots=True)
class HostedClusterNames:
    """The names of one hosted cluster. Omitted names get the rehearsal's defaults."""

    name: str
    namespace: str = HOSTED_CLUSTER_NAMESPACE
    infra_id: str = ""  # also the name of the Cluster object
    api_hostname: str = ""
    api_port: int = 443
    node_pools: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        own = {
            "infra_id": f"{self.name}-r7h2k",
            "api_hostname": f"api-{self.name}.{HOSTED_DOMAIN}",
            "node_pools": (f"{self.name}-workers",),
        }
        for field, value in own.items():
            if not getattr(self, field):
                object.__setattr__(self, field, value)

    @classmethod
    def of(cls, hosted_cluster: Mapping[str, Any], node_pools: Iterable[Mapping[str, Any]] = ()) -> HostedClusterNames:
        """Read the names from the objects. The API's port is the load balancer's or the router's."""
        metadata, spec = hosted_cluster["metadata"], hosted_cluster["spec"]
        strategy: Mapping[str, Any] = next(
            (one["servicePublishingStrategy"] for one in spec["services"] if one["service"] == "APIServer"), {}
        )
        balanced = strategy.get("type") == "LoadBalancer"
        fixed = strategy.get("loadBalancer" if balanced else "route") or {}
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            infra_id=spec["infraID"],
            api_hostname=fixed.get("hostname", ""),
            api_port=6443 if balanced else 443,
            node_pools=tuple(pool["metadata"]["name"] for pool in node_pools),
        )

    @property
    def control_plane_namespace(self) -> str:
        return f"{self.namespace}-{self.name}".replace(".", "-")

    @property
    def node_pool(self) -> str:
        """The first NodePool."""
        return self.node_pools[0]


@dataclass(frozen=True, slots=True)
class HostedClusterRecord:
    """The region's record of a hosted cluster in service: names, and the shape in words.

    `neighbour` is empty, or the name of the neighbouring hosted cluster that must stay unaffected.
    """

    names: HostedClusterNames
    shape: tuple[str, ...] = ()
    neighbour: str = ""


def record(layout: Layout, entry: HostedClusterRecord) -> None:
    file = _record_file(layout, entry.names.name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(json.dumps(asdict(entry)) + "\n", "utf-8")


def recorded(layout: Layout, name: str) -> HostedClusterRecord | None:
    """Return None if no hosted cluster with this name is in service."""
    try:
        entry = json.loads(_record_file(layout, name).read_text("utf-8"))
    except FileNotFoundError:
        return None
    names = entry["names"] | {"node_pools": tuple(entry["names"]["node_pools"])}
    return HostedClusterRecord(HostedClusterNames(**names), tuple(entry["shape"]), entry["neighbour"])


def all_recorded(layout: Layout) -> tuple[HostedClusterRecord, ...]:
    """Every hosted cluster in service, by name."""
    names = sorted(file.stem for file in _record_file(layout, "").parent.glob("*.json"))
    return tuple(entry for name in names if (entry := recorded(layout, name)) is not None)


def _record_file(layout: Layout, name: str) -> Path:
    return layout.root / "hosted-clusters" / f"{name}.json"


def save(layout: Layout) -> None:
    """Write the file that `load` reads."""
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = layout.options
    state = {
        "name": layout.name,
        "number": layout.number,
        "realistic": options.realistic,
        "crds": str(options.crds) if options.crds is not None else None,
        "changed": dict(options.changed),
        "releases": options.releases,
        "controllers": options.controllers,
    }
    layout.state_file.write_text(json.dumps(state) + "\n", "utf-8")


def load(root: Path) -> Layout:
    """Return the region of this state folder. Raises FileNotFoundError if the folder has no region."""
    state = json.loads((root / "region.json").read_text("utf-8"))
    crds = Path(state["crds"]) if state["crds"] is not None else None
    options = RegionOptions(state["realistic"], crds, tuple(state["changed"].items()), tuple(state["releases"]))
    options = replace(options, controllers=Controllers(state["controllers"]))
    return Layout(state["name"], state["number"], root, options)
