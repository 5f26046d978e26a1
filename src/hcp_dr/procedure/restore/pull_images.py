"""Has the destination's nodes pull the images of the control plane while the hosted API still serves (rule D): where
they never were it takes minutes, and an image that nobody there can pull is found before the fence, not behind it.

The pods that do it are made, awaited, remembered and deleted. An image that is on some node and not on all is no reason
to stop: after a while it goes on, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Check, Create, Decision, Delete, Do, Done, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import RESUME, NotOurs
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.images import prepull
from hcp_dr.hypershift.images.prepull import PullPod, Wanted, body, pod_name, pull_pod
from hcp_dr.hypershift.state import PULLED, PULLING, PulledImages
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports, Unknown
from hcp_dr.objects.reading import name_of, some

LEFT_OUT = PulledImages(left_out=True)
"""Remembered as PULLED where somebody goes on without."""


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    namespace: str
    wanted: Wanted
    pods: tuple[PullPod, ...]
    now: float
    since: float | None = None  # remembered: when the last of them was made, in seconds since the epoch
    pulled: PulledImages | None = None  # remembered: images, nodes, what is lacking where and why, what withheld
    fenced: bool = False  # the hosted API is away

    def pod_of(self, node: str) -> PullPod | None:
        name = pod_name(node, self.wanted.images)
        return next((pod for pod in self.pods if pod.name == name), None)

    def has(self, node: str) -> tuple[str, ...]:
        pod = self.pod_of(node)
        return pod.pulled if pod is not None else ()

    @property
    def lacking(self) -> dict[str, tuple[str, ...]]:
        """Images by node."""
        found = {
            node: tuple(image for image in self.wanted.images if image not in self.has(node))
            for node in self.wanted.nodes
        }
        return {node: images for node, images in found.items() if images}

    @property
    def nowhere(self) -> tuple[str, ...]:
        lacking = [self.lacking.get(node, ()) for node in self.wanted.nodes]
        return tuple(image for image in self.wanted.images if all(image in images for images in lacking))

    @property
    def late(self) -> bool:
        return self.since is not None and self.now - self.since >= timeouts.IMAGES_PULLED.seconds

    def why(self, node: str, image: str) -> str:
        pod = self.pod_of(node)
        return "" if pod is None else pod.unpulled.get(image) or pod.says


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    """When the images are pulled, only at the pods that did it."""
    pulled, fenced = memory.get(PULLED), steps.BACKUP_FENCE in memory.acted
    wanted = prepull.find_images(ports, case) if pulled is None and not fenced else Wanted()
    facts = _look_at(ports, case, wanted)
    return replace(facts, since=memory.get(PULLING), pulled=pulled, fenced=fenced)


def _look_at(ports: Ports, case: Case, wanted: Wanted) -> Facts:
    pods = ports.destination.list(POD, case.control_plane_namespace).items
    return Facts(
        backup_id=case.backup_id,
        namespace=case.control_plane_namespace,
        wanted=wanted,
        pods=tuple(pull_pod(pod, wanted.images, case.backup_id) for pod in pods),
        now=ports.now(),
    )


def plan(facts: Facts) -> Decision:
    if facts.pulled is not None:
        return _clear_away(facts) or _describe(facts.pulled)
    if facts.fenced:
        return Done("the hosted API is away already: each kubelet pulls what it needs")
    if not facts.wanted.images:
        return Done("the control plane has no pod on the source whose images could be pulled")
    if not facts.wanted.nodes:
        seen = "none is Ready, schedulable, without disk pressure and open to them"
        return Wait(
            "a node of the destination takes the control plane's pods",
            seen,
            timeouts.IMAGES_PULLED.seconds,
            todo=_todo(facts),
        )
    foreign = next((pod for node in facts.wanted.nodes if (pod := facts.pod_of(node)) and not pod.ours), None)
    if foreign is not None:
        what = f"Pod {facts.namespace}/{foreign.name} of the destination was not made by this relocation."
        left = "It was not touched; the hosted API is not away."
        return Refuse(NotOurs(what=what, left=left, todo=f"Delete it if it may go, then run {RESUME}."))
    missing = tuple(
        Create("destination", POD, body(node, facts.wanted, facts.namespace, facts.backup_id))
        for node in facts.wanted.nodes
        if facts.pod_of(node) is None
    )
    if missing:
        return Do((PULLING.remember(facts.now), *missing))
    return _judge(facts)


def _judge(facts: Facts) -> Decision:
    lacking, wake = facts.lacking, WatchTarget("destination", POD, facts.namespace)
    dead = [pod for node in lacking if (pod := facts.pod_of(node)) is not None and pod.ended]
    if facts.nowhere:
        if facts.late and dead:  # a resume begins anew with what came to nothing
            return Do(_deletions(facts, dead))
        until = f"each of the {len(facts.wanted.images)} images of the control plane is on a node of the destination"
        return Wait(until, _seen(facts), timeouts.IMAGES_PULLED.seconds, wake, _todo(facts))
    if lacking and not facts.late and len(dead) < len(lacking):
        # Time is up by what is remembered; this limit only ends a wait whose nodes keep changing.
        return Wait(
            "every node that may take the control plane has them",
            _seen(facts),
            2 * timeouts.IMAGES_PULLED.seconds,
            wake,
            _todo(facts),
        )
    pulled = PulledImages(
        images=facts.wanted.images,
        nodes=facts.wanted.nodes,
        lacking={node: {image: facts.why(node, image) for image in images} for node, images in lacking.items()},
        withheld=facts.wanted.withheld,
    )
    return Do((PULLED.remember(pulled), *_deletions(facts, facts.pods)))


def _deletions(facts: Facts, pods: Iterable[PullPod]) -> tuple[Delete, ...]:
    return tuple(
        Delete("destination", POD, pod.name, facts.namespace, pod.uid) for pod in pods if pod.ours and not pod.deleting
    )


def _seen(facts: Facts) -> str:
    """First what nobody can pull."""
    nowhere = set(facts.nowhere)
    failing = {(node, image): facts.why(node, image) for node, images in facts.lacking.items() for image in images}
    hopeless = {image: (node, why) for (node, image), why in reversed(failing.items()) if image in nowhere and why}
    said = [f"no node has {image} ({node}: {why})" for image, (node, why) in hopeless.items()]
    said += [f"{node} lacks {image} ({why})" for (node, image), why in failing.items() if image not in nowhere and why]
    count = [f"{node} has {len(facts.has(node))} of {len(facts.wanted.images)} images" for node in facts.lacking]
    return "; ".join((*([some(said, 3)] if said else []), some(count, 3)))


def _todo(facts: Facts) -> str:
    secrets = f" or the pull secrets ({', '.join(facts.wanted.pull_secrets)})" if facts.wanted.pull_secrets else ""
    return (
        "The hosted API is not away. Mend the destination's nodes, their way to the registry"
        f"{secrets}, or load the image onto a node; where an image is not needed, scale to 0 on the source what uses "
        f"it. Then run {RESUME}: it waits again. Or call the relocation off with `hcp-dr abort`."
    )


def _clear_away(facts: Facts) -> Do | Wait | None:
    actions = _deletions(facts, facts.pods)
    if actions:
        return Do(actions)
    left = [pod.name for pod in facts.pods if pod.ours]
    wake = WatchTarget("destination", POD, facts.namespace)
    return (
        Wait(
            "the pods that pulled the images are gone",
            f"still there: {some(left)}",
            timeouts.PULL_PODS_GONE.seconds,
            wake,
        )
        if left
        else None
    )


def _describe(pulled: PulledImages) -> Done:
    if pulled.left_out:
        why = "each kubelet pulls what it needs while the hosted API is away; an image that cannot be had keeps it away"
        left_out = Check("images.left_out", "warning", "no image was pulled ahead, as --no-pull-images says", why)
        return Done("somebody goes on without pulling images ahead", (left_out,))
    images, nodes, lacking = pulled.images, pulled.nodes, pulled.lacking
    less = f"; {some(_lacks(lacking), 3)}" if lacking else ""
    return Done(f"{len(images)} images are on {len(nodes)} nodes of the destination{less}", _checks(pulled))


def _lacks(lacking: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"{node} lacks {image}{f' ({why})' if why else ''}"
        for node, images in lacking.items()
        for image, why in images.items()
    ]


def _checks(pulled: PulledImages) -> tuple[Check, ...]:
    lacks, withheld = _lacks(pulled.lacking), pulled.withheld
    checks = []
    if lacks:
        why = "a pod of the control plane that comes to such a node does not start before its image is there"
        todo = "mend that node's way to the registry, or cordon it"
        checks.append(Check("images.lacking", "warning", some(lacks), why, todo))
    if withheld:
        seen = f"not pulled ahead, because the source's nodes cannot pull them either: {some(withheld)}"
        why = "what needs them does not run on the source, and may not on the destination"
        checks.append(Check("images.withheld", "warning", seen, why, "see whether the control plane needs them"))
    return tuple(checks)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Wait):
        if facts.pulled is not None:
            return replace(facts, pods=())
        if not facts.wanted.nodes:
            return replace(facts, wanted=replace(facts.wanted, nodes=(Unknown("a node that takes pods"),)))
        return replace(facts, pods=tuple(replace(pod, pulled=facts.wanted.images) for pod in facts.pods))
    actions = decision.actions if isinstance(decision, Do) else ()
    pulled = PULLED.read({action.key: action.value for action in actions if isinstance(action, Remember)})
    gone = {action.name for action in actions if isinstance(action, Delete)}
    fresh = [name_of(action.body) for action in actions if isinstance(action, Create)]
    kept = [pod for pod in facts.pods if pod.name not in gone]
    pods = (*kept, *(PullPod(name, Unknown(f"uid of Pod {name}"), ours=True) for name in fresh))
    nodes = tuple(node for node in facts.wanted.nodes if pod_name(node, facts.wanted.images) not in gone)
    wanted = replace(facts.wanted, nodes=nodes)
    return replace(facts, wanted=wanted, pods=pods, pulled=pulled or facts.pulled)


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    return _look_at(ports, case, Wanted())


def revert(facts: Facts) -> Decision:
    return _clear_away(facts) or Done("no pod is left that was to pull images")


STEP = Step(
    name="restore.pull_images",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.IMAGES_PULLED,),
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
    fallback="To go on without pulling images ahead, at the cost of a longer absence of the hosted API: `hcp-dr resume "
    "--no-pull-images`.",
)
