"""Fields of HostedCluster and NodePools that are unknown to this version of hcp-dr. Whether the destination has all
fields of the carried objects is found by dry runs (hypershift/trial.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hcp_dr.engine.step import Check
from hcp_dr.hypershift.checks import bad_if
from hcp_dr.kube.port import Object
from hcp_dr.objects.fields import unknown_fields
from hcp_dr.objects.known_fields import KNOWN_FIELDS
from hcp_dr.objects.reading import name_of, namespace_of

_KNOWN = {kind: frozenset(paths) for kind, paths in KNOWN_FIELDS.items()}


def find_unknown(items: Iterable[Object]) -> tuple[str, ...]:
    """The fields of the specs of HostedCluster and NodePools that this version does not know, each with its object."""
    return tuple(
        f"{_place(item)} spec.{path}"
        for item in items
        if item["kind"] in _KNOWN
        for path in dict.fromkeys(unknown_fields(item.get("spec"), _KNOWN[item["kind"]]))
    )


def _place(item: Object) -> str:
    return f"{item['kind']} {namespace_of(item)}/{name_of(item)}"


def check_unknown(fields: tuple[str, ...]) -> Check:
    return bad_if(
        fields,
        "fields.unknown",
        f"fields that this version of hcp-dr does not know: {', '.join(fields) or 'none'}",
        "they are carried unchanged, but their effect on a relocation is not known",
        "use a newer hcp-dr, or find out what these fields do on another management cluster and accept this check",
        verdict="unknown",
        acceptable=True,
    )


def warn_unknown(fields: tuple[str, ...]) -> Check:
    """For a command in which no check can be accepted: a backup is made, and the last backup restored, nevertheless."""
    check = check_unknown(fields)
    return replace(check, verdict="warning", acceptable=False) if check.stops else check
