"""Restarts the destination's external-dns if it caches the owners of records. With HyperShift the cache lasts an hour:
external-dns would still see the source's deleted records as records of another owner, and write no records."""

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
        return Done("the destination's external-dns is restarted when the names are handed over")
    return restart(facts)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.old is None:
        return replace(facts, old={pod.uid: pod.name for pod in facts.pods})
    return replace(facts, pods=())


STEP = Step(name=steps.RESTORE_REFRESH_EXTERNAL_DNS, documented="-", observe=observe, plan=plan, afterwards=afterwards)
