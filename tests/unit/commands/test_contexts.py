"""The contexts of kubeconfigs: those of the settings, else those of the relocation's beginning, else the current."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from hcp_dr.commands.context import Context
from hcp_dr.commands.discover import discover_relocation
from hcp_dr.commands.environment import KubeconfigsAndAws, from_environment
from hcp_dr.engine.journal import Journal
from hcp_dr.errors import UnreadableKubeconfig
from hcp_dr.model import Side
from tests.ports import CASE
from tests.unit.test_config import WHOLE
from tests.world import relocatable

Open = Callable[..., Context]
SIDES: dict[Side, str] = {"source": "MGMT", "destination": "MGMT2", "hosted": "HC"}


def kubeconfig(current: str) -> str:
    clusters = [{"name": n, "cluster": {"server": f"https://{n}.example:6443"}} for n in ("stage", "prod")]
    contexts = [{"name": n, "context": {"cluster": n, "user": "me"}} for n in ("stage", "prod")]
    users = [{"name": "me", "user": {"token": "t"}}]
    return yaml.safe_dump({"clusters": clusters, "contexts": contexts, "users": users, "current-context": current})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "backup"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def open_context(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, str(tmp_path / name) if name.endswith("KUBECONFIG") else value)
    monkeypatch.setenv("BACKUP_DIR", str(folder))
    monkeypatch.setattr(KubeconfigsAndAws, "aws", lambda _: relocatable().ports)

    def opened(current: str = "stage", contexts: Mapping[str, str] | None = None) -> Context:
        for prefix in SIDES.values():
            (tmp_path / f"{prefix}_KUBECONFIG").write_text(kubeconfig(current))
        return from_environment(contexts=contexts)

    return opened


def begun_in(folder: Path, **contexts: Any) -> None:
    with closing(Journal(folder, now=lambda: 0.0)) as journal:
        journal.write("begin", command="relocate", case=CASE.to_json() | contexts)


@pytest.mark.parametrize("side", SIDES)
def test_a_changed_current_context_moves_no_relocation(open_context: Open, folder: Path, side: Side) -> None:
    begun_in(folder, **{f"{side}_context": "prod"})
    context = open_context("stage")
    assert context.folder
    assert (context.cluster(side).context, context.cluster(side).server) == ("prod", "https://prod.example:6443")


@pytest.mark.parametrize("side", SIDES)
def test_a_context_that_is_named_is_used(
    open_context: Open, folder: Path, monkeypatch: pytest.MonkeyPatch, side: Side
) -> None:
    """Also for a relocation that began with another: on another machine the contexts have other names."""
    variable = f"{SIDES[side]}_CONTEXT"
    assert open_context("stage").cluster(side).context == "stage"
    assert open_context("stage", {variable: "prod"}).cluster(side).context == "prod"
    begun_in(folder, **{f"{side}_context": "gone"})
    context = open_context("stage", {variable: "prod"})
    assert context.folder
    assert context.cluster(side).context == "prod"
    monkeypatch.setenv(variable, "prod")
    assert open_context("stage").cluster(side).context == "prod"


def test_all_ports_open_by_the_contexts_of_the_folder(open_context: Open, folder: Path) -> None:
    begun_in(folder, **{f"{side}_context": "prod" for side in SIDES})
    ports = open_context("stage").ports
    assert [ports.cluster(side).context for side in SIDES] == ["prod"] * 3


def test_a_context_that_is_not_there_is_named(open_context: Open, folder: Path) -> None:
    begun_in(folder, source_context="gone")
    context = open_context()
    assert context.folder
    with pytest.raises(UnreadableKubeconfig) as caught:
        context.cluster("source")
    assert "it has no context named 'gone', but stage, prod" in caught.value.what
    assert "The relocation began with context gone; if it has another name here, set MGMT_CONTEXT." in caught.value.next


@pytest.mark.parametrize("odd", [None, 7, ["prod"], ""])
def test_a_journal_without_contexts_pins_none(open_context: Open, folder: Path, odd: Any) -> None:
    begun_in(folder, source_context=odd)
    context = open_context("prod")
    assert context.folder
    assert context.cluster("source").context == "prod"


def test_the_contexts_are_part_of_the_case(open_context: Open) -> None:
    world = relocatable()
    for cluster, name in ((world.source, "east"), (world.destination, "west"), (world.hosted, "inside")):
        cluster.context = name
    context = open_context()
    context.ports = world.ports
    case = discover_relocation(context)
    assert (case.source_context, case.destination_context, case.hosted_context) == ("east", "west", "inside")
