"""Can etcd be restored by a URL? The same answer for every command that leads past the point of no return.

`restoreSnapshotURL` is carried out by etcd-init, a script embedded in the hosted release's control plane operator, in
the release's own etcd image. It restores each of several members separately, and each becomes a cluster of its own. It
restores no shards. If it calls a tool that is not in the image, or no longer, it never ends. All of this shows only
when the control plane starts, when there is no way back. No version number predicts it, so the script is read in the
operator's own binary, and the tools are tested in the image.

The result is remembered, because both pods are gone behind the fence, or with a lost source.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.from_pod import Place
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check
from hcp_dr.errors import CommandFailed, Forbidden, NotFound, NotOurs, NotRestorable
from hcp_dr.hypershift.etcd.encryption import check_encryption, read_encryption
from hcp_dr.hypershift.state import ETCD_RESTORE, EncryptionKey, RestoreProbe
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import CONFIG_MAP, DEPLOYMENT, HOSTED_CLUSTER, POD, STATEFUL_SET
from hcp_dr.model import Case
from hcp_dr.objects.reading import dig, is_ready_pod, name_of, pods_of
from hcp_dr.objects.release import control_plane_images, upgrade
from hcp_dr.upstream import CONTROL_PLANE_OPERATOR, CONTROL_PLANE_OPERATOR_IMAGE, ETCD

FILL_BY_HAND = "etcd's volumes can be filled by hand, see docs/by-hand.md"
PART_RESTORED = (
    "an etcd-init that restores straight into etcd's volume and is killed half-way leaves a part there, and takes it "
    f"for the whole when it starts again; {FILL_BY_HAND}"
)
_ABORT = "If a relocation was begun, `hcp-dr abort` puts the source back into service."
TOOLS = ("etcdctl", "etcdutl")
_BINARY = "/usr/bin/control-plane-operator"
EITHER = "either"
_CALLED = {**{f"{tool} snapshot restore": tool for tool in TOOLS}, "-x /usr/bin/etcdutl": EITHER}
"""As in every etcd-init.sh since hosted release 4.11, and nowhere else in that binary: the tools that it calls, and
its preference for etcdutl if present."""
_READ_SCRIPT = " ".join(("LC_ALL=C grep -a -o", *(f"-e '{text}'" for text in _CALLED), _BINARY))
_SEARCHED = (0, 1)
"""grep's exit codes after reading the file: found, not found."""
_ASK_TOOLS = "; ".join(
    f"if [ -x /usr/bin/{tool} ]; then echo has {tool}; "
    f"if ETCDCTL_API=3 /usr/bin/{tool} snapshot restore --help 2>&1 | grep -q -e --data-dir; "
    f"then echo can {tool}; fi; fi"
    for tool in TOOLS
)
"""etcdctl 3.6 answers with the help of its remaining commands."""


def remembered(memory: RunState) -> RestoreProbe | None:
    """None if nothing is remembered, or nothing that this version understands: then the source was not probed."""
    try:
        return memory.get(ETCD_RESTORE)
    except NotOurs:
        return None


@dataclass(frozen=True, slots=True)
class Etcd:
    """The HostedCluster to restore, and the result of the probe; None without a probe. `key` is the encryption key on
    the destination, where it was read."""

    hosted_cluster: Object
    looked: RestoreProbe | None
    key: EncryptionKey | None = None

    @property
    def checks(self) -> tuple[Check, ...]:
        return checks(self.hosted_cluster, self.looked, self.key)

    @property
    def refusal(self) -> NotRestorable | None:
        """All blocking checks in one error; None if there are none."""
        stopping = [check for check in self.checks if check.stops]
        if not stopping:
            return None
        todo = dict.fromkeys(f"{check.todo[:1].upper()}{check.todo[1:]}." for check in stopping)
        place = dig(self.hosted_cluster, "metadata") or {}
        return NotRestorable(
            object=f"{place['namespace']}/{place['name']}" if place else "?",
            why="; ".join(f"{check.seen} ({check.why})" for check in stopping),
            todo=" ".join((*todo, _ABORT)),
        )


JUDGED = Etcd(
    {"spec": {"controllerAvailabilityPolicy": "SingleReplica"}},
    RestoreProbe("", 1, (), TOOLS, tools=TOOLS, restoring=TOOLS),
)
"""The state once found restorable; for foreseeing later steps."""
NOT_LOOKED = Etcd({}, None)


def known(hosted_cluster: Object, source: Kubernetes, case: Case, memory: RunState, *, lost: bool) -> Etcd:
    """From the remembered probe, or else from a probe now, unless the source is lost. The encryption key may have
    changed since the probe."""
    looked = remembered(memory)
    if not lost:
        looked = probe_restore(source, case)[1] if looked is None else with_encryption(looked, source, case)
    return Etcd(hosted_cluster, looked)


def with_encryption(looked: RestoreProbe, source: Kubernetes, case: Case) -> RestoreProbe:
    """The probe with the source's encryption key of this moment."""
    hosted_cluster = source.find(HOSTED_CLUSTER, case.name, case.namespace)
    return replace(looked, encryption=read_encryption(source, case, hosted_cluster)) if hosted_cluster else looked


def checks(hosted_cluster: Object, looked: RestoreProbe | None, key: EncryptionKey | None = None) -> tuple[Check, ...]:
    """Of the HostedCluster to restore, and of the probe of the source; None without a probe. No check can be
    accepted."""
    if dig(hosted_cluster, "spec", "etcd", "managementType") == "Unmanaged":
        return (
            Check(
                "etcd_members",
                "blocked",
                "etcd is not managed by HyperShift (spec.etcd.managementType is Unmanaged)",
                "its data stays with its owner, and no snapshot of it is restored with the control plane",
                "not supported: to move such a hosted cluster, point a new one at the same etcd",
            ),
        )
    return (
        _check_members(hosted_cluster, looked),
        _check_shards(hosted_cluster, looked),
        _check_tool(control_plane_images(hosted_cluster), looked),
        *(check_encryption(hosted_cluster, looked.encryption, key) if looked else ()),
    )


def _check_members(hosted_cluster: Object, looked: RestoreProbe | None) -> Check:
    """The desired number of members, or the observed number if higher: HyperShift's default is three."""
    desired = 1 if dig(hosted_cluster, "spec", "controllerAvailabilityPolicy") == "SingleReplica" else 3
    members = max(desired, looked.members if looked else 0)
    if members == 1:
        return Check("etcd_members", "ok", "etcd has 1 member")
    return Check(
        "etcd_members",
        "blocked",
        f"etcd has {members} members",
        "a restore URL restores each member separately, and they become separate clusters with different writes",
        f"no hcp-dr command can restore it; {FILL_BY_HAND}",
    )


def _check_shards(hosted_cluster: Object, looked: RestoreProbe | None) -> Check:
    desired = [str(each.get("name", "?")) for each in dig(hosted_cluster, "spec", "etcd", "managed", "shards") or ()]
    shards = [*dict.fromkeys((*desired, *(looked.shards if looked else ())))]
    if not shards:
        return Check("etcd_shards", "ok", "etcd has no shards")
    return Check(
        "etcd_shards",
        "blocked",
        f"etcd has shards: {', '.join(shards)}",
        "the data of a shard is in no snapshot of etcd, and would be lost without an error",
        "no hcp-dr command can restore it, and no restore URL of HyperShift",
    )


def _check_tool(release: str, looked: RestoreProbe | None) -> Check:
    name, why = "etcd_restore", "etcd would never start there, and that shows only after the point of no return"
    if looked is None:
        seen = "it is not known which tool etcd-init calls, nor whether etcd's image has it"
        todo = f"make a new backup, with a probe, while the source answers; if it no longer does: {FILL_BY_HAND}"
        return Check(name, "unknown", seen, why, todo)
    if looked.release != release:
        seen = f"etcd-init and etcd were probed in {looked.release or 'no release'}, but {release} would restore"
        return Check(
            name,
            "unknown",
            seen,
            why,
            f"make a new backup while the source answers; if it no longer does: {FILL_BY_HAND}",
        )
    called, tools = looked.called, looked.tools
    if called is None and tools is not None and set(TOOLS) <= {*looked.restoring}:
        return Check(name, "ok", f"{' and '.join(TOOLS)} of etcd's image both restore")
    if called is None or tools is None:
        todo = f"start {CONTROL_PLANE_OPERATOR} and etcd on the source, and probe again; "
        todo += f"if that is not possible: {FILL_BY_HAND}"
        return Check(name, "unknown", f"cannot tell whether etcd-init restores: {looked.unseen}", why, todo)
    needed = [tool for tool in TOOLS if tool in called]
    if len(needed) > 1 and EITHER in called:
        needed = ["etcdutl" if "etcdutl" in tools else "etcdctl"]
    if needed and set(needed) <= {*looked.restoring}:
        return Check(name, "ok", f"etcd-init calls {' or '.join(needed)}, which restores in etcd's image")
    if len(needed) != 1:
        seen = f"{_BINARY} has no known etcd-init"
        return Check(name, "unknown", seen, why, f"inspect its etcd-init.sh; {FILL_BY_HAND}")
    [tool] = needed
    lacks = "can no longer restore" if tool in tools else "is missing"
    seen = f"etcd-init calls {tool} snapshot restore, but {tool} {lacks} in etcd's image"
    todo = f"upgrade the hosted cluster to a release whose etcd-init fits its etcd, and probe again; {FILL_BY_HAND}"
    _, _, override = release.partition(" ")
    if override:
        todo = f"etcd-init is that of {override}, named by annotation {CONTROL_PLANE_OPERATOR_IMAGE}: name another "
        todo += f"image or remove the annotation, and probe again; {FILL_BY_HAND}"
    return Check(name, "blocked", seen, why, todo)


def probe_restore(cluster: Kubernetes, case: Case) -> tuple[Object, RestoreProbe]:
    """The source's HostedCluster, and the probe of it. It only reads: objects, and two commands in pods."""
    hosted_cluster = cluster.get(HOSTED_CLUSTER, case.name, case.namespace)
    namespace = case.control_plane_namespace
    sets = {name_of(item): item for item in cluster.list(STATEFUL_SET, namespace).items}
    pods = [pod for pod in cluster.list(POD, namespace).items if is_ready_pod(pod)]
    upgrading = upgrade(hosted_cluster)
    if upgrading:
        called, answer, unseen = None, None, f"the control plane is being upgraded from {upgrading}"
    else:
        called = _read_called_tools(cluster, namespace, pods)
        answer = _read_tools(cluster, namespace, sets.get(ETCD), pods)
        unseen = "" if called is not None else f"no Ready pod has the image of {CONTROL_PLANE_OPERATOR}"
        unseen = unseen if answer is not None else "no Ready etcd pod has the image of etcd"
    return hosted_cluster, RestoreProbe(
        release=control_plane_images(hosted_cluster),
        members=int(dig(sets.get(ETCD), "spec", "replicas") or 0),
        shards=_find_shards(sets, cluster.list(CONFIG_MAP, namespace).items),
        called=called,
        unseen=unseen,
        encryption=read_encryption(cluster, case, hosted_cluster),
        **({} if answer is None else _tools(answer)),
    )


def _find_shards(sets: Mapping[str, Object], config_maps: Iterable[Object]) -> tuple[str, ...]:
    """StatefulSets beside etcd's own, and the resources that the API server stores in other etcds."""
    shards = [name for name in sorted(sets) if name.startswith("etcd-")]
    for config in (item for item in config_maps if name_of(item) == "kas-config"):
        with suppress(ValueError):
            arguments = json.loads((config.get("data") or {}).get("config.json", "{}"))
            overrides = dig(arguments, "apiServerArguments", "etcd-servers-overrides") or ()
            shards += [f"etcd-servers-overrides {each}" for each in overrides]
    return tuple(shards)


def _read_called_tools(cluster: Kubernetes, namespace: str, pods: Iterable[Object]) -> tuple[str, ...] | None:
    """Other components run the same image, so a control plane fenced by hand can still be probed."""
    deployments = cluster.list(DEPLOYMENT, namespace).items
    template = next((item for item in deployments if name_of(item) == CONTROL_PLANE_OPERATOR), None)
    image = _image(dig(template, "spec", "template"), CONTROL_PLANE_OPERATOR)
    for pod, container in _running_containers(pods, image):
        code, lines = _execute(cluster, (namespace, pod, container), _READ_SCRIPT)
        if code in _SEARCHED:
            return tuple(word for text, word in _CALLED.items() if text in lines)
    return None


def _read_tools(
    cluster: Kubernetes, namespace: str, etcd: Object | None, pods: Iterable[Object]
) -> tuple[str, ...] | None:
    """The output of the tools in etcd's image, in lines."""
    mine = pods_of(etcd, pods) if etcd else ()
    for pod, container in _running_containers(mine, etcd_image(etcd)):
        code, lines = _execute(cluster, (namespace, pod, container), _ASK_TOOLS)
        if code == 0:
            return lines
    return None


def etcd_image(etcd: Object | None) -> str:
    """The image in etcd's StatefulSet, "" without one."""
    return _image(dig(etcd, "spec", "template"), ETCD)


def probe_image(looked: RestoreProbe, cluster: Kubernetes, place: Place) -> RestoreProbe:
    """The same probe, with the tools of etcd's image as this container has them."""
    code, lines = _execute(cluster, (place.namespace, place.pod, place.container), _ASK_TOOLS)
    return looked if code != 0 else replace(looked, **_tools(lines))


def _tools(answer: tuple[str, ...]) -> dict[str, Any]:
    return {
        "tools": tuple(tool for tool in TOOLS if f"has {tool}" in answer),
        "restoring": tuple(tool for tool in TOOLS if f"can {tool}" in answer),
    }


def _image(template: Object | None, container: str) -> str:
    containers = dig(template, "spec", "containers") or ()
    return next((str(each.get("image", "")) for each in containers if each.get("name") == container), "")


def _running_containers(pods: Iterable[Object], image: str) -> Iterator[tuple[str, str]]:
    """Pods and containers with the image of the template: others are about to be replaced."""
    for pod in sorted(pods, key=name_of):
        for container in dig(pod, "spec", "containers") or ():
            if image and container.get("image") == image:
                yield name_of(pod), str(container["name"])


def _execute(cluster: Kubernetes, place: tuple[str, str, str], script: str) -> tuple[int | None, tuple[str, ...]]:
    """The exit code and the output; None if these credentials may not execute it, or the pod is gone."""
    try:
        completed = cluster.execute(*place, ["/bin/bash", "-c", script])
    except (CommandFailed, Forbidden, NotFound):
        return None, ()
    lines = completed.stdout.decode(errors="replace").splitlines()
    return completed.exit_code, tuple(line.strip() for line in lines)
