"""Samples: the same objects are found again, and no secret is in what is kept."""

from __future__ import annotations

from hcp_dr.objects.sample import SAMPLES_PER_KIND, sample, samples
from tests.cases.building import an_object


def test_a_secret_is_known_by_its_uid_alone() -> None:
    secret = an_object({"Secret n/s": {"data": {"password": "c2VjcmV0"}}})
    assert sample(secret).content == ""
    assert sample(secret).uid == "uid-of-s"


def test_what_the_server_counts_is_no_content() -> None:
    first, later = (an_object({"ConfigMap n/c": {"data": {"a": "b"}}}) for _ in range(2))
    later["metadata"] |= {"resourceVersion": "9", "generation": 2}
    later["status"] = {"x": "y"}
    assert sample(first) == sample(later)
    later["data"] = {"a": "c"}
    assert sample(first) != sample(later)


def test_some_are_chosen_from_all_over_and_found_again() -> None:
    items = [an_object(f"ConfigMap n/c{number:03}") for number in range(95)]
    young = [an_object(f"ConfigMap n/d{number:03}") for number in range(95)]
    for item in young:
        item["metadata"]["creationTimestamp"] = "2027-01-01T00:00:00Z"
    lock = an_object({"ConfigMap n/lock": {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}})
    chosen = samples([*items, *young, lock])
    assert 10 < len(chosen) <= SAMPLES_PER_KIND
    assert min(chosen) == "ConfigMap n/c000"
    assert "ConfigMap n/c080" < max(chosen) < "ConfigMap n/d", "the young ones come and go"
    assert samples(reversed([*items, lock]), chosen) == chosen
    assert samples(items[1:], chosen).keys() == chosen.keys() - {"ConfigMap n/c000"}
    assert samples([lock]) == {}
