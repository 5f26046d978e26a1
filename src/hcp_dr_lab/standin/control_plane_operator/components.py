"""The components of a control plane except etcd: the API server after etcd, the others after the API server."""

from __future__ import annotations

import base64
import json

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names, payload
from hcp_dr_lab.standin import audit
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.control_plane_operator import etcd
from hcp_dr_lab.standin.control_plane_operator.scripts import WAIT_FOR
from hcp_dr_lab.standin.shape import body, ensure
from hcp_dr_lab.standin.view import View
from hcp_dr_lab.standin.workload import Container, deployment

API_SERVER = "kube-apiserver"
IDLE_COMPONENTS = (
    "openshift-apiserver",
    "openshift-oauth-apiserver",
    "oauth-openshift",
    "konnectivity-agent",
    "ignition-server",
    "cluster-version-operator",
    "cluster-autoscaler",
    "control-plane-pki-operator",
    "cluster-node-tuning-operator",
)
CONFIG_OPERATOR = "hosted-cluster-config-operator"
"""Another program in the control plane operator's image (v2/assets/hosted-cluster-config-operator/deployment.yaml)."""
_ENCRYPTION = "kas-secret-encryption-config"
_KEYS = "/etc/kubernetes/certs"


def reconcile(view: View, plane: Object) -> list[Change]:
    changes = [*_encryption(view, plane), *_audit(view, plane)]
    if changes or not etcd.is_available(view, plane):
        return changes
    changes += ensure(view, r.DEPLOYMENT, _api_server(view, plane))
    if not is_available(view, plane, API_SERVER):
        return changes
    for wanted in (_controller_manager(plane), _scheduler(plane)):
        changes += ensure(view, r.DEPLOYMENT, wanted)
    namespace = plane["metadata"]["namespace"]
    for name in IDLE_COMPONENTS:
        changes += ensure(view, r.DEPLOYMENT, deployment(name, namespace, owner=plane))
    own = Container(CONFIG_OPERATOR, image=payload.of(plane["spec"]["releaseImage"]).operator)
    changes += ensure(view, r.DEPLOYMENT, deployment(CONFIG_OPERATOR, namespace, (own,), owner=plane))
    return changes


def is_available(view: View, plane: Object, name: str) -> bool:
    found = view.find(r.DEPLOYMENT, name, plane["metadata"]["namespace"])
    return bool(((found or {}).get("status") or {}).get("readyReplicas", 0))


def _encryption(view: View, plane: Object) -> list[Change]:
    """Create the API server's encryption configuration from the key referenced by the HostedCluster."""
    keys = (plane["spec"].get("secretEncryption") or {}).get("aescbc")
    if not keys:
        return []
    namespace = plane["metadata"]["namespace"]
    made = []
    for number, field in enumerate(("activeKey", "backupKey"), start=1):
        name = (keys.get(field) or {}).get("name")
        found = view.find(r.SECRET, name, namespace) if name else None
        if found is not None:
            made.append({"name": f"key{number}", "secret": found["data"]["key"]})
    providers = [{"aescbc": {"keys": made}}, {"identity": {}}]
    text = json.dumps(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets"], "providers": providers if made else providers[1:]}],
        }
    )
    data = {"config.yaml": base64.b64encode(text.encode()).decode()}
    return ensure(view, r.SECRET, body(r.SECRET, _ENCRYPTION, namespace, owner=plane, data=data))


def _audit(view: View, plane: Object) -> list[Change]:
    data = {audit.FILE: audit.policy()}
    wanted = body(r.CONFIG_MAP, audit.CONFIG_MAP, plane["metadata"]["namespace"], owner=plane, data=data)
    return ensure(view, r.CONFIG_MAP, wanted)


def _api_server(view: View, plane: Object) -> Object:
    """The API server keeps serving for a while after SIGTERM, so that replicas 0 is no fence (rule C2;
    v2/kas/config.go:261, v2/assets/kube-apiserver/deployment.yaml:160-166,339)."""
    namespace, patience = plane["metadata"]["namespace"], view.paced
    secrets = [
        ("kas-server-crt", "server"),
        ("kas-kubelet-client-crt", "kubelet-client"),
        ("kas-aggregator-crt", "aggregator"),
        ("etcd-client-tls", "etcd-client"),
        ("sa-signing-key", "service-account"),
    ]
    if view.find(r.SECRET, _ENCRYPTION, namespace) is not None and plane["spec"].get("secretEncryption"):
        secrets.append((_ENCRYPTION, "encryption"))
    config_maps = [
        ("client-ca", "client-ca"),
        ("aggregator-client-ca", "aggregator-ca"),
        ("etcd-ca", "etcd-ca"),
    ]
    folders = [(name, f"{_KEYS}/{folder}") for name, folder in config_maps]
    container = Container(
        API_SERVER,
        _api_server_command(
            plane, encrypted=secrets[-1][0] == _ENCRYPTION, goes_on=round(patience.api_server_shutdown)
        ),
        secrets=tuple((name, f"{_KEYS}/{folder}") for name, folder in secrets),
        config_maps=(*folders, (audit.CONFIG_MAP, audit.FOLDER)),
        extra={
            "volumeMounts": [{"name": "logs", "mountPath": audit.LOGS}],
            "ports": [{"name": "client", "containerPort": names.API_PORT}],
            "readinessProbe": _probe("/readyz", names.API_PORT, 1, 3),
            "livenessProbe": _probe("/livez", names.API_PORT, 10, 6) | {"initialDelaySeconds": 60},
        },
    )
    wait = Container("wait-for-etcd", ("/usr/bin/bash", "-c", WAIT_FOR, "etcd-client", "2379"))
    pod = {
        "terminationGracePeriodSeconds": round(patience.api_server_grace),
        "initContainers": [wait.manifest()],
        "volumes": [{"name": "logs", "emptyDir": {}}],
    }
    return deployment(API_SERVER, namespace, (container,), owner=plane, pod=pod)


def _api_server_command(plane: Object, *, encrypted: bool, goes_on: int) -> tuple[str, ...]:
    spec = plane["spec"]
    network = (spec.get("networking") or {}).get("serviceNetwork") or [{"cidr": "172.31.0.0/16"}]
    command = (
        "/usr/bin/kube-apiserver",
        f"--secure-port={names.API_PORT}",
        "--etcd-servers=https://etcd-client:2379",
        f"--etcd-cafile={_KEYS}/etcd-ca/ca.crt",
        f"--etcd-certfile={_KEYS}/etcd-client/etcd-client.crt",
        f"--etcd-keyfile={_KEYS}/etcd-client/etcd-client.key",
        f"--tls-cert-file={_KEYS}/server/tls.crt",
        f"--tls-private-key-file={_KEYS}/server/tls.key",
        f"--client-ca-file={_KEYS}/client-ca/ca.crt",
        f"--kubelet-client-certificate={_KEYS}/kubelet-client/tls.crt",
        f"--kubelet-client-key={_KEYS}/kubelet-client/tls.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--proxy-client-cert-file={_KEYS}/aggregator/tls.crt",
        f"--proxy-client-key-file={_KEYS}/aggregator/tls.key",
        f"--requestheader-client-ca-file={_KEYS}/aggregator-ca/ca.crt",
        "--requestheader-allowed-names=system:openshift-aggregator",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--service-account-issuer={spec['issuerURL']}",
        f"--api-audiences={spec['issuerURL']}",
        f"--service-account-key-file={_KEYS}/service-account/service-account.pub",
        f"--service-account-signing-key-file={_KEYS}/service-account/service-account.key",
        f"--service-cluster-ip-range={network[0]['cidr']}",
        "--authorization-mode=RBAC,Node",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--shutdown-delay-duration={goes_on}s",
        *audit.flags(f"{audit.FOLDER}/{audit.FILE}", audit.LOG),
    )
    extra = (f"--encryption-provider-config={_KEYS}/encryption/config.yaml",) if encrypted else ()
    return command + extra


def _controller_manager(plane: Object) -> Object:
    name = "kube-controller-manager"
    command = (
        f"/usr/bin/{name}",
        f"--kubeconfig={_KEYS}/kubeconfig/kubeconfig",
        f"--root-ca-file={_KEYS}/root-ca/ca.crt",
        f"--service-account-private-key-file={_KEYS}/service-account/service-account.key",
        f"--cluster-signing-cert-file={_KEYS}/cluster-signer/ca.crt",
        f"--cluster-signing-key-file={_KEYS}/cluster-signer/ca.key",
        "--use-service-account-credentials=true",
        "--bind-address=0.0.0.0",
    )
    container = Container(
        name,
        command,
        secrets=(
            (f"{name}-kubeconfig", f"{_KEYS}/kubeconfig"),
            ("sa-signing-key", f"{_KEYS}/service-account"),
            ("cluster-signer-ca", f"{_KEYS}/cluster-signer"),
        ),
        config_maps=(("root-ca", f"{_KEYS}/root-ca"),),
        extra={"readinessProbe": _probe("/healthz", 10257, 2, 3)},
    )
    return deployment(name, plane["metadata"]["namespace"], (container,), owner=plane)


def _scheduler(plane: Object) -> Object:
    name = "kube-scheduler"
    command = (f"/usr/bin/{name}", f"--kubeconfig={_KEYS}/kubeconfig/kubeconfig", "--bind-address=0.0.0.0")
    container = Container(
        name,
        command,
        secrets=((f"{name}-kubeconfig", f"{_KEYS}/kubeconfig"),),
        extra={"readinessProbe": _probe("/healthz", 10259, 2, 3)},
    )
    return deployment(name, plane["metadata"]["namespace"], (container,), owner=plane)


def _probe(path: str, port: int, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTPS"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
