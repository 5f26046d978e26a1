"""A folder of CustomResourceDefinitions that a user gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.region import crds
from hcp_dr_lab.standin.install import OWN_CRDS, definitions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(OWN_CRDS / "machines.yaml", tmp_path)
    return tmp_path


def test_a_folder_takes_the_place_of_what_it_has_and_of_nothing_else(folder: Path) -> None:
    changed = yaml.safe_load((folder / "machines.yaml").read_text())
    changed["metadata"]["labels"] = {"from": "me"}
    (folder / "machines.yaml").write_text(yaml.safe_dump(changed))
    assert crds.checked(folder) == folder.absolute()
    found, own = definitions(folder), definitions()
    assert found.keys() == own.keys()
    assert [name for name, item in found.items() if item != own[name]] == ["machines.cluster.x-k8s.io"]


def _unserved(folder: Path) -> None:
    definition = yaml.safe_load((folder / "machines.yaml").read_text())
    definition["spec"]["versions"] = [version | {"name": "v1alpha4"} for version in definition["spec"]["versions"]]
    (folder / "machines.yaml").write_text(yaml.safe_dump(definition))


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (shutil.rmtree, "is not a folder"),
        (lambda folder: (folder / "machines.yaml").unlink(), r"has no \*.yaml file"),
        (lambda folder: (folder / "other.yaml").write_text("kind: Pod\n"), "other.yaml that is not a CustomRes"),
        (lambda folder: (folder / "other.yaml").write_text("a: ["), "unreadable file other.yaml"),
        (_unserved, "machines.cluster.x-k8s.io without the required version v1beta1 or v1beta2"),
    ],
    ids=["absent", "empty", "stranger", "broken", "unserved"],
)
def test_what_cannot_be_worked_on_is_refused(folder: Path, spoil: Callable[[Path], object], word: str) -> None:
    spoil(folder)
    with pytest.raises(BadOptions, match=word) as caught:
        crds.checked(folder)
    assert "Nothing was started" in str(caught.value)
    assert "--crds" in str(caught.value)
