"""Whose turn it is to stop the HyperShift operator of a management cluster: one Lease there, `default/hcp-dr.operator`.

A relocation stops the operator of its source, an abort that of its destination, and both serve every hosted cluster
there. Of two at once, one would bring it back in the middle of the other's deletions, or remember as its replicas what
the other one made of them. So whoever is going to stop it claims it first, and nobody scales it without.

Unlike the Lease of a hosted cluster it is not renewed and never expires: it is a relocation's, not a process's, and a
relocation that was killed has the operator stopped still. It is made only where there is none, and deleted by its uid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.lease_status import HOSTED_CLUSTER_ANNOTATION, NAMESPACE, SIDE_ANNOTATION, stamp
from hcp_dr.engine.peers import VARIABLES
from hcp_dr.engine.step import Check, Create, Decision, Delete, Do, Refuse, Wait
from hcp_dr.errors import RESUME, OperatorClaimed
from hcp_dr.hypershift import timeouts
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import LEASE
from hcp_dr.model import RELOCATION_ANNOTATION, Case, Ports, Side, Unknown
from hcp_dr.objects.reading import annotations_of, uid_of

LEASE_NAME = "hcp-dr.operator"
"""No hosted cluster's own Lease is called so: those begin with `hcp-dr-`."""
OBJECT = f"Lease {NAMESPACE}/{LEASE_NAME}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has claimed an operator: hosted cluster and backup id, and since when, as RFC 3339. `is_source` says that it
    leaves this management cluster; else it is called off there, which takes minutes."""

    who: str
    since: str
    uid: str
    is_source: bool = True

    @classmethod
    def of(cls, found: Object) -> Holder:
        spec = found.get("spec") or {}
        return cls(
            who=str(spec.get("holderIdentity") or "somebody who is not named"),
            since=str(spec.get("acquireTime") or "?"),
            uid=uid_of(found),
            is_source=annotations_of(found).get(SIDE_ANNOTATION) != "destination",
        )

    def __str__(self) -> str:
        return f"{self.who}, since {self.since}"


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim on the operator of one side, as relocation `me` of hosted cluster `hosted_cluster` sees it. `holder` is
    None where nobody has claimed it."""

    side: Side
    cluster: str
    hosted_cluster: str
    backup_id: str
    holder: Holder | None
    now: float = 0.0  # seconds since the epoch

    @property
    def me(self) -> str:
        return f"{self.hosted_cluster} backup {self.backup_id}"

    @property
    def is_ours(self) -> bool:
        return self.holder is not None and self.holder.who == self.me

    @property
    def other(self) -> Holder | None:
        return None if self.is_ours else self.holder

    def held(self) -> Claim:
        """As if it were ours. For foreseeing."""
        return self if self.is_ours else replace(self, holder=Holder(self.me, "", Unknown("uid of the Lease")))

    def take(self) -> Create:
        annotations = {
            HOSTED_CLUSTER_ANNOTATION: self.hosted_cluster,
            RELOCATION_ANNOTATION: self.backup_id,
            SIDE_ANNOTATION: self.side,
        }
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": LEASE_NAME, "namespace": NAMESPACE, "annotations": annotations},
            "spec": {"holderIdentity": self.me, "acquireTime": stamp(self.now)},
        }
        return Create(self.side, LEASE, body)

    def give_back(self) -> Do | None:
        """None where it is not ours."""
        if self.holder is None or not self.is_ours:
            return None
        return Do((Delete(self.side, LEASE, LEASE_NAME, NAMESPACE, self.holder.uid),))

    def needed(self, left: str) -> Decision | None:
        """The next round towards holding it, None where it is held. `left` says what is left as it is meanwhile."""
        if self.holder is None:
            return Do((self.take(),))
        return None if self.is_ours else self.refused(left)

    def awaited(self) -> Decision | None:
        """As `needed`, where a little patience may be enough."""
        if self.other is None:
            return self.needed("")
        until = f"nobody else has the HyperShift operator of the {self.side} stopped, or is about to"
        todo = (
            f"{waiting_for(self.side)} Then run {RESUME}. Until then the hosted API stays away, where it was "
            "fenced already."
        )
        return Wait(until, f"{OBJECT} there is held by {self.other}", timeouts.CLAIM_FREE.seconds, todo=todo)

    def refused(self, left: str) -> Refuse:
        return Refuse(
            OperatorClaimed(
                cluster=f"{self.cluster}, the {self.side},",
                object=OBJECT,
                holder=str(self.other),
                left=left,
                todo=f"{waiting_for(self.side)} Then run {RESUME}.",
            )
        )

    def describe(self) -> str:
        """Who may have scaled the operator, for an error about that: a sentence."""
        if self.holder is None:
            return f"Nobody holds {OBJECT} there, which this relocation made: somebody deleted it."
        if self.is_ours:
            return f"This relocation holds {OBJECT} there, so that whoever scaled the operator was not hcp-dr."
        return f"{OBJECT} there is held by {self.holder}."


def waiting_for(side: Side) -> str:
    """What to do where another relocation holds the claim: a paragraph."""
    return (
        "Wait until that one has ended: `hcp-dr status` with its settings says where it is. Where nobody is at work on "
        "it, bring it to its end with `hcp-dr resume` or `hcp-dr abort` there. Only where it is truly no more, and the "
        "operator has the replicas that it should have: "
        f'`kubectl --kubeconfig "${VARIABLES[side]}" delete lease -n {NAMESPACE} {LEASE_NAME}`.'
    )


def at_zero(claim: Claim) -> Check:
    """Told at the end, where the operator had no replicas before hcp-dr came to stop it, and got none."""
    return Check(
        f"operator.{claim.side}",
        "warning",
        f"the HyperShift operator of {claim.cluster} stands at zero replicas, as hcp-dr found it",
        "no hosted cluster there is reconciled",
        "find out who stopped it, and why; bring it back with "
        f'`kubectl --kubeconfig "${VARIABLES[claim.side]}" scale deployment operator -n hypershift --replicas 1`',
    )


def holder_on(cluster: Kubernetes) -> Holder | None:
    """Who has claimed the operator of this management cluster, None where nobody has."""
    found = cluster.find(LEASE, LEASE_NAME, NAMESPACE)
    return None if found is None else Holder.of(found)


def read_claim(ports: Ports, case: Case, side: Side) -> Claim:
    return Claim(
        side=side,
        cluster=case.source if side == "source" else case.destination,
        hosted_cluster=f"{case.namespace}/{case.name}",
        backup_id=case.backup_id,
        holder=holder_on(ports.cluster(side)),
        now=ports.now(),
    )
