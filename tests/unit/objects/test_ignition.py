"""Rule A11: whether machines were ever reached comes along with the token secrets, and nothing else does it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hcp_dr.objects import ignition
from tests.cases.building import an_object

HYPERSHIFT = "hypershift.openshift.io"
REACHED = f"{HYPERSHIFT}/ignition-reached"


def secret(name: str, pool: str = "clusters/a", **more: str) -> dict[str, Any]:
    mine = {f"{HYPERSHIFT}/nodePool": pool} | ({f"{HYPERSHIFT}/ignition-config": "true"} if "token" in name else {})
    told = {f"{HYPERSHIFT}/{key.replace('_', '-')}": value for key, value in more.items()}
    return an_object({f"Secret clusters-one/{name}": {"metadata": {"annotations": mine | told}}})


def pool(name: str, said: str | None) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True"}]
    if said is not None:
        conditions.append({"type": "ReachedIgnitionEndpoint", "status": said})
    return an_object({f"NodePool clusters/{name}": {"status": {"conditions": conditions}}})


@pytest.mark.parametrize(
    ("given", "pools", "marked"),
    [
        (secret("token-a-1"), [pool("a", "True")], True),
        (secret("token-a-1", ignition_reached="True"), [pool("a", "False")], True),
        (secret("token-a-1"), [pool("a", "False"), pool("b", "True")], False),
        (secret("token-a-1"), [pool("a", None)], False),
        (secret("token-a-1"), [], False),
        (secret("user-data-a-1"), [pool("a", "True")], False),
    ],
    ids=["its pool says so", "it says so itself", "another's pool says so", "silence", "no pool", "no token"],
)
def test_a_token_secret_is_marked_where_it_or_its_pool_says_so(
    given: dict[str, Any],
    pools: list[dict[str, Any]],
    marked: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    before = copy.deepcopy(given)
    annotations = ignition.mark_reached(given, pools)["metadata"]["annotations"]
    assert (annotations.get(REACHED) == "True") is marked
    assert before["metadata"]["annotations"].items() <= annotations.items()
    assert given == before


@pytest.mark.parametrize("said", ["True", "False", None])
def test_a_pool_says_it_at_whichever_generation(said: str | None) -> None:
    item = pool("a", said)
    item["metadata"]["generation"] = 7
    for entry in item["status"]["conditions"]:
        entry["observedGeneration"] = 3
    assert ignition.reached_status(item) == said


def test_the_tokens_of_a_pool_are_those_that_are_in_use() -> None:
    there = [
        secret("token-a-1", ignition_token_expiration_timestamp="2026-01-01T00:00:00Z"),
        secret("token-a-2"),
        secret("token-b-1", "clusters/b"),
        secret("user-data-a-2"),
        an_object("Secret clusters-one/pull-secret"),
    ]
    [found] = ignition.tokens_of(pool("a", "False"), there)
    assert found["metadata"]["name"] == "token-a-2"
