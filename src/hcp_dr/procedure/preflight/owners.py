"""Which other clients write these objects? A client that lifts the pause between the fence and the teardown creates a
second control plane; a client that creates the HostedCluster again on the source creates a second cluster (rule
C3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, look_for, not_seen, read_one, verdict
from hcp_dr.kube.port import FIELD_MANAGER, Object
from hcp_dr.kube.resources import APPLIED_MANIFEST_WORK, CRON_JOB, DEPLOYMENT, HOSTED_CLUSTER, KLUSTERLET, NODE_POOL
from hcp_dr.model import Case, Ports
from hcp_dr.objects.field_owners import Writer, appliers, writers
from hcp_dr.objects.reading import annotations_of, dig, labels_of, name_of, namespace_of, some
from hcp_dr.objects.select import node_pools_of
from hcp_dr.upstream import (
    ADDON,
    CLI_MANAGERS,
    CONTROLLER_MANAGERS,
    NOT_BY_ADDON,
    OADP_RECOVERY,
    OPERATOR,
    OPERATOR_NAMESPACE,
    PAUSED_BY,
)

_APPLIERS = {
    "argocd.argoproj.io/": "Argo CD",
    "kustomize.toolkit.fluxcd.io/": "Flux",
    "helm.toolkit.fluxcd.io/": "Flux",
}
"""Tools by the prefix of their labels and annotations. These tools restore the desired state without a user."""
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
"""Tools by the name of their field manager, or by the prefix of the name before a dash."""
_USUAL_MANAGERS = (
    *CLI_MANAGERS,
    *CONTROLLER_MANAGERS,
    FIELD_MANAGER,
    "hcp",
    "oc",
    "Mozilla",
    "velero",
    "velero-server",
)
"""Field managers of engineers, of a restore, and of controllers that do not restore the objects; besides kubectl's."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Descriptions, with the object of each finding."""

    appliers: tuple[str, ...]  # tools that restore the HostedCluster or the NodePools to a desired state
    hints: tuple[str, ...]  # possible signs of such a tool
    operator_appliers: tuple[str, ...]  # tools that restore the source's HyperShift operator
    addon: bool  # ACM's add-on manages the operator
    works: tuple[str, ...] | None  # ACM's works with the HostedCluster; None without permission to list works
    appliers_of_pause: tuple[str, ...]  # clients that set pausedUntil with each apply
    writers_of_pause: tuple[str, ...]  # clients that wrote pausedUntil, though nothing is paused
    writers: tuple[str, ...]  # clients that wrote the spec of the HostedCluster
    recovery: tuple[str, ...] | None  # jobs that lift pauses
    paused_by: str  # a backup's mark on the HostedCluster
    klusterlets: tuple[str, ...] | None  # ACM's agents of the hosted cluster on the source


def describe_appliers(item: Object) -> tuple[str, ...]:
    """Signs of a tool that applies this object repeatedly."""
    return tuple(f"{item['kind']} {name_of(item)}: {text}" for text in _find_marks(item))


def _find_marks(item: Object) -> Iterator[str]:
    for word, keys in (("label", labels_of(item)), ("annotation", annotations_of(item))):
        for key in sorted(keys):
            yield from (f"{word} {key} ({tool})" for prefix, tool in _APPLIERS.items() if key.startswith(prefix))
    yield from _find_owners(item)
    applying = [writer for writer in appliers(item) if writer.manager not in CLI_MANAGERS]
    for writer in dict.fromkeys((*applying, *writers(item, "spec"))):
        tool = next((tool for name, tool in _MANAGERS.items() if _is_called(writer, name)), "")
        unusual = writer.manager not in _USUAL_MANAGERS and not _is_called(writer, "kubectl")
        if tool or unusual or writer in applying:
            yield f"field manager {writer} ({tool or writer.operation})"


def _is_called(writer: Writer, name: str) -> bool:
    return f"{writer.manager}-".startswith(f"{name}-")


def _find_owners(item: Object) -> Iterator[str]:
    """An owner of any kind creates the object again, or deletes it. The HostedCluster owns its NodePools."""
    for owner in item["metadata"].get("ownerReferences") or ():
        group, kind = str(owner.get("apiVersion", "")).rpartition("/")[0], owner.get("kind")
        if (item["kind"], kind, group) != (NODE_POOL.kind, HOSTED_CLUSTER.kind, HOSTED_CLUSTER.group):
            acm = " (ACM)" if kind == APPLIED_MANIFEST_WORK.kind else f" of {group}" if group else ""
            yield f"{'controlled' if owner.get('controller') else 'owned'} by {kind} {owner.get('name')}{acm}"


def _find_hints(item: Object) -> Iterator[str]:
    metadata = {**labels_of(item), **annotations_of(item)}
    for key, tool in _HINTS.items():
        if key in metadata:
            yield f"{item['kind']} {name_of(item)}: {key} {metadata[key]} ({tool})"


def _contains_any(work: Object, items: Iterable[Object]) -> bool:
    plurals = {"HostedCluster": HOSTED_CLUSTER, "NodePool": NODE_POOL}
    wanted = {(plurals[i["kind"]].group, plurals[i["kind"]].plural, namespace_of(i), name_of(i)) for i in items}
    return any(
        (each.get("group"), each.get("resource"), each.get("namespace"), each.get("name")) in wanted
        for each in dig(work, "status", "appliedResources") or ()
    )


def _lifts_pauses(job: Object) -> bool:
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
        appliers=tuple(text for item in items for text in describe_appliers(item)),
        hints=tuple(text for item in items for text in _find_hints(item)),
        operator_appliers=describe_appliers(operator) if operator else (),
        addon=operator is not None
        and annotations_of(operator).get(NOT_BY_ADDON) != "true"
        and read_one(source, DEPLOYMENT, *ADDON) is not None,
        works=None if works is None else tuple(name_of(work) for work in works if _contains_any(work, items)),
        appliers_of_pause=tuple(text for writer, text in of_pause if writer.operation == "Apply"),
        writers_of_pause=tuple(text for writer, text in of_pause if writer.operation != "Apply"),
        writers=tuple(str(writer) for writer in writers(hosted_cluster, "spec")),
        recovery=None if jobs is None else tuple(f"{namespace_of(j)}/{name_of(j)}" for j in jobs if _lifts_pauses(j)),
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
            f"applied repeatedly, or owned: {'; '.join(facts.appliers) or 'nothing'}",
            "a tool that restores the objects lifts the pause, so that two control planes write, and creates the "
            "HostedCluster again on the source after the relocation",
            "suspend the owner or the tool (Application, Kustomization, HelmRelease, ManifestWork) for both management "
            "clusters and accept this check, or remove the objects from the tool; afterwards have the tool apply the "
            "objects to the destination",
            acceptable=True,
        ),
        _check_works(facts),
        _check_pause(facts),
        _check_recovery(facts),
        _check_operator(facts),
        bad_if(
            facts.hints,
            "owners.signs",
            f"signs of a tool that may apply the objects again: {'; '.join(facts.hints) or 'none'}",
            "such a label comes from Argo CD, or only from an earlier installation of a chart",
            "find out whether a tool would apply these objects again, and suspend the tool until the relocation has "
            "ended",
            verdict="warning",
        ),
        _check_klusterlets(facts),
        Check(
            "owners.writers",
            "ok",
            f"the HostedCluster's spec was written by {some(facts.writers) or 'no recorded field manager'}",
        ),
    )


def _check_works(facts: Facts) -> Check:
    name, why = (
        "owners.works",
        "ACM's agent restores the content of a ManifestWork, both the pause and the HostedCluster",
    )
    if facts.works is None:
        return not_seen(name, "appliedmanifestworks", why)
    return bad_if(
        facts.works,
        name,
        f"ACM's AppliedManifestWorks with the HostedCluster or a NodePool: {', '.join(facts.works) or 'none'}",
        why,
        "take the HostedCluster and the NodePools out of the ManifestWork on the hub with deleteOption Orphan, and "
        "accept this check when the work no longer applies these objects",
        acceptable=True,
    )


def _check_pause(facts: Facts) -> Check:
    """A client that applies pausedUntil undoes the pause with the next apply; an old writer may be any client."""
    if facts.appliers_of_pause:
        return Check(
            "owners.pause",
            "blocked",
            f"pausedUntil is applied: {'; '.join(facts.appliers_of_pause)}",
            "the next apply resets pausedUntil, and a lifted pause creates a second control plane",
            "take spec.pausedUntil out of the applied manifests, or stop the tool and accept this check",
            acceptable=True,
        )
    return bad_if(
        facts.writers_of_pause,
        "owners.pause",
        f"pausedUntil was written before: {'; '.join(facts.writers_of_pause) or 'by no client'}",
        "a client that has paused and un-paused the object may do so again during the relocation",
        "find this client, and make sure that pausedUntil stays unchanged until the relocation has ended",
        verdict="warning",
    )


def _check_recovery(facts: Facts) -> Check:
    """The job lifts only the pause of hosted clusters with a backup's mark; a backup may set the mark at any time."""
    name, why = "owners.recovery", "the job lifts the pause of a hosted cluster with the mark of an ended backup"
    if facts.recovery is None:
        return not_seen(name, "cronjobs", why)
    mark = f"; the HostedCluster has annotation {PAUSED_BY}" if facts.paused_by else ""
    return bad_if(
        facts.recovery,
        name,
        f"jobs that lift pauses: {', '.join(facts.recovery) or 'none'}{mark if facts.recovery else ''}",
        why,
        "suspend the CronJob until the relocation has ended (spec.suspend true), or remove the annotation and start "
        "no backup until then",
        verdict="blocked" if facts.paused_by else "warning",
        acceptable=bool(facts.paused_by),
    )


def _check_operator(facts: Facts) -> Check:
    why = "an operator that starts while the hosted cluster is half removed terminates instances and deletes the OIDC "
    why += "documents of the live hosted cluster (rule F2)"
    if facts.operator_appliers:
        return Check(
            "owners.operator",
            "blocked",
            f"the source's HyperShift operator is applied: {'; '.join(facts.operator_appliers)}",
            why,
            "suspend the tool that applies the operator until the relocation has ended, and accept this check",
            acceptable=True,
        )
    return bad_if(
        facts.addon,
        "owners.operator",
        f"the source's HyperShift operator is {'managed by ACM' if facts.addon else 'not applied by a known tool'}",
        why,
        f"annotate Deployment {OPERATOR_NAMESPACE}/{OPERATOR} with {NOT_BY_ADDON}=true until the relocation has ended",
        verdict="warning",
    )


def _check_klusterlets(facts: Facts) -> Check:
    name, why = "owners.klusterlet", "ACM's agent is not carried: the hub loses the connection to the hosted cluster"
    if facts.klusterlets is None:
        return Check(name, "warning", "not checked: no permission to list klusterlets", why, "check on the hub")
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


def _tell(facts: Facts) -> Decision:
    return verdict(replace(c, verdict="warning") if c.stops else c for c in checks(facts) if c.name != "owners.pause")


STEP = Step(name="preflight.owners", documented="-", observe=observe, plan=plan)
TOLD = replace(STEP, plan=_tell)
"""For a hosted cluster fenced and paused by hand, whose API is unavailable already: a refusal would gain nothing."""
