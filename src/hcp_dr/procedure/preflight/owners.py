"""Who else writes these objects? Whoever lifts the pause between the fence and the teardown makes a second control
plane; whoever makes the HostedCluster anew on the source makes a second cluster (rule C3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, look_for, not_seen, read_one, verdict
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import APPLIED_MANIFEST_WORK, CRON_JOB, DEPLOYMENT, HOSTED_CLUSTER, KLUSTERLET, NODE_POOL
from hcp_dr.model import Case, Ports
from hcp_dr.objects.field_owners import writers
from hcp_dr.objects.reading import annotations_of, dig, labels_of, name_of, namespace_of, owner_kinds, some
from hcp_dr.objects.select import node_pools_of
from hcp_dr.upstream import ADDON, NOT_BY_ADDON, OADP_RECOVERY, OPERATOR, OPERATOR_NAMESPACE, PAUSED_BY

_APPLIERS = {
    "argocd.argoproj.io/": "Argo CD",
    "kustomize.toolkit.fluxcd.io/": "Flux",
    "helm.toolkit.fluxcd.io/": "Flux",
}
"""By what their labels and annotations begin with. They put back what they want, by themselves."""
_HINTS = {
    "app.kubernetes.io/instance": "Argo CD or Helm",
    "meta.helm.sh/release-name": "Helm",
}
_MANAGERS = {
    "argocd": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "work-agent": "ACM",
    "work": "ACM",
}
"""By what the name of a field manager is or, followed by a dash, begins with."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All in words, each with the object that it was seen on."""

    appliers: tuple[str, ...]  # who puts the HostedCluster or its NodePools back to what they want
    hints: tuple[str, ...]  # what may be a sign of such
    operator_appliers: tuple[str, ...]  # the same of the source's HyperShift operator
    addon: bool  # ACM's add-on looks after that operator
    works: tuple[str, ...] | None  # ACM's work that holds it; None where these credentials may not look
    appliers_of_pause: tuple[str, ...]  # who says each time what pausedUntil is
    writers_of_pause: tuple[str, ...]  # who wrote it, though nothing is paused
    writers: tuple[str, ...]  # who wrote the spec of the HostedCluster
    recovery: tuple[str, ...] | None  # jobs that lift pauses
    paused_by: str  # the mark of a backup that the HostedCluster bears
    klusterlets: tuple[str, ...] | None  # ACM's agents of the hosted cluster that run on the source


def marks_of(item: Object) -> tuple[str, ...]:
    """Signs that somebody applies this object again and again."""
    return tuple(f"{item['kind']} {name_of(item)}: {text}" for text in _marks(item))


def _marks(item: Object) -> Iterator[str]:
    for word, keys in (("label", labels_of(item)), ("annotation", annotations_of(item))):
        for key in sorted(keys):
            yield from (f"{word} {key} ({who})" for prefix, who in _APPLIERS.items() if key.startswith(prefix))
    for writer in writers(item, "spec"):
        known = (who for name, who in _MANAGERS.items() if f"{writer.manager}-".startswith(f"{name}-"))
        yield from (f"field manager {writer} ({who})" for who in list(known)[:1])
    if APPLIED_MANIFEST_WORK.kind in owner_kinds(item):
        yield f"owned by an {APPLIED_MANIFEST_WORK.kind} (ACM)"


def _hints(item: Object) -> Iterator[str]:
    said = {**labels_of(item), **annotations_of(item)}
    for key, who in _HINTS.items():
        if key in said:
            yield f"{item['kind']} {name_of(item)}: {key} {said[key]} ({who})"


def _holds(work: Object, items: Iterable[Object]) -> bool:
    plurals = {"HostedCluster": HOSTED_CLUSTER, "NodePool": NODE_POOL}
    wanted = {(plurals[i["kind"]].group, plurals[i["kind"]].plural, namespace_of(i), name_of(i)) for i in items}
    return any(
        (each.get("group"), each.get("resource"), each.get("namespace"), each.get("name")) in wanted
        for each in dig(work, "status", "appliedResources") or ()
    )


def _recovers(job: Object) -> bool:
    labels = dig(job, "spec", "jobTemplate", "spec", "template", "metadata", "labels") or {}
    return not dig(job, "spec", "suspend") and (OADP_RECOVERY in name_of(job) or labels.get("app") == OADP_RECOVERY)


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source = ports.source
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    pools = node_pools_of(hosted_cluster, source.list(NODE_POOL, case.namespace).items)
    items = (hosted_cluster, *pools)
    operator = source.find(DEPLOYMENT, OPERATOR, OPERATOR_NAMESPACE)
    works, jobs = look_for(source, APPLIED_MANIFEST_WORK), look_for(source, CRON_JOB)
    klusterlets = look_for(source, KLUSTERLET)
    of_pause = [
        (w, f"{item['kind']} {name_of(item)} by {w}") for item in items for w in writers(item, "spec", "pausedUntil")
    ]
    return Facts(
        appliers=tuple(text for item in items for text in marks_of(item)),
        hints=tuple(text for item in items for text in _hints(item)),
        operator_appliers=marks_of(operator) if operator else (),
        addon=operator is not None
        and annotations_of(operator).get(NOT_BY_ADDON) != "true"
        and read_one(source, DEPLOYMENT, *ADDON) is not None,
        works=None if works is None else tuple(name_of(work) for work in works if _holds(work, items)),
        appliers_of_pause=tuple(text for writer, text in of_pause if writer.operation == "Apply"),
        writers_of_pause=tuple(text for writer, text in of_pause if writer.operation != "Apply"),
        writers=tuple(str(writer) for writer in writers(hosted_cluster, "spec")),
        recovery=None if jobs is None else tuple(f"{namespace_of(j)}/{name_of(j)}" for j in jobs if _recovers(j)),
        paused_by=annotations_of(hosted_cluster).get(PAUSED_BY, ""),
        klusterlets=None
        if klusterlets is None
        else tuple(name_of(k) for k in klusterlets if dig(k, "spec", "clusterName") == case.name),
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (
        bad_if(
            facts.appliers,
            "owners.gitops",
            f"applied by somebody again and again: {'; '.join(facts.appliers) or 'nothing'}",
            "whoever puts the objects back lifts the pause, so that two control planes write, and makes the "
            "HostedCluster anew on the source when it has moved",
            "suspend the Application, Kustomization, HelmRelease or ManifestWork for both management clusters and "
            "accept this, or hand the objects over; let it apply them to the destination afterwards",
            acceptable=True,
        ),
        _works(facts),
        _pause(facts),
        _recovery(facts),
        _operator(facts),
        bad_if(
            facts.hints,
            "owners.signs",
            f"signs of a tool that may apply them again: {'; '.join(facts.hints) or 'none'}",
            "such a label is Argo CD's, or only what a chart once wrote",
            "find out whether somebody would apply these objects again, and suspend it until the relocation has ended",
            verdict="warning",
        ),
        _klusterlets(facts),
        Check(
            "owners.writers", "ok", f"the HostedCluster's spec was written by {some(facts.writers) or 'nobody told'}"
        ),
    )


def _works(facts: Facts) -> Check:
    name, why = "owners.works", "ACM's agent puts back what a ManifestWork says, the pause and the HostedCluster alike"
    if facts.works is None:
        return not_seen(name, "appliedmanifestworks", why)
    return bad_if(
        facts.works,
        name,
        f"ACM's AppliedManifestWorks that hold it: {', '.join(facts.works) or 'none'}",
        why,
        "take the HostedCluster and its NodePools out of the ManifestWork on the hub with deleteOption Orphan, and "
        "accept this when the work no longer applies them",
        acceptable=True,
    )


def _pause(facts: Facts) -> Check:
    """Who says pausedUntil with each apply undoes the pause with the next one; an old writer may be anybody."""
    if facts.appliers_of_pause:
        return Check(
            "owners.pause",
            "blocked",
            f"pausedUntil is applied: {'; '.join(facts.appliers_of_pause)}",
            "the next apply sets it back, and a lifted pause makes a second control plane",
            "take spec.pausedUntil out of what is applied, or stop the applying and accept this",
            acceptable=True,
        )
    return bad_if(
        facts.writers_of_pause,
        "owners.pause",
        f"pausedUntil was written before: {'; '.join(facts.writers_of_pause) or 'by nobody'}",
        "whoever paused and un-paused it once may do it again meanwhile",
        "find out who that is, and that it will not",
        verdict="warning",
    )


def _recovery(facts: Facts) -> Check:
    """It lifts the pause of those only that bear a backup's mark, which a backup may set at any time."""
    name, why = "owners.recovery", "it lifts the pause of a hosted cluster that bears the mark of a backup that ended"
    if facts.recovery is None:
        return not_seen(name, "cronjobs", why)
    bears = f"; the HostedCluster bears {PAUSED_BY}" if facts.paused_by else ""
    return bad_if(
        facts.recovery,
        name,
        f"jobs that lift pauses: {', '.join(facts.recovery) or 'none'}{bears if facts.recovery else ''}",
        why,
        "suspend it until the relocation has ended (spec.suspend true of the CronJob), or take the mark away and start "
        "no backup meanwhile",
        verdict="blocked" if facts.paused_by else "warning",
        acceptable=bool(facts.paused_by),
    )


def _operator(facts: Facts) -> Check:
    why = "whoever scales it up while its hosted cluster is half removed lets it terminate instances and wipe the "
    why += "OIDC documents of the live one (rule F2)"
    if facts.operator_appliers:
        return Check(
            "owners.operator",
            "blocked",
            f"the source's HyperShift operator is applied: {'; '.join(facts.operator_appliers)}",
            why,
            "suspend whoever applies it until the relocation has ended, and accept this",
            acceptable=True,
        )
    return bad_if(
        facts.addon,
        "owners.operator",
        f"the source's HyperShift operator is {'looked after by ACM' if facts.addon else 'applied by nobody'}",
        why,
        f"annotate Deployment {OPERATOR_NAMESPACE}/{OPERATOR} with {NOT_BY_ADDON}=true until the relocation has ended",
        verdict="warning",
    )


def _klusterlets(facts: Facts) -> Check:
    name, why = "owners.klusterlet", "ACM's agent is not carried: the hub loses sight of the hosted cluster"
    if facts.klusterlets is None:
        return Check(name, "warning", "not looked at: klusterlets may not be listed", why, "look on the hub")
    return bad_if(
        facts.klusterlets,
        name,
        f"ACM's agents of the hosted cluster on the source: {', '.join(facts.klusterlets) or 'none'}",
        why,
        "import the hosted cluster again on the hub afterwards, with the destination as its hosting cluster",
        verdict="warning",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.owners", documented="-", observe=observe, plan=plan)
