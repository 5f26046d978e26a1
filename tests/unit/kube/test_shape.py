"""The types of fields by their names: what is wrong is named, and what the API has is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hcp_dr.kube import shape
from hcp_dr.kube.shape import find_fault
from hcp_dr_lab.standin.install import definitions
from tests.world import relocatable

NAMED = {"metadata": {"name": "a"}}


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({}, "metadata is not a mapping"),
        ({"metadata": {"name": ""}}, "metadata.name is missing"),
        ({"metadata": {"name": 5}}, "metadata.name is not a string"),
        ({"metadata": {"name": "a", "labels": {"a": 1}}}, "metadata.labels is not a mapping of strings"),
        ({"metadata": {"name": "a", "finalizers": "x"}}, "metadata.finalizers is not a list of strings"),
        (
            {"metadata": {"name": "a", "ownerReferences": [{"kind": 5}]}},
            "metadata.ownerReferences[0].kind is not a string",
        ),
        ({**NAMED, "spec": []}, "spec is not a mapping"),
        ({**NAMED, "spec": {"replicas": "many"}}, "spec.replicas is not a number"),
        ({**NAMED, "spec": {"replicas": True}}, "spec.replicas is not a number"),
        ({**NAMED, "spec": {"services": [None]}}, "spec.services is not a list of mappings"),
        ({**NAMED, "spec": {"services": [{"service": {}}]}}, "spec.services[0].service is not a string"),
        ({**NAMED, "status": {"conditions": [{"type": []}]}}, "status.conditions[0].type is not a string"),
        ({**NAMED, "status": "x"}, "status is not a mapping"),
        ({**NAMED, "kind": "Secret", "data": {"a": 1}}, "data is not a mapping of strings"),
    ],
)
def test_what_is_wrong_is_named(item: dict[str, Any], fault: str) -> None:
    assert find_fault(item) == fault


@pytest.mark.parametrize(
    "item",
    [
        {**NAMED, "spec": None, "status": None},
        {"metadata": {"name": "a", "managedFields": [{"fieldsV1": {"f:spec": {"f:replicas": {}}}}]}},
        {"metadata": {"name": "a", "annotations": {"spec": "x", "replicas": "y"}}},
        {**NAMED, "kind": "ConfigMap", "data": {"spec": "x", "replicas": "y", "labels": "z"}},
        {**NAMED, "kind": "ControllerRevision", "data": {"spec": {"template": {}}}},
        {**NAMED, "kind": "Cluster", "spec": {"clusterNetwork": {"services": {"cidrBlocks": ["10.0.0.0/16"]}}}},
        {**NAMED, "kind": "MachineSet", "status": {"selector": "a=b"}, "spec": {"machineNaming": {"template": "x"}}},
        {**NAMED, "webhooks": [{"name": "a", "clientConfig": {"service": {"name": "a", "namespace": "b"}}}]},
        {**NAMED, "spec": {"autoNode": {"provisionerConfig": {"karpenter": {"platform": "AWS"}}}}},
        {**NAMED, "spec": {"volumes": [{"name": "a", "image": {"reference": "x"}}]}},
        {**NAMED, "spec": {"resources": {"requests": {"storage": "10Gi"}}}},
    ],
)
def test_what_the_api_has_is_right(item: dict[str, Any]) -> None:
    assert find_fault(item) is None


def test_a_bookmark_needs_no_name() -> None:
    assert find_fault({"metadata": {"resourceVersion": "5"}}, named=False) is None


def test_the_worlds_of_the_tests_are_right() -> None:
    world = relocatable()
    for cluster in (world.source, world.destination, world.hosted):
        assert [fault for item in cluster.objects.values() if (fault := find_fault(item))] == []


def _wrong(schema: Mapping[str, Any], parent: str, path: str) -> Iterator[str]:
    """Fields whose type in the schema is another than by their name."""
    for name, field in (schema.get("properties") or {}).items():
        expected = shape._TYPES.get(name) or shape._TYPES.get(f"{parent}.{name}")
        if expected is not None and not expected.is_right(_example(field)):
            yield f"{path}{name} is not {expected.words}"
        if name not in shape._OPAQUE:
            yield from _wrong(field, name, f"{path}{name}.")
            yield from _wrong(field.get("items") or {}, name, f"{path}{name}[].")


def _example(schema: Mapping[str, Any]) -> Any:
    """A value of the schema's type."""
    values: dict[str, Any] = {"object": {"a": "b"}, "string": "a", "integer": 1, "boolean": True, "number": 1.5}
    if schema.get("type") == "array":
        return [_example(schema["items"])]
    return values.get(str(schema.get("type")))


def test_the_definitions_have_these_types() -> None:
    """A name that has several types in the API belongs into the table with its parent's name."""
    found = [
        f"{definition['spec']['names']['kind']} {version['name']}: {fault}"
        for definition in definitions().values()
        for version in definition["spec"]["versions"]
        for fault in _wrong(version["schema"]["openAPIV3Schema"], "", "")
    ]
    assert found == []


def test_the_example_is_right() -> None:
    example = Path(__file__).parents[3] / "docs" / "hosted-cluster.example.yaml"
    documents = [each for each in yaml.safe_load_all(example.read_text("utf-8")) if each]
    assert [fault for item in documents if (fault := find_fault(item))] == []
