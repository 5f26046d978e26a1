"""Label selectors in their text form, as in flags of controllers: a=b,c!=d,e in (f,g),h,!i."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TERM = re.compile(
    r"\s*(?P<key>[\w./-]+)\s*(?:(?P<equal>==?|!=)\s*(?P<value>[\w.-]*)|(?<=\s)(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?\s*"
    r"|\s*!\s*(?P<absent>[\w./-]+)\s*"
)


def matches(selector: str, labels: Mapping[str, str]) -> bool | None:
    """Whether the selector selects an object with these labels; None if it is not a selector."""
    place = 0
    selected = True
    while selector.strip():
        term = _TERM.match(selector, place)
        if term is None or selector[term.end() : term.end() + 1] not in ("", ","):
            return None
        selected = selected and _holds(term, labels)
        if term.end() == len(selector):
            break
        place = term.end() + 1
    return selected


def _holds(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    if term["absent"]:
        return term["absent"] not in labels
    now = labels.get(term["key"])
    if term["equal"]:
        return (now == term["value"]) == (term["equal"] != "!=")
    if term["set"]:
        return (now in {value.strip() for value in term["values"].split(",")}) == (term["set"] == "in")
    return now is not None
