"""The right to stop the HyperShift operator of a management cluster: one Lease there, `default/hcp-dr.operator`.

A relocation stops the operator of its source, an abort that of its destination, and each operator serves every hosted
cluster there. Of two concurrent relocations, one would start the operator during the deletions of the other, or
remember the replicas set by the other. So a relocation claims the operator before it stops or scales it.

Unlike the Lease of a hosted cluster a claim is not renewed and never expires: it belongs to a relocation, not to a
process, and after a killed relocation the operator is still stopped. It is created only if there is none, and deleted
by its uid.
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
"""The Lease of a hosted cluster never has this name: those names begin with `hcp-dr-`."""
OBJECT = f"Lease {NAMESPACE}/{LEASE_NAME}"


@dataclass(frozen=True, slots=True)
class Holder:
    """The owner of a claim: hosted cluster and backup id, and since when, as RFC 3339. `is_source`: it leaves this
    management cluster; else its relocation to this cluster is being aborted, which takes minutes."""

    who: str
    since: str
    uid: str
    is_source: bool = True

    @classmethod
    def of(cls, found: Object) -> Holder:
        spec = found.get("spec") or {}
        return cls(
            who=str(spec.get("holderIdentity") or "an unnamed client"),
            since=str(spec.get("acquireTime") or "?"),
            uid=uid_of(found),
            is_source=annotations_of(found).get(SIDE_ANNOTATION) != "destination",
        )

    def __str__(self) -> str:
        return f"{self.who}, since {self.since}"


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim on the operator of one side, seen from relocation `me` of hosted cluster `hosted_cluster`. `holder` is
    None for a free claim."""

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
        """As if the claim were ours. For foreseeing."""
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
        """None if the claim is not ours."""
        if self.holder is None or not self.is_ours:
            return None
        return Do((Delete(self.side, LEASE, LEASE_NAME, NAMESPACE, self.holder.uid),))

    def needed(self, left: str) -> Decision | None:
        """The next round towards owning the claim, None once owned. `left` describes the state left as it is until
        then."""
        if self.holder is None:
            return Do((self.take(),))
        return None if self.is_ours else self.refused(left)

    def awaited(self) -> Decision | None:
        """As `needed`, if a short wait may be enough."""
        if self.other is None:
            return self.needed("")
        until = f"no other relocation has the HyperShift operator of the {self.side} stopped, or is about to stop it"
        todo = (
            f"{waiting_for(self.side)} Then run {RESUME}. If the hosted API is already fenced, it stays unavailable "
            "until then."
        )
        return Wait(until, f"{OBJECT} there is owned by {self.other}", timeouts.CLAIM_FREE.seconds, todo=todo)

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
        """A sentence about the possible cause of a scaled operator, for an error."""
        if self.holder is None:
            return f"{OBJECT} of this relocation is missing there: another client deleted it."
        if self.is_ours:
            return f"This relocation owns {OBJECT} there, so another client than hcp-dr scaled the operator."
        return f"{OBJECT} there is owned by {self.holder}."


def waiting_for(side: Side) -> str:
    """The advice if another relocation owns the claim: a paragraph."""
    return (
        "Wait until that relocation has ended: `hcp-dr status` with its settings shows its state. If no command is "
        "running for it, finish it with `hcp-dr resume` or `hcp-dr abort` there. Only if it no longer exists, and the "
        "operator has its usual replicas: "
        f'`kubectl --kubeconfig "${VARIABLES[side]}" delete lease -n {NAMESPACE} {LEASE_NAME}`.'
    )


def at_zero(claim: Claim) -> Check:
    """The final warning if the operator had no replicas before hcp-dr came to stop it, and got none."""
    return Check(
        f"operator.{claim.side}",
        "warning",
        f"the HyperShift operator of {claim.cluster} has zero replicas, as before the relocation",
        "no hosted cluster there is reconciled",
        "find out why it was stopped; start it with "
        f'`kubectl --kubeconfig "${VARIABLES[claim.side]}" scale deployment operator -n hypershift --replicas 1`',
    )


def holder_on(cluster: Kubernetes) -> Holder | None:
    """The owner of the claim on this management cluster's operator, None for a free claim."""
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
