"""Whatever a relocation adds to an object may be an order to somebody: each is told in docs/procedure.md, with all its
readers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.kube.port import Resource
from hcp_dr.model import HANDOVER, RELEASE, Dns
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, scene

DOCUMENT = Path(__file__).parents[2] / "docs" / "procedure.md"
HEADING = "\n## What hcp-dr adds, and who reads it\n"
_FIRST_CELL = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)


def told() -> set[str]:
    text = DOCUMENT.read_text("utf-8").partition(HEADING)[2]
    return {key for cell in _FIRST_CELL.findall(text) for key in re.findall(r"`([^` ]+/[^` ]+)`", cell)}


def marks(item: Any) -> dict[str, Any]:
    """Annotations and labels; in a patch those that it gives."""
    meta = (item or {}).get("metadata") or {}
    pairs = {**(meta.get("annotations") or {}), **(meta.get("labels") or {})}
    return {key: value for key, value in pairs.items() if value is not None}


def added(here: Scene, request: Request) -> Iterator[str]:
    """Keys that the source's object of that name does not have, or not with that value."""
    if request.port not in ("source", "destination", "hosted") or request.verb not in ("create", "replace", "patch"):
        return
    resource: Resource = request.arguments[0]
    if request.verb == "patch":
        name, namespace, sent = request.arguments[1:4]
    else:
        sent = request.arguments[1]
        name, namespace = sent["metadata"]["name"], sent["metadata"].get("namespace")
    if not isinstance(sent, dict):
        return
    before = None if request.port == "hosted" else here.world.sides[0].client().find(resource, name, namespace)
    yield from (key for key, value in marks(sent).items() if marks(before).get(key) != value)


@pytest.mark.parametrize("dns", [RELEASE, HANDOVER])
def test_each_mark_that_is_added_is_told_with_its_readers(dns: Dns) -> None:
    here = scene(Shape.THREE_POOLS, Shape.REFERENCES, Shape.NEIGHBOUR)
    seen: set[str] = set()

    def listen(moment: str, request: Request) -> None:
        if moment == "before":
            seen.update(added(here, request))

    here.world.hooks.append(listen)
    assert here.operator.relocate(dns=dns).error is None
    assert seen
    named = {key.replace("/clusters.shop", "/NAMESPACE.NAME") for key in seen}
    assert named - told() == set()
