"""The last look, when nothing of the hosted cluster is left on the source: are the OIDC documents still there by which
AWS knows its tokens (rule E3)? An operator that removes a HostedCluster removes them too, whoever lives on them by then
(rule F2). Reads only."""

from __future__ import annotations

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Done, Refuse, Step, Wait
from hcp_dr.errors import RESUME, NotProven
from hcp_dr.hypershift import oidc_documents, timeouts
from hcp_dr.hypershift.oidc_documents import Documents
from hcp_dr.kube.resources import HOSTED_CLUSTER, SECRET
from hcp_dr.model import Case, Ports
from hcp_dr.upstream import OIDC_FINALIZER, SIGNING_KEY

_WHY = "AWS takes no token of a key that is not published: no volume is attached, no load balancer made"


def observe(ports: Ports, case: Case, memory: RunState) -> Documents:
    destination = ports.destination
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    secret = destination.find(SECRET, SIGNING_KEY, case.control_plane_namespace)
    return oidc_documents.read_documents(ports, destination, case, hosted_cluster, secret)


def plan(facts: Documents) -> Decision:
    if facts.own_key:
        return Done("the signing key is the user's own, and so are its documents", (_by_word(facts),))
    match facts.published:
        case "same":
            seen = f"{SIGNING_KEY} is among the keys that are published in {facts.bucket}"
            return Done(seen, (Check("oidc_documents", "ok", seen, _WHY),))
        case "unreadable" | "untold":
            return Done("the documents cannot be read from here", (_by_word(facts),))
    fault = (
        f"no key set of this hosted cluster is published in {facts.bucket}"
        if facts.published == "absent"
        else f"the key set that is published in {facts.bucket} has no key of Secret {SIGNING_KEY}"
    )
    if not facts.kept:
        seen = f"{fault}; the destination's operator publishes it"
        return Wait("the OIDC documents are published", seen, timeouts.OIDC_DOCUMENTS.seconds)
    return Refuse(
        NotProven(
            what=f"The OIDC documents are not those of the hosted cluster: {fault}. {_WHY}.",
            left="The hosted cluster serves on the destination, and nothing of it is left on the source.",
            todo=f"Take the finalizer {OIDC_FINALIZER} off the HostedCluster on the destination, and nothing else: its "
            f"operator then publishes the documents again and puts it back. Then run {RESUME}.",
        )
    )


def _by_word(facts: Documents) -> Check:
    """The HostedCluster says whether AWS took a token."""
    seen = f"not read; ValidAWSIdentityProvider is {facts.trusted or 'not told'}"
    if facts.trusted == "True":
        return Check("oidc_documents", "ok", f"{seen}: AWS takes the tokens", _WHY)
    todo = f"compare the key set below the issuer's URL (openid/v1/jwks) with Secret {SIGNING_KEY}"
    return Check("oidc_documents", "warning", seen, _WHY, todo)


STEP = Step(
    name="finish.oidc_documents",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.OIDC_DOCUMENTS,),
    checks="the OIDC documents are published with the key of before",
    proof=True,
)
