"""Can etcd be restored by a URL? The one answer for every command that leads past the point of no return.

`restoreSnapshotURL` is carried out by etcd-init, a script that the hosted release's control plane operator embeds, in
the release's own etcd image. Of several members it restores each by itself, and each becomes a cluster of its own. Of
shards it restores none. A script that calls a tool that the image has not, or not any more, never ends. All of that
shows only when the control plane starts, when there is no way back. Nothing of it can be told by a version, so that the
script is read in the operator's own binary, and the tools are asked what they can.

What was seen is remembered, because both are gone behind the fence, and with a source that is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check
from hcp_dr.errors import CommandFailed, Forbidden, NotFound, NotOurs, NotRestorable
from hcp_dr.hypershift.state import ETCD_RESTORE, RestoreProbe
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import CONFIG_MAP, DEPLOYMENT, HOSTED_CLUSTER, POD, STATEFUL_SET
from hcp_dr.model import Case
from hcp_dr.objects.reading import dig, is_ready_pod, name_of, pods_of
from hcp_dr.objects.release import control_plane_images, upgrade
from hcp_dr.upstream import CONTROL_PLANE_OPERATOR, ETCD

FILL_BY_HAND = "by hand, etcd's volumes can be filled as docs/by-hand.md says"
_ABORT = "Where a relocation was begun, `hcp-dr abort` puts the source back into service."
TOOLS = ("etcdctl", "etcdutl")
_BINARY = "/usr/bin/control-plane-operator"
EITHER = "either"
_CALLED = {**{f"{tool} snapshot restore": tool for tool in TOOLS}, "-x /usr/bin/etcdutl": EITHER}
"""As every etcd-init.sh has it, from hosted release 4.11 on, and nothing else in that binary: the tools that it calls,
and that it takes etcdutl where it is there."""
_READ_SCRIPT = " ".join(("LC_ALL=C grep -a -o", *(f"-e '{text}'" for text in _CALLED), _BINARY))
_SEARCHED = (0, 1)
"""How grep ends when it has read the file: found, not found."""
_ASK_TOOLS = "; ".join(
    f"if [ -x /usr/bin/{tool} ]; then echo has {tool}; "
    f"if ETCDCTL_API=3 /usr/bin/{tool} snapshot restore --help 2>&1 | grep -q -e --data-dir; "
    f"then echo can {tool}; fi; fi"
    for tool in TOOLS
)
"""etcdctl 3.6 answers with the help of what it still can."""


def remembered(memory: RunState) -> RestoreProbe | None:
    """None where nothing is remembered, or nothing that this version understands: then the source was not probed."""
    try:
        return memory.get(ETCD_RESTORE)
    except NotOurs:
        return None


@dataclass(frozen=True, slots=True)
class Etcd:
    """What is to be restored, and what was seen of it; None where nobody looked."""

    hosted_cluster: Object
    looked: RestoreProbe | None

    @property
    def checks(self) -> tuple[Check, ...]:
        return checks(self.hosted_cluster, self.looked)

    @property
    def refusal(self) -> NotRestorable | None:
        """Of what was found, all that stops, in one error; None where nothing does."""
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
"""As it is when it was found restorable; for foreseeing what comes after."""
NOT_LOOKED = Etcd({}, None)


def known(hosted_cluster: Object, source: Kubernetes, case: Case, memory: RunState, *, lost: bool) -> Etcd:
    """By what is remembered, or else by a look now, unless the source is lost."""
    looked = remembered(memory)
    if looked is None and not lost:
        _, looked = probe_restore(source, case)
    return Etcd(hosted_cluster, looked)


def checks(hosted_cluster: Object, looked: RestoreProbe | None) -> tuple[Check, ...]:
    """Of a HostedCluster as it is to be restored, and of what was seen of it on the source; None where nobody looked.
    None of them can be accepted."""
    if dig(hosted_cluster, "spec", "etcd", "managementType") == "Unmanaged":
        return (
            Check(
                "etcd_members",
                "blocked",
                "etcd is not managed by HyperShift (spec.etcd.managementType is Unmanaged)",
                "its data is where its owner keeps it, and no snapshot of it is restored with the control plane",
                "none here: such a hosted cluster is moved by pointing a new one at the same etcd",
            ),
        )
    return (
        _members(hosted_cluster, looked),
        _shards(hosted_cluster, looked),
        _tool(control_plane_images(hosted_cluster), looked),
    )


def _members(hosted_cluster: Object, looked: RestoreProbe | None) -> Check:
    """As many as are asked for, or as there were: HyperShift makes three unless it is told otherwise."""
    asked = 1 if dig(hosted_cluster, "spec", "controllerAvailabilityPolicy") == "SingleReplica" else 3
    members = max(asked, looked.members if looked else 0)
    if members == 1:
        return Check("etcd_members", "ok", "etcd has 1 member")
    return Check(
        "etcd_members",
        "blocked",
        f"etcd has {members} members",
        "a restore URL restores each by itself, and they become clusters of their own, which take different writes",
        f"no command of hcp-dr restores it; {FILL_BY_HAND}",
    )


def _shards(hosted_cluster: Object, looked: RestoreProbe | None) -> Check:
    asked = [str(each.get("name", "?")) for each in dig(hosted_cluster, "spec", "etcd", "managed", "shards") or ()]
    shards = [*dict.fromkeys((*asked, *(looked.shards if looked else ())))]
    if not shards:
        return Check("etcd_shards", "ok", "etcd has no shards")
    return Check(
        "etcd_shards",
        "blocked",
        f"etcd has shards: {', '.join(shards)}",
        "what is in a shard is in no snapshot of etcd, and would be lost without a word",
        "no command of hcp-dr restores it, and no URL of HyperShift's does",
    )


def _tool(release: str, looked: RestoreProbe | None) -> Check:
    name, why = "etcd_restore", "etcd would never come up there, and that shows after the point of no return"
    if looked is None:
        seen = "it is not known which tool etcd-init calls, nor whether etcd's image has it"
        todo = f"make a new backup while the source answers, which looks; where it does not any more: {FILL_BY_HAND}"
        return Check(name, "unknown", seen, why, todo)
    if looked.release != release:
        seen = f"etcd-init and etcd were looked at in {looked.release or 'no release'}, and {release} would restore"
        return Check(
            name,
            "unknown",
            seen,
            why,
            f"make a new backup while the source answers; where it does not any more: {FILL_BY_HAND}",
        )
    called, tools = looked.called, looked.tools
    if called is None and tools is not None and set(TOOLS) <= {*looked.restoring}:
        return Check(name, "ok", f"{' and '.join(TOOLS)} of etcd's image both restore")
    if called is None or tools is None:
        todo = f"bring {CONTROL_PLANE_OPERATOR} and etcd up on the source, and look again; "
        todo += f"where that cannot be: {FILL_BY_HAND}"
        return Check(name, "unknown", f"it was not seen whether etcd-init restores: {looked.unseen}", why, todo)
    needed = [tool for tool in TOOLS if tool in called]
    if len(needed) > 1 and EITHER in called:
        needed = ["etcdutl" if "etcdutl" in tools else "etcdctl"]
    if needed and set(needed) <= {*looked.restoring}:
        return Check(name, "ok", f"etcd-init calls {' or '.join(needed)}, which restores in etcd's image")
    if len(needed) != 1:
        seen = f"{_BINARY} has no etcd-init that is known here"
        return Check(name, "unknown", seen, why, f"look at its etcd-init.sh; {FILL_BY_HAND}")
    [tool] = needed
    lacks = "does not restore any more" if tool in tools else "is not there"
    seen = f"etcd-init calls {tool} snapshot restore, and {tool} {lacks} in etcd's image"
    todo = f"upgrade the hosted cluster to a release whose etcd-init fits its etcd, and look again; {FILL_BY_HAND}"
    return Check(name, "blocked", seen, why, todo)


def probe_restore(cluster: Kubernetes, case: Case) -> tuple[Object, RestoreProbe]:
    """The source's HostedCluster, and what is seen now. It only reads: objects, and two commands in pods."""
    hosted_cluster = cluster.get(HOSTED_CLUSTER, case.name, case.namespace)
    namespace = case.control_plane_namespace
    sets = {name_of(item): item for item in cluster.list(STATEFUL_SET, namespace).items}
    pods = [pod for pod in cluster.list(POD, namespace).items if is_ready_pod(pod)]
    upgrading = upgrade(hosted_cluster)
    if upgrading:
        called, answer, unseen = None, None, f"the control plane is being upgraded from {upgrading}"
    else:
        called = _called(cluster, namespace, pods)
        answer = _tools(cluster, namespace, sets.get(ETCD), pods)
        unseen = "" if called is not None else f"no Ready pod shows what is in the image of {CONTROL_PLANE_OPERATOR}"
        unseen = unseen if answer is not None else "no Ready pod of etcd shows what is in its image"
    return hosted_cluster, RestoreProbe(
        release=control_plane_images(hosted_cluster),
        members=int(dig(sets.get(ETCD), "spec", "replicas") or 0),
        shards=_shards_there(sets, cluster.list(CONFIG_MAP, namespace).items),
        called=called,
        tools=None if answer is None else tuple(tool for tool in TOOLS if f"has {tool}" in answer),
        restoring=tuple(tool for tool in TOOLS if f"can {tool}" in (answer or ())),
        unseen=unseen,
    )


def _shards_there(sets: Mapping[str, Object], config_maps: Iterable[Object]) -> tuple[str, ...]:
    """StatefulSets beside etcd's own, and what the API server is told to keep elsewhere."""
    found = [name for name in sorted(sets) if name.startswith("etcd-")]
    for config in (item for item in config_maps if name_of(item) == "kas-config"):
        with suppress(ValueError):
            arguments = json.loads((config.get("data") or {}).get("config.json", "{}"))
            overrides = dig(arguments, "apiServerArguments", "etcd-servers-overrides") or ()
            found += [f"etcd-servers-overrides {each}" for each in overrides]
    return tuple(found)


def _called(cluster: Kubernetes, namespace: str, pods: Iterable[Object]) -> tuple[str, ...] | None:
    """Other components run the same image, so that a control plane that is fenced by hand can still be asked."""
    deployments = cluster.list(DEPLOYMENT, namespace).items
    template = next((item for item in deployments if name_of(item) == CONTROL_PLANE_OPERATOR), None)
    image = _image(dig(template, "spec", "template"), CONTROL_PLANE_OPERATOR)
    for pod, container in _running(pods, image):
        code, lines = _asked(cluster, (namespace, pod, container), _READ_SCRIPT)
        if code in _SEARCHED:
            return tuple(word for text, word in _CALLED.items() if text in lines)
    return None


def _tools(cluster: Kubernetes, namespace: str, etcd: Object | None, pods: Iterable[Object]) -> tuple[str, ...] | None:
    """What etcd's image says of its tools, in lines."""
    mine = pods_of(etcd, pods) if etcd else ()
    image = _image(dig(etcd, "spec", "template"), ETCD)
    for pod, container in _running(mine, image):
        code, lines = _asked(cluster, (namespace, pod, container), _ASK_TOOLS)
        if code == 0:
            return lines
    return None


def _image(template: Object | None, container: str) -> str:
    containers = dig(template, "spec", "containers") or ()
    return next((str(each.get("image", "")) for each in containers if each.get("name") == container), "")


def _running(pods: Iterable[Object], image: str) -> Iterator[tuple[str, str]]:
    """Pods and containers of the image, which is that of the template: others are about to be replaced."""
    for pod in sorted(pods, key=name_of):
        for container in dig(pod, "spec", "containers") or ():
            if image and container.get("image") == image:
                yield name_of(pod), str(container["name"])


def _asked(cluster: Kubernetes, place: tuple[str, str, str], script: str) -> tuple[int | None, tuple[str, ...]]:
    """Its exit code and what it said; None where these credentials may not ask, or the pod is gone."""
    try:
        ended = cluster.execute(*place, ["/bin/bash", "-c", script])
    except (CommandFailed, Forbidden, NotFound):
        return None, ()
    lines = ended.stdout.decode(errors="replace").splitlines()
    return ended.exit_code, tuple(line.strip() for line in lines)
