"""The tool that lists the known fields, over definitions of its own."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

TOOL = Path(__file__).parents[3] / "tools" / "known_fields.py"


@pytest.fixture(scope="module")
def tool() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(TOOL)))


def definition(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": properties}}}}
    versions = [{"name": "v1beta1", "schema": schema}]
    return {"kind": "CustomResourceDefinition", "spec": {"names": {"kind": kind}, "versions": versions}}


def test_fields_of_all_releases_are_read_without_other_platforms(tool: SimpleNamespace, tmp_path: Path) -> None:
    text = {"type": "string"}
    platform = {
        "properties": {
            "type": text,
            "aws": {"properties": {"region": text}},
            "azure": {"properties": {"location": text}},
        }
    }
    services = {"items": {"properties": {"service": text}}}
    labels = {"additionalProperties": text}
    configuration = {"properties": {"proxy": {"properties": {"httpProxy": text}}}}
    for release, properties in (
        ("1", {"platform": platform, "services": services}),
        ("2", {"labels": labels, "configuration": configuration}),
    ):
        (tmp_path / release).mkdir()
        text_of = yaml.safe_dump(definition("HostedCluster", properties))
        (tmp_path / release / "any.yaml").write_text(text_of, "utf-8")
    found = {path for _, spec in tool.read_specs(tmp_path) for path in tool.paths(spec)}
    assert found == {
        *("platform", "platform.type", "platform.aws", "platform.aws.region", "platform.azure", "platform.azure.*"),
        *("services", "services.service", "labels", "labels.*"),
        *("configuration", "configuration.proxy", "configuration.proxy.*"),
    }
