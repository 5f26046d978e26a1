"""The links of owners, rebuilt with the destination's uids: exactly, or not at all (rule A5)."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from hcp_dr.kube.port import Object
from hcp_dr.objects.graph import Owner, owners_of, relink
from hcp_dr.objects.scrub import scrub
from tests.cases.building import an_object

MACHINE = an_object({"Machine n/m": {"owners": ["MachineSet s"], "spec": {"a": 1}}})
SET = Owner("cluster.x-k8s.io/v1beta2", "MachineSet", "s", controller=True, block_owner_deletion=True)
CLUSTER = Owner("cluster.x-k8s.io/v1beta2", "Cluster", "c", controller=False, block_owner_deletion=False)


def there(uid: str, version: str = "v1beta2") -> Object:
    return {"apiVersion": f"cluster.x-k8s.io/{version}", "metadata": {"uid": uid}}


def test_owners_are_read_without_their_uids() -> None:
    assert owners_of(MACHINE) == (SET,)
    assert owners_of(an_object("Machine n/m")) == ()
    assert owners_of({"metadata": {"ownerReferences": None}}) == ()


def test_an_object_is_linked_to_the_owners_there_in_their_version() -> None:
    before = copy.deepcopy(MACHINE)
    linked = relink(scrub(MACHINE), (SET, CLUSTER), {SET.key: there("new-s"), CLUSTER.key: there("new-c", "v1beta1")})
    assert linked is not None
    assert linked["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "cluster.x-k8s.io/v1beta2",
            "kind": "MachineSet",
            "name": "s",
            "uid": "new-s",
            "controller": True,
            "blockOwnerDeletion": True,
        },
        {"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "name": "c", "uid": "new-c"},
    ]
    assert linked["spec"] == {"a": 1}
    assert before == MACHINE


def test_an_owner_whose_uid_is_not_known_makes_it_wait() -> None:
    assert relink(scrub(MACHINE), (SET, CLUSTER), {CLUSTER.key: there("new-c")}) is None


def test_an_object_without_owners_is_linked_to_none() -> None:
    linked = relink(scrub(MACHINE), (), {SET.key: there("new-s")})
    assert linked == scrub(MACHINE)


OWNERS = st.lists(
    st.builds(Owner, st.just("v1"), st.sampled_from("AB"), st.sampled_from("xyz"), st.booleans(), st.booleans()),
    unique_by=lambda owner: owner.key,
)


@given(OWNERS, st.sets(st.tuples(st.sampled_from("AB"), st.sampled_from("xyz"))))
def test_what_is_linked_has_the_same_owners_again(owners: list[Owner], known: set[tuple[str, str]]) -> None:
    uids = {key: "-".join(key) for key in known}
    linked = relink(
        scrub(MACHINE), owners, {key: {"apiVersion": "v1", "metadata": {"uid": uid}} for key, uid in uids.items()}
    )
    assert (linked is None) is (not {owner.key for owner in owners} <= known)
    if linked is not None:
        assert owners_of(linked) == tuple(owners)
        assert [r["uid"] for r in linked["metadata"].get("ownerReferences", ())] == [uids[o.key] for o in owners]
