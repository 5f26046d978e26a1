"""The built-in kinds of a server: defaults, validation, selectable fields and subresources.

Limited to the needs of the stand-in, the product and the tests. Unknown fields, and invalid fields that none of these
writes, are kept unchanged; a real server would drop or refuse them.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.tabletop.kubernetes import custom, refusal
from hcp_dr_lab.tabletop.kubernetes.kinds import LABEL, SEGMENT, SERVICE_LABEL, Kind, Problems, Scale, dig
from hcp_dr_lab.tabletop.kubernetes.store import Key, Store

_SERVICES = ipaddress.ip_network("10.96.0.0/16")
_ONE_LINE_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_QUALIFIED = re.compile(
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)"
)
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[-+]\d\d:\d\d)")
_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
_TEXTS = ("name", "generateName", "namespace", "uid", "resourceVersion")
_METADATA = frozenset(
    {
        *("annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers"),
        *("generateName", "generation", "labels", "managedFields", "name", "namespace", "ownerReferences"),
        *("resourceVersion", "selfLink", "uid"),
    }
)
_MAPS = ("spec", "status", "data", "binaryData", "stringData", "roleRef")
_EMPTY = 'Invalid value: ""'
_NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character"
)
_LABEL_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)
_IMMUTABLE = "field is immutable"


def check_types(kind: Kind, body: Object) -> None:
    """Refuse bodies that cannot be decoded as this kind. Raises Refusal (400)."""
    metadata = body["metadata"]
    wrong = [f"metadata.{word}" for word in _TEXTS if not isinstance(metadata.get(word, ""), (str, type(None)))]
    wrong += [f"metadata.{word}" for word in ("labels", "annotations") if not _is_text_map(metadata.get(word))]
    finalizers, owners = metadata.get("finalizers"), metadata.get("ownerReferences")
    if not (finalizers is None or (isinstance(finalizers, list) and all(isinstance(word, str) for word in finalizers))):
        wrong.append("metadata.finalizers")
    if not (owners is None or (isinstance(owners, list) and all(_is_reference(owner) for owner in owners))):
        wrong.append("metadata.ownerReferences")
    if not kind.custom:
        wrong += [word for word in _MAPS if not isinstance(body.get(word), (dict, type(None)))]
        data = body.get("data")
        if isinstance(data, dict) and not _is_text_map(data):
            wrong.append("data")
    if wrong:
        name = kind.resource.kind
        raise refusal.bad_request(
            f'{name} in version "{kind.resource.version}" cannot be handled as a {name}: json: cannot unmarshal '
            f"{', '.join(wrong)}: it is of another type"
        )


def unknown_fields(kind: Kind, body: Object) -> list[str]:
    """Return the paths of fields that the kind does not have, as far as its schema is known here."""
    return [*(f"metadata.{name}" for name in sorted(body["metadata"].keys() - _METADATA)), *kind.unknown(body)]


def _is_text_map(found: Any) -> bool:
    return found is None or (
        isinstance(found, dict) and all(isinstance(value, (str, type(None))) for value in found.values())
    )


def _is_reference(found: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(found.get(word, ""), str) for word in ("apiVersion", "kind", "name", "uid")
    )


def metadata_problems(kind: Kind, new: Object, old: Object | None) -> Problems:
    """Validate names, labels, finalizers and owner references of any kind. Existing labels are not validated again."""
    problems: Problems = []
    name = new["name"]
    if old is None and (len(name) > kind.longest_name or not kind.names.fullmatch(name)):
        problems.append(f'metadata.name: Invalid value: "{name}": it is not a name that this kind may have')
    known = (old or {}).get("labels") or {}
    for key, value in (new.get("labels") or {}).items():
        if (key, value) in known.items():
            continue
        if not _QUALIFIED.fullmatch(key):
            problems.append(f'metadata.labels: Invalid value: "{key}": {_NAME_PART}')
        if not _LABEL_VALUE.fullmatch(value):
            problems.append(f'metadata.labels: Invalid value: "{value}": {_LABEL_WORDS}')
    problems += [
        f'metadata.annotations: Invalid value: "{key}": {_NAME_PART}'
        for key in new.get("annotations") or ()
        if not _QUALIFIED.fullmatch(key.lower())
    ]
    finalizers = new.get("finalizers") or []
    problems += [
        f'metadata.finalizers[{number}]: Invalid value: "{word}": name is neither a standard finalizer name nor is it '
        "fully qualified"
        for number, word in enumerate(finalizers)
        if word not in _STANDARD_FINALIZERS and ("/" not in word or not _QUALIFIED.fullmatch(word)) and not kind.custom
    ]
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        problems.append(
            "metadata.finalizers: Invalid value: finalizer orphan and foregroundDeletion cannot be both set"
        )
    if old is not None and "deletionTimestamp" in old:
        added = sorted(set(finalizers) - set(old.get("finalizers") or ()))
        if added:
            words = ", ".join(f'"{word}"' for word in added)
            problems.append(
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{words}}}"
            )
    return problems + _owner_problems(new.get("ownerReferences") or ())


def _owner_problems(references: Any) -> Problems:
    problems: Problems = []
    for number, reference in enumerate(references):
        place = f"metadata.ownerReferences[{number}]"
        problems += [
            f"{place}.{word}: {'Required value' if word == 'uid' else _EMPTY}: must not be empty"
            for word in ("apiVersion", "kind", "name", "uid")
            if not reference.get(word)
        ]
    controllers = [reference for reference in references if reference.get("controller")]
    if len(controllers) > 1:
        problems.append("metadata.ownerReferences: Invalid value: Only one reference can have Controller set to true")
    return problems


# Secrets and ConfigMaps


def _without_empty(new: Object, _old: Object | None) -> None:
    """Remove empty maps, which a server does not return."""
    for word in ("data", "binaryData"):
        if word in new and not new[word]:
            del new[word]


def _prepare_secret(new: Object, old: Object | None) -> None:
    plain = new.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        new["data"] = {**(new.get("data") or {}), **encoded}
    new["type"] = new.get("type") or "Opaque"
    _without_empty(new, old)


def _validate_secret(new: Object, old: Object | None) -> Problems:
    problems = _data_keys(new.get("data"), "data")
    for key, value in (new.get("data") or {}).items():
        try:
            base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise refusal.bad_request(
                f'Secret in version "v1" cannot be handled as a Secret: illegal base64 data (data[{key}])'
            ) from error
    needed = {
        "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
        "kubernetes.io/tls": ("tls.crt", "tls.key"),
        "kubernetes.io/dockercfg": (".dockercfg",),
        "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    }.get(new["type"], ())
    problems += [f"data[{key}]: Required value" for key in needed if key not in (new.get("data") or {})]
    if old is not None and old["type"] != new["type"]:
        problems.append(f'type: Invalid value: "{new["type"]}": {_IMMUTABLE}')
    return problems + _frozen(new, old, "data")


def _validate_config_map(new: Object, old: Object | None) -> Problems:
    both = set(new.get("data") or ()) & set(new.get("binaryData") or ())
    problems = [f'data[{key}]: Invalid value: "{key}": duplicate of key present in binaryData' for key in sorted(both)]
    return problems + _data_keys(new.get("data"), "data") + _frozen(new, old, "data", "binaryData")


def _data_keys(data: Mapping[str, Any] | None, word: str) -> Problems:
    return [
        f'{word}[{key}]: Invalid value: "{key}": a valid config key must consist of alphanumeric characters, '
        "'-', '_' or '.'"
        for key in data or ()
        if not _ONE_LINE_KEY.fullmatch(key) or key in (".", "..") or len(key) > 253
    ]


def _frozen(new: Object, old: Object | None, *words: str) -> Problems:
    if old is None or not old.get("immutable"):
        return []
    problems = [
        f"{word}: Forbidden: field is immutable when `immutable` is set"
        for word in words
        if new.get(word) != old.get(word)
    ]
    if not new.get("immutable"):
        problems.append("immutable: Forbidden: field is immutable when `immutable` is set")
    return problems


# Namespaces


def _prepare_namespace(new: Object, old: Object | None) -> None:
    labels = new["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = new["metadata"]["name"]
    if old is None:
        new["spec"] = {**(new.get("spec") or {}), "finalizers": ["kubernetes"]}
        new["status"] = {"phase": "Active"}


# Pods


def _prepare_pod(new: Object, old: Object | None) -> None:
    _pod_defaults(new.setdefault("spec", {}))
    if old is None:
        new["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def _pod_defaults(spec: Object) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for word in ("containers", "initContainers"):
        for container in spec.get(word) or ():
            container.setdefault("terminationMessagePath", "/dev/termination-log")
            container.setdefault("terminationMessagePolicy", "File")
            container.setdefault("resources", {})
            image = str(container.get("image", ""))
            latest = "@" not in image and (":" not in image.rpartition("/")[2] or image.endswith(":latest"))
            container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
            for port in container.get("ports") or ():
                port.setdefault("protocol", "TCP")


_CHANGEABLE_IN_PODS = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")


def _validate_pod(new: Object, old: Object | None) -> Problems:
    if not new["spec"].get("containers"):
        return ["spec.containers: Required value"]
    if old is None:
        return _container_problems(new["spec"], "spec")

    def fixed(spec: Object) -> Object:
        left = {key: value for key, value in spec.items() if key not in _CHANGEABLE_IN_PODS}
        for word in ("containers", "initContainers"):
            if word in left:
                left[word] = [{**container, "image": ""} for container in left[word]]
        return left

    if fixed(new["spec"]) != fixed(old["spec"]):
        return ["spec: Forbidden: pod updates may not change fields other than the images"]
    return []


def _container_problems(spec: Object, place: str) -> Problems:
    problems: Problems = []
    seen: set[str] = set()
    for word in ("containers", "initContainers"):
        for number, container in enumerate(spec.get(word) or ()):
            where = f"{place}.{word}[{number}]"
            name = container.get("name") or ""
            if not name:
                problems.append(f"{where}.name: Required value")
            elif not LABEL.fullmatch(name):
                problems.append(f"{where}.name: Invalid value: {name!r}: not a lowercase RFC 1123 label")
            elif name in seen:
                problems.append(f"{where}.name: Duplicate value: {name!r}")
            seen.add(name)
            if not container.get("image") and place == "spec.template.spec":
                problems.append(f"{where}.image: Required value")
    return problems


def grace(kind: Kind, body: Object, asked: int | None) -> int:
    """Return the grace period of a deleted object in seconds: only pods with a node have a grace period."""
    if kind.key != "pods" or not dig(body, ("spec", "nodeName")):
        return 0
    if dig(body, ("status", "phase")) in ("Succeeded", "Failed"):
        return 0
    wanted = dig(body, ("spec", "terminationGracePeriodSeconds"), 30) if asked is None else asked
    return max(int(wanted), 0)


def doom(kind: Kind, body: Object) -> None:
    """Set further marks of deletion besides the deletionTimestamp."""
    if kind.key == "namespaces":
        body.setdefault("status", {})["phase"] = "Terminating"
    elif kind.key == custom.DEFINITIONS:
        body["metadata"]["finalizers"] = [*(body["metadata"].get("finalizers") or ()), custom.CLEANUP]


def runnable(store: Store, pod: Object, container: str) -> None:
    """Check that a kubelet can run a command in the container; raises Refusal. Only the kubelet knows whether it
    runs."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    known = [each["name"] for word in ("containers", "initContainers") for each in spec.get(word) or ()]
    if container not in known:
        raise refusal.bad_request(f"container {container} is not valid for pod {name}")
    if not spec.get("nodeName"):
        raise refusal.bad_request(f"pod {name} does not have a host assigned")
    if store.get(Key(r.NODE.plural, "", spec["nodeName"])) is None:
        raise refusal.not_found(r.NODE, spec["nodeName"])


# Services


def _prepare_service(new: Object, old: Object | None) -> None:
    spec = new.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    if old is not None:
        for word in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if word in old["spec"]:
                spec.setdefault(word, old["spec"][word])
    elif spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] in ("LoadBalancer", "NodePort"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if old is None:
        new["status"] = {"loadBalancer": {}}


def _validate_service(new: Object, old: Object | None) -> Problems:
    spec = new["spec"]
    problems: Problems = []
    headless = spec.get("clusterIP") == "None" or spec["type"] == "ExternalName"
    if not spec.get("ports") and not headless:
        problems.append("spec.ports: Required value")
    ports = spec.get("ports") or []
    if len(ports) > 1:
        problems += [
            f"spec.ports[{number}].name: Required value" for number, port in enumerate(ports) if not port.get("name")
        ]
    problems += [
        f"spec.ports[{number}].port: Invalid value: {port.get('port')}: must be between 1 and 65535, inclusive"
        for number, port in enumerate(ports)
        if not isinstance(port.get("port"), int) or not 1 <= port["port"] <= 65535
    ]
    if old is not None and old["spec"].get("clusterIP") and spec.get("clusterIP") != old["spec"]["clusterIP"]:
        problems.append(f"spec.clusterIPs[0]: Invalid value: [{spec.get('clusterIP')!r}]: may not change once set")
    return problems


def bind(store: Store, body: Object) -> None:
    """Assign unique values to a new object: the address and the node ports of a Service."""
    if body["kind"] != "Service" or body["apiVersion"] != "v1":
        return
    spec = body["spec"]
    taken = [entry.object["spec"] for entry in store.list("services")]
    if spec["type"] != "ExternalName" and not spec.get("clusterIP"):
        used = {other.get("clusterIP") for other in taken}
        hosts = (str(address) for address in _SERVICES.hosts())
        spec["clusterIP"] = next(address for number, address in enumerate(hosts) if number > 0 and address not in used)
    if spec.get("clusterIP"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in ("LoadBalancer", "NodePort"):
        used_ports = {port.get("nodePort") for other in taken for port in other.get("ports") or ()}
        for port in spec.get("ports") or ():
            if not port.get("nodePort"):
                port["nodePort"] = next(number for number in range(30000, 32768) if number not in used_ports)
            used_ports.add(port["nodePort"])


# Workloads


def _prepare_workload(**defaults: Any) -> Callable[[Object, Object | None], None]:
    def prepare(new: Object, old: Object | None) -> None:
        spec = new.setdefault("spec", {})
        for word, value in defaults.items():
            if word not in spec:
                spec[word] = value() if callable(value) else value
        template = spec.setdefault("template", {})
        template.setdefault("metadata", {})
        _pod_defaults(template.setdefault("spec", {}))
        if old is None:
            new["status"] = {"replicas": 0, "availableReplicas": 0} if new["kind"] == "StatefulSet" else {}

    return prepare


def _rolling() -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}


def _partition() -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def _one_by_one() -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def _retention() -> Object:
    return {"whenDeleted": "Retain", "whenScaled": "Retain"}


_CHANGEABLE_IN_STATEFUL_SETS = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)


def _validate_workload(new: Object, old: Object | None) -> Problems:
    spec = new["spec"]
    problems: Problems = []
    selector = dig(spec, ("selector", "matchLabels"))
    labels = dig(spec, ("template", "metadata", "labels")) or {}
    if not spec.get("selector"):
        problems.append("spec.selector: Required value")
    elif selector and any(labels.get(key) != value for key, value in selector.items()):
        problems.append(
            f"spec.template.metadata.labels: Invalid value: {labels}: `selector` does not match template `labels`"
        )
    if not spec["template"]["spec"].get("containers"):
        problems.append("spec.template.spec.containers: Required value")
    problems += _container_problems(spec["template"]["spec"], "spec.template.spec")
    replicas = spec.get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        problems.append(f"spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0")
    if old is not None:
        fixed = {key for key in spec.keys() | old["spec"].keys() if key not in _CHANGEABLE_IN_STATEFUL_SETS}
        if new["kind"] == "StatefulSet" and any(spec.get(key) != old["spec"].get(key) for key in fixed):
            problems.append("spec: Forbidden: updates to statefulset spec for other fields are forbidden")
        elif new["kind"] != "StatefulSet" and spec.get("selector") != old["spec"].get("selector"):
            problems.append(f"spec.selector: Invalid value: {_IMMUTABLE}")
    return problems


# Volumes


def _prepare_claim(new: Object, old: Object | None) -> None:
    spec = new.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    if old is None:
        new["status"] = {"phase": "Pending"}
        _protect(new, "kubernetes.io/pvc-protection")


def _prepare_volume(new: Object, old: Object | None) -> None:
    spec = new.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    if old is None:
        new["status"] = {"phase": "Pending"}
        _protect(new, "kubernetes.io/pv-protection")


def _protect(new: Object, finalizer: str) -> None:
    finalizers = new["metadata"].setdefault("finalizers", [])
    if finalizer not in finalizers:
        finalizers.append(finalizer)


def _validate_claim(new: Object, old: Object | None) -> Problems:
    spec = new["spec"]
    problems = (
        [] if spec.get("accessModes") else ["spec.accessModes: Required value: at least 1 access mode is required"]
    )
    if not dig(spec, ("resources", "requests", "storage")):
        problems.append("spec.resources[storage]: Required value")
    if old is not None:
        changeable = {"resources", "volumeAttributesClassName"} | (
            set() if old["spec"].get("volumeName") else {"volumeName"}
        )
        if any(spec.get(key) != old["spec"].get(key) for key in (spec.keys() | old["spec"].keys()) - changeable):
            problems.append("spec: Forbidden: spec is immutable after creation except resources.requests")
    return problems


# Leases


def _validate_lease(new: Object, _old: Object | None) -> Problems:
    spec = new.get("spec") or {}
    for word in ("acquireTime", "renewTime"):
        if spec.get(word) is not None and not _MICRO_TIME.fullmatch(str(spec[word])):
            raise refusal.bad_request(
                f'Lease in version "v1" cannot be handled as a Lease: parsing time "{spec[word]}" as '
                '"2006-01-02T15:04:05.000000Z07:00": cannot parse it'
            )
    problems: Problems = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        problems.append(f"spec.leaseDurationSeconds: Invalid value: {duration}: must be greater than 0")
    if transitions is not None and transitions < 0:
        problems.append(f"spec.leaseTransitions: Invalid value: {transitions}: must be greater than or equal to 0")
    return problems


# Access


def _prepare_binding(new: Object, _old: Object | None) -> None:
    reference = new.setdefault("roleRef", {})
    reference.setdefault("apiGroup", "rbac.authorization.k8s.io")
    for subject in new.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", "rbac.authorization.k8s.io")


def _validate_binding(new: Object, old: Object | None) -> Problems:
    problems: Problems = []
    if not new["roleRef"].get("name"):
        problems.append("roleRef.name: Required value")
    if old is not None and new["roleRef"] != old["roleRef"]:
        problems.append(f"roleRef: Invalid value: {json.dumps(new['roleRef'])}: {_IMMUTABLE}")
    return problems


def _plain(group: str, version: str, plural: str, kind: str, *, namespaced: bool = True, **more: Any) -> Kind:
    return Kind(Resource(group, version, plural, kind, namespaced), **more)


_REPLICATED = Scale(selector=("spec", "selector"))
_POD_FIELDS = {
    "spec.nodeName": ("spec", "nodeName"),
    "spec.restartPolicy": ("spec", "restartPolicy"),
    "spec.schedulerName": ("spec", "schedulerName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
    "spec.hostNetwork": ("spec", "hostNetwork"),
    "status.phase": ("status", "phase"),
    "status.podIP": ("status", "podIP"),
    "status.nominatedNodeName": ("status", "nominatedNodeName"),
}
_EVENT_FIELDS = {
    **{
        f"involvedObject.{word}": ("involvedObject", word)
        for word in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": ("reason",),
    "reportingComponent": ("reportingComponent",),
    "source": ("source", "component"),
    "type": ("type",),
}

KINDS: Mapping[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind(
            r.NAMESPACE,
            status=True,
            prepare=_prepare_namespace,
            fields={"status.phase": ("status", "phase")},
            names=LABEL,
            longest_name=63,
        ),
        Kind(r.SECRET, prepare=_prepare_secret, validate=_validate_secret, fields={"type": ("type",)}),
        Kind(r.CONFIG_MAP, prepare=_without_empty, validate=_validate_config_map),
        Kind(r.POD, status=True, prepare=_prepare_pod, validate=_validate_pod, fields=_POD_FIELDS, counted=True),
        Kind(r.NODE, status=True, fields={"spec.unschedulable": ("spec", "unschedulable")}),
        Kind(
            r.SERVICE,
            status=True,
            prepare=_prepare_service,
            validate=_validate_service,
            fields={"spec.clusterIP": ("spec", "clusterIP"), "spec.type": ("spec", "type")},
            names=SERVICE_LABEL,
            longest_name=63,
        ),
        Kind(r.SERVICE_ACCOUNT),
        Kind(r.PERSISTENT_VOLUME_CLAIM, status=True, prepare=_prepare_claim, validate=_validate_claim),
        Kind(r.PERSISTENT_VOLUME, status=True, prepare=_prepare_volume),
        Kind(r.ENDPOINT_SLICE),
        Kind(r.STORAGE_CLASS),
        Kind(r.LEASE, validate=_validate_lease),
        Kind(
            r.DEPLOYMENT,
            status=True,
            scale=_REPLICATED,
            counted=True,
            prepare=_prepare_workload(
                replicas=1, strategy=_rolling, revisionHistoryLimit=10, progressDeadlineSeconds=600
            ),
            validate=_validate_workload,
        ),
        Kind(
            r.STATEFUL_SET,
            status=True,
            scale=_REPLICATED,
            counted=True,
            prepare=_prepare_workload(
                replicas=1,
                podManagementPolicy="OrderedReady",
                updateStrategy=_partition,
                revisionHistoryLimit=10,
                persistentVolumeClaimRetentionPolicy=_retention,
                serviceName="",
            ),
            validate=_validate_workload,
        ),
        Kind(
            r.DAEMON_SET,
            status=True,
            counted=True,
            prepare=_prepare_workload(updateStrategy=_one_by_one, revisionHistoryLimit=10),
            validate=_validate_workload,
        ),
        _plain(
            *("apps", "v1", "replicasets", "ReplicaSet"),
            status=True,
            scale=_REPLICATED,
            counted=True,
            prepare=_prepare_workload(replicas=1),
            validate=_validate_workload,
            fields={"status.replicas": ("status", "replicas")},
        ),
        Kind(r.ROLE, names=SEGMENT),
        Kind(r.ROLE_BINDING, names=SEGMENT, prepare=_prepare_binding, validate=_validate_binding),
        Kind(r.CLUSTER_ROLE, names=SEGMENT),
        Kind(r.CLUSTER_ROLE_BINDING, names=SEGMENT, prepare=_prepare_binding, validate=_validate_binding),
        Kind(r.CUSTOM_RESOURCE_DEFINITION, status=True, counted=True, prepare=custom.prepare, validate=custom.validate),
        _plain("", "v1", "events", "Event", fields=_EVENT_FIELDS),
        _plain("", "v1", "endpoints", "Endpoints"),
        _plain("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", status=True, counted=True),
        _plain("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", counted=True),
        _plain("batch", "v1", "jobs", "Job", status=True, counted=True),
        _plain("batch", "v1", "cronjobs", "CronJob", status=True, counted=True),
        _plain("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False),
        _plain(
            *(
                "admissionregistration.k8s.io",
                "v1",
                "validatingwebhookconfigurations",
                "ValidatingWebhookConfiguration",
            ),
            namespaced=False,
            counted=True,
        ),
        _plain(
            *("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
            namespaced=False,
            counted=True,
        ),
    )
}
