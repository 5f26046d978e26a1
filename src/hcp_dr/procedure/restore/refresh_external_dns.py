"""Restarts the destination's external-dns where it keeps a cache of who owns which record. HyperShift lets it keep one
for an hour: it would go on seeing the source's records, long gone, as somebody else's, and write none of its own."""

from __future__ import annotations

from dataclasses import replace

from hcp_dr.engine.step import Decision, Done, Refuse, Step
from hcp_dr.errors import NotFound
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.dns.restart import Facts, observe, restart
from hcp_dr.upstream import EXTERNAL_DNS, OPERATOR_NAMESPACE


def plan(facts: Facts) -> Decision:
    if not facts.external_dns.there:
        return Refuse(
            NotFound(object=f"Deployment {OPERATOR_NAMESPACE}/{EXTERNAL_DNS}", cluster="destination", verb="restart")
        )
    if facts.later:
        return Done("the destination's external-dns is restarted when it is given the names")
    return restart(facts)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.old is None:
        return replace(facts, old={pod.uid: pod.name for pod in facts.pods})
    return replace(facts, pods=())


STEP = Step(name=steps.RESTORE_REFRESH_EXTERNAL_DNS, documented="-", observe=observe, plan=plan, afterwards=afterwards)
