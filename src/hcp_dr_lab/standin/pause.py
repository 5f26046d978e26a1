"""Whether a HyperShift object or a Cluster API object is paused: the two use the word differently."""

from __future__ import annotations

import re
from datetime import datetime

from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import AWS_MACHINE
from hcp_dr_lab.standin.shape import annotation, condition
from hcp_dr_lab.standin.view import View

PAUSED = "cluster.x-k8s.io/paused"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def is_paused(subject: Object, now: datetime) -> bool:
    """Return whether spec.pausedUntil is true or a future date. An invalid value does not pause."""
    until = _until(subject)
    if until in _TRUE:
        return True
    end = _date(until)
    return end is not None and now < end


def reconciliation_active(view: View, subject: Object) -> Object:
    """Return the condition that reports whether the pause is in effect, and for which generation."""
    generation = subject["metadata"].get("generation", 0)
    until = _until(subject)
    if is_paused(subject, view.now):
        message = "Paused until the field is removed." if until in _TRUE else f"Paused until {until}."
        return _active(view, "False", "ReconciliationPaused", message, generation)
    if until and until not in _FALSE and _date(until) is None:
        return _active(view, "True", "InvalidPausedUntilValue", "pausedUntil cannot be read: not paused.", generation)
    return _active(view, "True", "ReconciliationActive", "Reconciled.", generation)


def machine_api_paused(cluster: Object | None, subject: Object) -> bool:
    """Cluster API and its AWS provider: the Cluster is paused, or this object has the annotation with any value."""
    whole = bool(cluster is not None and (cluster.get("spec") or {}).get("paused"))
    return whole or annotation(subject, PAUSED) is not None


def paused_condition(view: View, cluster: Object, subject: Object) -> Object:
    """Return the condition by which both controllers report the pause of every object (util/paused/paused.go). Only
    Cluster API reports the generation."""
    status, reason = ("True", "Paused") if machine_api_paused(cluster, subject) else ("False", "NotPaused")
    if subject["kind"] == AWS_MACHINE.kind:
        return condition(view, "Paused", status, reason)
    return condition(view, "Paused", status, reason, observedGeneration=subject["metadata"].get("generation", 1))


def _active(view: View, status: str, reason: str, message: str, generation: int) -> Object:
    return condition(view, "ReconciliationActive", status, reason, message, observedGeneration=generation)


def _until(subject: Object) -> str:
    return str((subject.get("spec") or {}).get("pausedUntil") or "")


def _date(text: str) -> datetime | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None
