"""A step has one name everywhere: its module, the journal, the cases, the heading in docs/procedure.md."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

import hcp_dr
from hcp_dr import procedure, upstream
from hcp_dr.engine.step import Step
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.procedure import (
    APART,
    ONLINE_PREFLIGHT,
    PHASES,
    PREFLIGHT,
    RELOCATE,
    RESTORE,
    RESTORE_BY_HAND,
    RESTORE_LOST,
    RESUME,
    UNDO,
)

DOCS = Path(__file__).parents[2] / "docs" / "procedure.md"
BOOK = (*PHASES.values(), ONLINE_PREFLIGHT, RESUME, *APART.values())
STEPS: dict[str, Step[Any]] = {step.name: step for steps in BOOK for step in steps}
STEP_MODULES = {
    name: importlib.import_module(name)
    for _, name, is_package in pkgutil.walk_packages(procedure.__path__, f"{procedure.__name__}.")
    if not is_package and name.count(".") == 3
}


@pytest.mark.parametrize("module", STEP_MODULES, ids=lambda name: name.removeprefix("hcp_dr.procedure."))
def test_a_modules_place_is_its_steps_name(module: str) -> None:
    assert module == f"hcp_dr.procedure.{STEP_MODULES[module].STEP.name}"


def test_every_module_of_a_phase_is_a_step_and_every_step_a_module() -> None:
    assert {module.STEP.name for module in STEP_MODULES.values()} == set(STEPS)


def test_a_name_is_one_step() -> None:
    for steps in BOOK:
        assert all(STEPS[step.name] is step for step in steps)
        assert len({step.name for step in steps}) == len(steps)


BY_HAND = "by_hand"
"""The steps for a backup that was made with the documented commands, which a relocation of ours has no use for."""


def test_relocating_is_every_step_of_every_phase_once() -> None:
    own = {step.name for steps in PHASES.values() for step in steps if step.phase != BY_HAND}
    assert {step.name for step in RELOCATE} == own


@pytest.mark.parametrize("phase", sorted(set(PHASES) - {"relocate", "restore-by-hand"}))
def test_a_phase_keeps_the_order_of_the_relocation(phase: str) -> None:
    order = [step.name for step in RELOCATE]
    places = [order.index(step.name) for step in PHASES[phase]]
    assert places == sorted(places)


def test_a_restore_of_what_was_made_by_hand_is_a_restore() -> None:
    """With what the documented commands leave out before it, and recognized where nothing was remembered."""
    steps = [step.name for step in RESTORE_BY_HAND]
    assert [name for name in steps if name in {step.name for step in RESTORE}] == [step.name for step in RESTORE]
    marks = (POINT_OF_NO_RETURN, "by_hand.recognize", "backup.mark_parent", "verify.publish_api")
    places = [steps.index(name) for name in marks]
    assert places == sorted(places)
    assert steps[:2] == ["by_hand.judge_backup", "by_hand.accept_backup"]


def test_the_point_of_no_return_is_after_the_fence_and_before_the_proof() -> None:
    order = [step.name for step in RELOCATE]
    marks = (
        "backup.fence",
        "backup.snapshot_etcd",
        POINT_OF_NO_RETURN,
        "verify.identity",
        "restore.adopt_machines",
    )
    assert [order.index(name) for name in marks] == sorted(order.index(name) for name in marks)


def test_everything_before_the_point_of_no_return_that_can_be_undone_is_undone_by_an_abort() -> None:
    """I7."""
    before = RELOCATE[: [step.name for step in RELOCATE].index(POINT_OF_NO_RETURN)]
    apart = {step.name for steps in APART.values() for step in steps} - {step.name for step in RELOCATE}
    undone = {step.name for step in UNDO} - apart
    assert undone == {step.name for step in before if step.revert is not None}
    assert {step.name for step in RELOCATE if step.revert is not None} == undone
    assert {name for name in apart if STEPS[name].revert is not None} <= {step.name for step in UNDO}


def test_an_abort_takes_the_second_control_plane_away_before_the_first_comes_back() -> None:
    """I2; and protection stands until no machine object is to be deleted any more."""
    order = [step.name for step in UNDO]
    marks = ("restore.hosted_cluster", "backup.fence", "backup.pause", "restore.machines", "backup.protect_instances")
    assert [order.index(name) for name in marks] == sorted(order.index(name) for name in marks)
    assert order.index("backup.delete_routes") < order.index("backup.fence"), "the fence is lifted by name"
    assert order.index("backup.fence") < order.index("backup.hold_dns"), "who owns an unpublished name deletes it"
    assert order[-2] == "backup.mark_parent", "the nonce proves the way back"
    assert order[-1] == "backup.claim_operator", "nobody else stops the source's operator before it is in service"


def test_nothing_is_removed_before_all_is_proven() -> None:
    """I4."""
    order = [step.name for step in RELOCATE]
    first = min(place for place, name in enumerate(order) if name.startswith("teardown."))
    assert {
        "verify.publish_api",
        "verify.identity",
        "verify.await_nodes",
        "verify.placement",
        "verify.hosted_api",
    } <= set(order[:first])


def test_everything_before_the_fence_is_harmless_and_nothing_restored_earlier_needs_it() -> None:
    """Rule D: what nothing acts upon is restored before the hosted API goes away."""
    order = [step.name for step in RELOCATE]
    before = order[len(PREFLIGHT) : order.index("backup.fence")]
    assert before == [
        "backup.claim_operator",
        "backup.mark_parent",
        "backup.protect_instances",
        "backup.hold_dns",
        "backup.pause",
        "backup.export_objects",
        "backup.judge_etcd",
        "restore.claim_namespaces",
        "restore.hosted_cluster_inputs",
        "restore.control_plane_secrets",
        "restore.machines",
        "restore.pull_images",
        "restore.try_snapshot",
        "restore.try_creations",
    ]


def test_the_procedure_is_told_step_by_step_in_the_order_of_the_relocation() -> None:
    headings = re.findall(r"^## (\S+)$", DOCS.read_text("utf-8"), re.MULTILINE)
    order = [step.name for step in RELOCATE]
    by_hand = [step.name for step in RESTORE_BY_HAND if step.phase == BY_HAND]
    apart = set(STEPS) - set(order) - set(by_hand)
    assert headings[: len(order)] == order
    assert [name for name in headings[len(order) :] if name not in apart] == by_hand
    assert sorted(name for name in headings[len(order) :] if name not in by_hand) == sorted(apart)


def test_the_name_of_a_step_is_written_once() -> None:
    """On its page, or in hypershift/steps.py, where other modules refer to it too."""
    package = Path(hcp_dr.__file__).parent
    written = [
        node.value
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in STEPS
    ]
    assert sorted(written) == sorted(STEPS)


UPSTREAM = {
    text
    for value in vars(upstream).values()
    for text in (value if isinstance(value, tuple) else (value,))
    if isinstance(text, str) and not text.startswith(("__", "hcp_dr"))
}
COMMON = frozenset({upstream.AVAILABLE, upstream.ETCD, upstream.OPERATOR, upstream.KARPENTER})
"""Words that mean other things too: fields, verdicts, a part of a name."""


def test_what_upstream_calls_things_is_written_in_one_place() -> None:
    package = Path(hcp_dr.__file__).parent
    elsewhere = {
        f"{path.relative_to(package)}: {node.value}"
        for path in package.rglob("*.py")
        if path != Path(upstream.__file__)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in UPSTREAM - COMMON
    }
    assert elsewhere == set()


def test_the_book_holds_its_pages_and_what_they_share_is_elsewhere() -> None:
    beside = {name for _, name, is_package in pkgutil.iter_modules(procedure.__path__) if not is_package}
    assert beside == set()


def test_every_step_says_where_it_is_documented() -> None:
    for step in STEPS.values():
        assert step.documented == "-" or step.documented.startswith("8.6"), step.name


def test_the_product_is_what_is_tested_here() -> None:
    assert Path(hcp_dr.__file__).is_relative_to(Path(__file__).parents[2])


def test_a_lost_source_changes_no_order_after_the_names() -> None:
    """Rule D; and nothing is taken over before all that may be refused was looked at."""
    order = [step.name for step in APART[RESTORE_LOST]]
    assert order.index("restore.take_over_dns") == order.index("restore.hosted_cluster") - 1
    assert order.pop(0) == "backup.judge_etcd"
    rest = [step.name for step in RELOCATE if step.name in order]
    assert [name for name in order if name != "restore.take_over_dns"] == rest
