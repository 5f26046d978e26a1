"""All that was found is written, all that was written is restored, and the rest has a reason."""

from __future__ import annotations

from hcp_dr.objects.archive import page
from hcp_dr.objects.closing import describe_not_carried, describe_restored, place_of, unaccounted, unrestored, unwritten
from tests.cases.building import an_object

FOUND = [
    an_object(text)
    for text in (
        "Secret clusters/a",
        "Secret clusters-one/a",
        "Machine clusters-one/m",
        "HostedControlPlane clusters-one/one",
    )
]
ENTRIES = [page(item).entry for item in FOUND]
THERE = {place_of(item) for item in FOUND[:3]}
TOKEN = an_object({"Secret n/t": {"type": "kubernetes.io/service-account-token"}})
HASHED = an_object({"ConfigMap n/nto": {"labels": {"hypershift.openshift.io/nto-generated-machine-config": "true"}}})


def test_each_that_is_not_in_the_backup_is_named() -> None:
    assert unwritten(FOUND, ENTRIES) == ()
    for number, item in enumerate(FOUND):
        less = ENTRIES[:number] + ENTRIES[number + 1 :]
        assert unwritten(FOUND, less) == (f"{item['kind']} {item['metadata']['name']}",)


def test_each_that_is_not_restored_is_named_but_what_is_left_out_for_a_reason() -> None:
    assert unrestored(ENTRIES, THERE) == ()
    for place in THERE:
        assert unrestored(ENTRIES, THERE - {place}) == (f"{place[0]} {place[2]}",)
    assert describe_restored(ENTRIES, ()) == (
        "3 of 3 objects of the backup are on the destination; left out: 1 HostedControlPlane (created by the "
        "HyperShift operator from the HostedCluster)"
    )


def test_what_is_not_carried_has_a_reason_or_is_an_error() -> None:
    aside = [TOKEN, an_object("ConfigMap n/kas"), an_object("MachineHealthCheck n/w")]
    assert unaccounted(aside) == ()
    assert describe_not_carried([*aside, TOKEN]).startswith("1 ConfigMap (recreated by the control plane")
    assert "2 Secret (recreated for its service account)" in describe_not_carried([*aside, TOKEN])
    odd = [an_object("Machine n/m"), an_object("Secret n/root-ca"), HASHED]
    assert unaccounted([*aside, *odd]) == ("Machine m", "Secret root-ca", "ConfigMap nto")
