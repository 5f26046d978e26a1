"""Pulls the images of the control plane on the destination's nodes while the hosted API still serves (rule D): a first
pull takes minutes, and an unavailable image is found before the fence, not after.

The step creates pods for the pull, waits for them, remembers the result and deletes the pods. An image on some nodes
only does not stop the relocation: after a while the step continues with a warning.
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
"""Remembered as PULLED if the engineer continues without a pull."""


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    namespace: str
    wanted: Wanted
    pods: tuple[PullPod, ...]
    now: float
    since: float | None = None  # remembered: the creation time of the last pod, in seconds since the epoch
    pulled: PulledImages | None = (
        None  # remembered: images, nodes, lacking images by node with a reason, withheld images
    )
    fenced: bool = False  # the hosted API is unavailable

    def pod_of(self, node: str) -> PullPod | None:
        name = pod_name(node, self.wanted.images)
        return next((pod for pod in self.pods if pod.name == name), None)

    def has(self, node: str) -> tuple[str, ...]:
        pod = self.pod_of(node)
        return pod.pulled if pod is not None else ()

    @property
    def lacking(self) -> dict[str, tuple[str, ...]]:
        """Images by node."""
        lacking = {
            node: tuple(image for image in self.wanted.images if image not in self.has(node))
            for node in self.wanted.nodes
        }
        return {node: images for node, images in lacking.items() if images}

    @property
    def on_no_node(self) -> tuple[str, ...]:
        lacking = [self.lacking.get(node, ()) for node in self.wanted.nodes]
        return tuple(image for image in self.wanted.images if all(image in images for images in lacking))

    @property
    def late(self) -> bool:
        return self.since is not None and self.now - self.since >= timeouts.IMAGES_PULLED.seconds

    def why(self, node: str, image: str) -> str:
        pod = self.pod_of(node)
        return "" if pod is None else pod.unpulled.get(image) or pod.says


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    """After the pull, reads only the pods."""
    pulled, fenced = memory.get(PULLED), steps.BACKUP_FENCE in memory.acted
    wanted = prepull.find_images(ports, case) if pulled is None and not fenced else Wanted()
    facts = _read_pods(ports, case, wanted)
    return replace(facts, since=memory.get(PULLING), pulled=pulled, fenced=fenced)


def _read_pods(ports: Ports, case: Case, wanted: Wanted) -> Facts:
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
        return _delete_pods(facts) or _describe_result(facts.pulled)
    if facts.fenced:
        return Done("the hosted API is unavailable already: kubelets pull the images")
    if not facts.wanted.images:
        return Done("the control plane has no pods on the source, and no images to pull")
    if not facts.wanted.nodes:
        seen = "no node is Ready, schedulable, without disk pressure and eligible for the pods"
        return Wait(
            "a node of the destination takes the control plane's pods",
            seen,
            timeouts.IMAGES_PULLED.seconds,
            todo=_describe_remedy(facts),
        )
    foreign = next((pod for node in facts.wanted.nodes if (pod := facts.pod_of(node)) and not pod.ours), None)
    if foreign is not None:
        what = f"Pod {facts.namespace}/{foreign.name} on the destination was not created by this relocation."
        left = "The pod was not touched; the hosted API still serves."
        return Refuse(NotOurs(what=what, left=left, todo=f"Delete the pod if possible, then run {RESUME}."))
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
    ended = [pod for node in lacking if (pod := facts.pod_of(node)) is not None and pod.ended]
    if facts.on_no_node:
        if facts.late and ended:  # a resume starts again with new pods
            return Do(_deletions(facts, ended))
        until = f"each of the {len(facts.wanted.images)} images of the control plane is on a node of the destination"
        return Wait(until, _describe_progress(facts), timeouts.IMAGES_PULLED.seconds, wake, _describe_remedy(facts))
    if lacking and not facts.late and len(ended) < len(lacking):
        # The remembered start time ends the wait; this limit only ends a wait with changing nodes.
        return Wait(
            "every eligible node has the images of the control plane",
            _describe_progress(facts),
            2 * timeouts.IMAGES_PULLED.seconds,
            wake,
            _describe_remedy(facts),
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


def _describe_progress(facts: Facts) -> str:
    """Begins with images that no node could pull."""
    on_no_node = set(facts.on_no_node)
    failing = {(node, image): facts.why(node, image) for node, images in facts.lacking.items() for image in images}
    hopeless = {image: (node, why) for (node, image), why in reversed(failing.items()) if image in on_no_node and why}
    failures = [f"no node has {image} ({node}: {why})" for image, (node, why) in hopeless.items()]
    failures += [
        f"{node} lacks {image} ({why})" for (node, image), why in failing.items() if image not in on_no_node and why
    ]
    counts = [f"{node} has {len(facts.has(node))} of {len(facts.wanted.images)} images" for node in facts.lacking]
    return "; ".join((*([some(failures, 3)] if failures else []), some(counts, 3)))


def _describe_remedy(facts: Facts) -> str:
    secrets = f" or the pull secrets ({', '.join(facts.wanted.pull_secrets)})" if facts.wanted.pull_secrets else ""
    return (
        "The hosted API still serves. Fix the destination's nodes, the connection to the registry"
        f"{secrets}, or load the image onto a node; if an image is not needed, scale its workload on the source to 0. "
        f"Then run {RESUME} to wait again, or abort the relocation with `hcp-dr abort`."
    )


def _delete_pods(facts: Facts) -> Do | Wait | None:
    actions = _deletions(facts, facts.pods)
    if actions:
        return Do(actions)
    remaining = [pod.name for pod in facts.pods if pod.ours]
    wake = WatchTarget("destination", POD, facts.namespace)
    return (
        Wait(
            "the pods that pulled the images are gone",
            f"not deleted yet: {some(remaining)}",
            timeouts.PULL_PODS_GONE.seconds,
            wake,
        )
        if remaining
        else None
    )


def _describe_result(pulled: PulledImages) -> Done:
    if pulled.left_out:
        why = "kubelets pull the images while the hosted API is unavailable; a missing image keeps the API unavailable"
        left_out = Check(
            "images.left_out", "warning", "no image was pulled in advance, because of --no-pull-images", why
        )
        return Done("continued without pulling images in advance", (left_out,))
    images, nodes, lacking = pulled.images, pulled.nodes, pulled.lacking
    exceptions = f"; {some(_describe_lacking(lacking), 3)}" if lacking else ""
    return Done(f"{len(images)} images are on {len(nodes)} nodes of the destination{exceptions}", _make_checks(pulled))


def _describe_lacking(lacking: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"{node} lacks {image}{f' ({why})' if why else ''}"
        for node, images in lacking.items()
        for image, why in images.items()
    ]


def _make_checks(pulled: PulledImages) -> tuple[Check, ...]:
    lacking, withheld = _describe_lacking(pulled.lacking), pulled.withheld
    checks = []
    if lacking:
        why = "a pod of the control plane does not start on such a node before the image is there"
        todo = "fix the node's connection to the registry, or cordon the node"
        checks.append(Check("images.lacking", "warning", some(lacking), why, todo))
    if withheld:
        seen = f"not pulled in advance, because the source's nodes cannot pull the images either: {some(withheld)}"
        why = "the workloads with these images do not run on the source, and may not run on the destination"
        todo = "check whether the control plane needs these images"
        checks.append(Check("images.withheld", "warning", seen, why, todo))
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
    deleted = {action.name for action in actions if isinstance(action, Delete)}
    created = [name_of(action.body) for action in actions if isinstance(action, Create)]
    kept = [pod for pod in facts.pods if pod.name not in deleted]
    pods = (*kept, *(PullPod(name, Unknown(f"uid of Pod {name}"), ours=True) for name in created))
    nodes = tuple(node for node in facts.wanted.nodes if pod_name(node, facts.wanted.images) not in deleted)
    wanted = replace(facts.wanted, nodes=nodes)
    return replace(facts, wanted=wanted, pods=pods, pulled=pulled or facts.pulled)


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    return _read_pods(ports, case, Wanted())


def revert(facts: Facts) -> Decision:
    return _delete_pods(facts) or Done("all pods for pulling images are gone")


STEP = Step(
    name="restore.pull_images",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.IMAGES_PULLED,),
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
    fallback="To continue without pulling images in advance, with a longer downtime of the hosted API: `hcp-dr resume "
    "--no-pull-images`.",
)
