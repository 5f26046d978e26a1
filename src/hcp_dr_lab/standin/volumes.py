"""The storage driver: every claim of its class gets a volume, a folder on the node; released volumes are removed."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin.change import Change, RemoveFolder
from hcp_dr_lab.standin.shape import body, delete, deleting, ensure
from hcp_dr_lab.standin.view import View

DRIVER = "ebs.csi.aws.com"
STORAGE_CLASS = "gp3-csi"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for claim in view.all(r.PERSISTENT_VOLUME_CLAIM):
        if claim["spec"].get("storageClassName") == STORAGE_CLASS and not deleting(claim):
            changes += _provide(view, claim)
    for volume in view.all(r.PERSISTENT_VOLUME):
        marks = volume["metadata"].get("annotations") or {}
        if marks.get(_PROVISIONED_BY) == DRIVER:
            changes += _reclaim(volume)
    return changes


def storage_class() -> Object:
    return body(
        r.STORAGE_CLASS,
        STORAGE_CLASS,
        annotations={"storageclass.kubernetes.io/is-default-class": "true"},
        provisioner=DRIVER,
        reclaimPolicy="Delete",
        volumeBindingMode="WaitForFirstConsumer",
    )


def _provide(view: View, claim: Object) -> list[Change]:
    metadata = claim["metadata"]
    name = f"pvc-{metadata['uid']}"
    if view.find(r.PERSISTENT_VOLUME, name) is not None:
        return []
    wanted = body(
        r.PERSISTENT_VOLUME,
        name,
        annotations={_PROVISIONED_BY: DRIVER},
        spec={
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Delete",
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "hostPath": {"path": f"{view.volumes}/{metadata['uid']}", "type": "DirectoryOrCreate"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        },
    )
    return ensure(view, r.PERSISTENT_VOLUME, wanted)


def _reclaim(volume: Object) -> list[Change]:
    released = (volume.get("status") or {}).get("phase") == "Released"
    if not released or volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
        return []
    remove = delete(r.PERSISTENT_VOLUME, volume, "released, and its reclaim policy is Delete")
    return [RemoveFolder(volume["spec"]["hostPath"]["path"]), *remove] if remove else []
