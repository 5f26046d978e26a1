"""The last check, after the removal from the source: do the OIDC documents still exist by which AWS verifies the hosted
cluster's tokens (rule E3)? An operator removes the documents with a HostedCluster, even if another control plane uses
the documents (rule F2). Reads only."""

from __future__ import annotations

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Done, Refuse, Step, Wait
from hcp_dr.errors import RESUME, NotProven
from hcp_dr.hypershift import oidc_documents, steps, timeouts
from hcp_dr.hypershift.oidc_documents import Documents
from hcp_dr.hypershift.operator_claim import stopped_on
from hcp_dr.hypershift.operator_lease import sign_of_operator
from hcp_dr.kube.resources import HOSTED_CLUSTER, SECRET
from hcp_dr.model import Case, Ports
from hcp_dr.upstream import OIDC_FINALIZER, SIGNING_KEY

_WHY = "AWS accepts no token of an unpublished key: no volume is attached, no load balancer is created"


def observe(ports: Ports, case: Case, memory: RunState) -> Documents:
    destination = ports.destination
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    secret = destination.find(SECRET, SIGNING_KEY, case.control_plane_namespace)
    return oidc_documents.read_documents(ports, destination, case, hosted_cluster, secret)


def plan(facts: Documents) -> Decision:
    if facts.own_key:
        return Done("the user owns the signing key and the OIDC documents", (_check_condition(facts),))
    match facts.published:
        case "same":
            seen = f"{SIGNING_KEY} is among the published keys in {facts.bucket}"
            return Done(seen, (Check("oidc_documents", "ok", seen, _WHY),))
        case "unreadable" | "untold":
            return Done("hcp-dr cannot read the OIDC documents", (_check_condition(facts),))
    fault = (
        f"no key set of this hosted cluster is published in {facts.bucket}"
        if facts.published == "absent"
        else f"the published key set in {facts.bucket} has no key of Secret {SIGNING_KEY}"
    )
    if not facts.kept:
        seen = f"{fault}; the destination's operator publishes the key set"
        return Wait("the OIDC documents are published", seen, timeouts.OIDC_DOCUMENTS.seconds)
    return Refuse(
        NotProven(
            what=f"The OIDC documents do not match the hosted cluster: {fault}. {_WHY}.",
            left="The hosted cluster serves on the destination, and is completely removed from the source.",
            todo=f"Remove only the finalizer {OIDC_FINALIZER} from the HostedCluster on the destination: the operator "
            f"then publishes the documents again and restores the finalizer. Then run {RESUME}.",
        )
    )


def _check_condition(facts: Documents) -> Check:
    """The HostedCluster's condition reports whether AWS accepted a token."""
    seen = f"not read; ValidAWSIdentityProvider is {facts.trusted or 'not reported'}"
    if facts.trusted == "True":
        return Check("oidc_documents", "ok", f"{seen}: AWS accepts the tokens", _WHY)
    todo = f"compare the key set below the issuer's URL (openid/v1/jwks) with Secret {SIGNING_KEY}"
    return Check("oidc_documents", "warning", seen, _WHY, todo)


STEP = Step(
    name=steps.FINISH_OIDC_DOCUMENTS,
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.OIDC_DOCUMENTS, timeouts.OPERATOR_FREE),
    held_up=stopped_on("destination"),
    sign=sign_of_operator("destination"),
    checks="the OIDC documents are published with the former key",
    proof=True,
)
