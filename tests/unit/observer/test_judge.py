"""Each rule of the observer: what breaks it, in exactly its words, and what is like it and does no harm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.observer import staged
from tests.unit.observer.staged import (
    ADDRESSES,
    CLEAN,
    DESTINATION,
    SOURCE,
    STOPPED,
    THINGS,
    by_name,
    closed,
    direct,
    last_seen,
    last_things,
    more,
    probe,
    read_back,
    ready,
    replicas,
    sight,
    things,
    with_proxy,
)

from hcp_dr_lab.observer.evidence import Evidence, Sight, Topic
from hcp_dr_lab.observer.judge import MAX_OPERATOR_STOPPED_SECONDS, judge
from hcp_dr_lab.observer.rules import stopped_for
from hcp_dr_lab.observer.writes import longest_gap, some_names


def without(kind: str, keep: object) -> Evidence:
    """Only the evidence of a kind that `keep` keeps."""
    return replace(CLEAN, **{kind: tuple(one for one in getattr(CLEAN, kind) if keep(one))})  # type: ignore[arg-type,operator]


def unread(name: str, when: str) -> Evidence:
    """A field of the workers that was not read before (and never), or not after."""
    lost = [sight(one.at, **{name: None}) if when == "before" or one.at > STOPPED else one for one in CLEAN.sights]
    return replace(CLEAN, sights=tuple(lost))


def operator_away(seconds: float) -> Evidence:
    """From so many seconds after its first count to the end."""
    side = SOURCE
    others = tuple(one for one in CLEAN.replicas if (one.side, one.deployment) != (side, "operator"))
    count = [replicas(side, "operator", -1000.0), replicas(side, "operator", -1000 + seconds, asked=0)]
    return replace(CLEAN, replicas=(*others, *count, replicas(side, "operator", STOPPED + 1)))


def test_a_clean_relocation_passes() -> None:
    verdict = judge(CLEAN)
    assert verdict.reasons == ()
    assert verdict.passed
    assert verdict.acknowledged == 192
    assert verdict.instances_before == verdict.instances_after == ("i-1", "i-2")
    assert verdict.content_samples == 1
    assert verdict.volumes_watched == 1
    assert verdict.foreign_watched == 2
    assert verdict.probes == 100


CLAIM = "hosted PersistentVolumeClaim openshift-monitoring/metrics"
SOURCE_TOO = (
    "split brain: the source mgmt-1 acknowledged 1 writes (there-too) after the first write on the "
    "destination mgmt-2, up to 1.1 s later"
)

VIOLATIONS: dict[str, tuple[Evidence, str]] = {
    # I1
    "an instance is terminated": (
        last_seen(instances={"i-1": "running", "i-2": "terminated"}),
        "instances did not stay running: i-2",
    ),
    "an instance is gone": (last_seen(instances={"i-1": "running"}), "instances did not stay running: i-2"),
    "an instance is stopped": (
        last_seen(instances={"i-1": "stopped", "i-2": "running"}),
        "instances did not stay running: i-1",
    ),
    "an instance fell and came back": (
        more(sights=(Sight(55, instances={"i-1": "running", "i-2": "stopping"}),)),
        "instances did not stay running: i-2",
    ),
    "an instance more": (
        last_seen(instances={"i-1": "running", "i-2": "running", "i-3": "pending"}),
        "unexpected instances appeared: i-3",
    ),
    "an instance more that went again": (
        more(sights=(Sight(55, instances={"i-1": "running", "i-2": "running", "i-3": "terminated"}),)),
        "unexpected instances appeared: i-3",
    ),
    "protection left on": (
        last_seen(protection={"i-1": True, "i-2": True}),
        "the termination protection was changed: i-1",
    ),
    "protection left off": (
        last_seen(protection={"i-1": False, "i-2": False}),
        "the termination protection was changed: i-2",
    ),
    "a node registered anew": (
        last_seen(node_uids={"node-1": "uid-1", "node-2": "uid-9"}),
        "the nodes were node-1 (uid-1), node-2 (uid-2) and are node-1 (uid-1), node-2 (uid-9)",
    ),
    "a reboot that the hosted API tells": (
        last_seen(node_boot_ids={"node-1": "boot-1", "node-2": "boot-9"}),
        "nodes were rebooted: node-2",
    ),
    "a reboot that the hypervisor tells": (
        last_seen(worker_boot_ids={"node-1": "boot-9", "node-2": "boot-2"}),
        "nodes were rebooted: node-1",
    ),
    "a container is another": (
        last_seen(containers={"workload/hello-1/hello": "c-9"}),
        "containers were restarted or replaced: workload/hello-1/hello",
    ),
    "a container is gone": (
        last_seen(containers={}, restarts={}),
        "containers were restarted or replaced: workload/hello-1/hello",
    ),
    "a container was restarted": (
        last_seen(restarts={"workload/hello-1/hello": 1}),
        "containers were restarted or replaced: workload/hello-1/hello",
    ),
    "a node's API proxy is gone": (
        replace(CLEAN, sights=(with_proxy(-1, "c-7", 0), *CLEAN.sights)),
        "containers were restarted or replaced: kube-system/kube-apiserver-proxy-node-1/haproxy",
    ),
    "a workload gave no answer twice in a row": (
        more(probes=(probe(50.3, answered=False), probe(50.6, answered=False))),
        "workloads did not answer: hello-1 (2 times in a row, timed out)",
    ),
    # I2
    "both sides ready": (
        more(readiness=(ready(DESTINATION, 2.5), ready(DESTINATION, 2.9), ready(DESTINATION, 20, is_ready=False))),
        "split brain: 10.88.1.5 on mgmt-1 and 10.88.2.5 on mgmt-2 were both ready for up to 0.4 s",
    ),
    "the source ready between two answers of the destination": (
        replace(CLEAN, readiness=(*CLEAN.readiness, ready(SOURCE, 55))),
        "split brain: 10.88.1.5 on mgmt-1 and 10.88.2.5 on mgmt-2 were both ready for up to 0.0 s",
    ),
    "the source takes a write when the destination has": (
        replace(
            more(writes=(direct(SOURCE, 61, "there-too"),)),
            closing=read_back(**{"there-too": 1}).closing,
        ),
        SOURCE_TOO,
    ),
    # I3
    "a create is lost": (read_back(**{"cm-9": None}), "1 acknowledged writes are lost: cm-9 (absent)"),
    "an update is lost": (read_back(**{"cm-0": 1}), "1 acknowledged writes are lost: cm-0 (older)"),
    "a delete is lost": (read_back(**{"cm-1": 1}), "1 acknowledged writes are lost: cm-1 (deleted and back)"),
    "a create is lost, and its deletion therefore refused": (
        replace(
            more(writes=(replace(by_name("cm-9", 98, 2, "delete", acknowledged=False), refused=True),)),
            closing=read_back(**{"cm-9": None}).closing,
        ),
        "1 acknowledged writes are lost: cm-9 (absent)",
    ),
    "content is another": (
        read_back(**{"cm-9": 0}),
        "1 acknowledged writes are lost: cm-9 (with content that was never written)",
    ),
    "content from nowhere": (
        read_back(**{"cm-9": 7}),
        "1 acknowledged writes are lost: cm-9 (with content that was never written)",
    ),
    "a sample of the content is gone": (
        last_things("content", **{"hosted ConfigMap shop/prices": None}),
        "the hosted cluster's content was changed: hosted ConfigMap shop/prices is gone",
    ),
    "a volume is gone": (
        last_things("volumes", **{CLAIM: None}),
        f"volumes of the hosted cluster were changed: {CLAIM} is gone",
    ),
    "a volume was made anew under its old name": (
        last_things("volumes", **{CLAIM: "uid-9 unbound"}),
        f"volumes of the hosted cluster were changed: {CLAIM} is another",
    ),
    "a volume is on its way out": (
        last_things("volumes", **{CLAIM: "uid-4 volume-1 being deleted"}),
        f"volumes of the hosted cluster were changed: {CLAIM} is another",
    ),
    "the documents are wiped": (
        last_things("cloud", **{"s3 oidc/keys": None}),
        "AWS resources of the hosted cluster were changed: s3 oidc/keys is gone",
    ),
    # I5
    "the neighbour's machine is another": (
        last_things("neighbour", **{"mgmt-1 Machine clusters-next/one": "uid-9 cc"}),
        "the neighbour next was touched: mgmt-1 Machine clusters-next/one is another",
    ),
    "the neighbour has one machine more": (
        last_things("neighbour", **{"mgmt-1 Machine clusters-next/two": "uid-9 cc"}),
        "the neighbour next was touched: mgmt-1 Machine clusters-next/two is new",
    ),
    "the neighbour's API gave no answer twice in a row": (
        more(probes=tuple(probe(50 + n / 4, answered=False, target="the API of next", of="neighbour") for n in (1, 2))),
        "the neighbour next did not answer: the API of next (2 times in a row, timed out)",
    ),
    "a foreign secret is gone": (
        last_things("foreign", **{"mgmt-1 Secret clusters/theirs": None}),
        "objects of other owners were touched: mgmt-1 Secret clusters/theirs is gone",
    ),
    "a foreign secret was taken along": (
        last_things("foreign", **{"mgmt-2 Secret clusters/theirs": "uid-9 dd"}),
        "objects of other owners were touched: mgmt-2 Secret clusters/theirs is new",
    ),
    "a foreign record was away in between": (
        more(belongings=(things("foreign", 55, **{"record theirs.example. TXT": None}),)),
        "objects of other owners were touched: record theirs.example. TXT is gone",
    ),
    "the operator was away for too long": (
        operator_away(MAX_OPERATOR_STOPPED_SECONDS),
        f"the source's HyperShift operator was stopped for 1101 s, longer than {MAX_OPERATOR_STOPPED_SECONDS:.0f} s",
    ),
    "the operator is not back": (
        more(replicas=(replicas(SOURCE, "operator", STOPPED + 2, asked=0),)),
        "the Deployment operator of mgmt-1 had 1 of 1 pods Ready and has 0 of 0",
    ),
    "the operator is back without a pod": (
        more(replicas=(replicas(SOURCE, "operator", STOPPED + 2, asked=1, ready=0),)),
        "the Deployment operator of mgmt-1 had 1 of 1 pods Ready and has 0 of 1",
    ),
    "external-dns is not back": (
        more(replicas=(replicas(SOURCE, "external-dns", STOPPED + 2, asked=0),)),
        "the Deployment external-dns of mgmt-1 had 1 of 1 pods Ready and has 0 of 0",
    ),
    "the destination's operator was stopped": (
        more(replicas=(replicas(DESTINATION, "operator", 55, asked=0),)),
        "the HyperShift operator of the destination mgmt-2 was stopped without a reason",
    ),
    # and what is left
    "something is left on the source": (
        closed(source_left=("Namespace clusters-demo",)),
        "left on the source: Namespace clusters-demo",
    ),
}


@pytest.mark.parametrize(("evidence", "reason"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_is_told_and_nothing_else(evidence: Evidence, reason: str) -> None:
    assert judge(evidence).reasons == (reason,)


HARMLESS: dict[str, Evidence] = {
    "an instance was terminated before": replace(
        CLEAN,
        sights=tuple(replace(one, instances={**(one.instances or {}), "i-0": "terminated"}) for one in CLEAN.sights),
    ),
    "a pending instance runs": replace(
        CLEAN, sights=(sight(-1, instances={"i-1": "pending", "i-2": "running"}), *CLEAN.sights)
    ),
    "protection is on in between": more(sights=(Sight(55, protection={"i-1": True, "i-2": True}),)),
    "the procedure's own restart of the network": last_seen(
        containers={"workload/hello-1/hello": "c-1"}, restarts={"workload/hello-1/hello": 0}
    ),
    "a node's API proxy that restarted itself": replace(
        CLEAN, sights=(with_proxy(-1, "c-7", 0), *CLEAN.sights, with_proxy(STOPPED + 2, "c-8", 3))
    ),
    "a container more": last_seen(
        containers={**(sight(0).containers or {}), "workload/hello-9/hello": "c-9"},
        restarts={**(sight(0).restarts or {}), "workload/hello-9/hello": 0},
    ),
    "one missed answer": more(probes=(probe(50.5, answered=False),)),
    "missed answers of two pods": more(
        probes=(
            *(probe(at, target="hello-2") for at in (1.0, 30.0, 51.0, 80.0)),
            probe(50.3, answered=False),
            probe(50.4, answered=False, target="hello-2"),
        )
    ),
    "two servers of one side": more(
        readiness=tuple(
            ready(SOURCE, at, address="10.88.1.77", is_ready=at < 10) for at in (1.5, 2.5, 30.0, 55.0, 80.0)
        )
    ),
    "writes that were not acknowledged are there or not": replace(
        more(writes=(by_name("cm-9", 98, 2, "update", acknowledged=False), by_name("x", 99, acknowledged=False))),
        closing=read_back(**{"cm-9": 2}).closing,
    ),
    "an unacknowledged update did not arrive": more(writes=(by_name("cm-9", 98, 2, "update", acknowledged=False),)),
    "an unacknowledged delete arrived": replace(
        more(writes=(by_name("cm-9", 98, 2, "delete", acknowledged=False),)),
        closing=read_back(**{"cm-9": None}).closing,
    ),
    "the restart of the destination's external-dns": more(
        replicas=(replicas(DESTINATION, "external-dns", 55, asked=1, ready=0),)
    ),
    "no neighbour": replace(
        closed(neighbour=""),
        belongings=tuple(one for one in CLEAN.belongings if one.topic != "neighbour"),
        probes=tuple(one for one in CLEAN.probes if one.of == "workload"),
    ),
    "the order of the lines": replace(
        CLEAN,
        sights=CLEAN.sights[::-1],
        belongings=CLEAN.belongings[::-1],
        replicas=CLEAN.replicas[::-1],
        writes=CLEAN.writes[::-1],
        probes=CLEAN.probes[::-1],
        readiness=CLEAN.readiness[::-1],
    ),
}


@pytest.mark.parametrize("evidence", HARMLESS.values(), ids=HARMLESS)
def test_what_only_looks_like_a_violation_is_none(evidence: Evidence) -> None:
    assert judge(evidence).reasons == ()


BLIND: dict[str, tuple[Evidence, str]] = {
    "nothing could be read back": (closed(read_back=None), "could not be read back"),
    "what is left is not known": (closed(source_left=None), "leftovers on the source mgmt-1"),
    "too few writes": (without("writes", lambda one: one.side or int(one.name[3:]) > 120), "only 69 writes"),
    "no creates": (without("writes", lambda one: one.side or one.verb != "create"), "no create was acknowledged"),
    "no updates": (without("writes", lambda one: one.verb != "update"), "no update was acknowledged"),
    "no deletes": (without("writes", lambda one: one.verb != "delete"), "no delete was acknowledged"),
    **{
        f"no {how} writes on {side}": (
            without("writes", lambda one, side=side, kept=kept: one.side != side or one.kept != kept),
            f"no kube-apiserver of {side} ever acknowledged a write at its own address on a {how} connection",
        )
        for side in ADDRESSES
        for how, kept in (("new", False), ("kept", True))
    },
    **{
        f"{side} was never ready": (without("readiness", lambda one, side=side: one.side != side), f"{side} was ever")
        for side in ADDRESSES
    },
    "no workload": (without("probes", lambda one: one.of != "workload"), "no workload pod was probed"),
    "no neighbour": (without("probes", lambda one: one.of == "workload"), "the neighbour next was not probed"),
    **{
        f"{topic} not {when}": (
            without("belongings", lambda one, topic=topic, late=late: one.topic != topic or (one.at < STOPPED) == late),
            f"could not be read {when}" if late else "could not be read",
        )
        for topic in THINGS
        for when, late in (("after", True),)
    },
    **{
        f"{topic} is empty": (
            replace(
                CLEAN,
                belongings=tuple(replace(one, things={}) if one.topic == topic else one for one in CLEAN.belongings),
            ),
            "could not be read before",
        )
        for topic in THINGS
    },
    **{
        f"{name} not {when}": (
            unread(name, when),
            f"could not be read {when}",
        )
        for name in (
            "instances",
            "protection",
            "node_uids",
            "node_boot_ids",
            "worker_boot_ids",
            "containers",
            "restarts",
        )
        for when in ("before", "after")
    },
    **{
        f"{deployment} of {side} not {when}": (
            without(
                "replicas",
                lambda one, key=(side, deployment), when=when: (
                    (one.side, one.deployment) != key or (when == "after" and one.at < STOPPED)
                ),
            ),
            f"the running {deployment} of {side} could not be read {when}",
        )
        for side in ADDRESSES
        for deployment in ("operator", "external-dns")
        for when in ("before", "after")
    },
    "the writers slept": (
        without("writes", lambda one: one.side or not 20 < one.started < 60),
        "blind for 40 s: writes by name",
    ),
    "a prober slept": (
        without("probes", lambda one: one.of == "neighbour" or not 20 < one.started < 60),
        "blind for 40 s: probes of hello-1",
    ),
    "a prober ended early": (
        without("probes", lambda one: one.of == "workload" or one.started < 50),
        "blind for 51 s: probes of the API of next",
    ),
    "nobody looked at the instances": (
        without("sights", lambda one: not 20 < one.at < 60),
        "blind for 40 s: EC2 instances",
    ),
    "the source's API server was asked no more": (
        without("readiness", lambda one: one.side == DESTINATION or one.started < 50),
        f"readiness on {SOURCE} at {ADDRESSES[SOURCE]}",
    ),
    "the source's API server was written to no more": (
        without("writes", lambda one: one.side != SOURCE or one.started < 50),
        f"writes on {SOURCE} at {ADDRESSES[SOURCE]}",
    ),
}


@pytest.mark.parametrize(("evidence", "said"), BLIND.values(), ids=BLIND)
def test_what_was_not_measured_is_not_passed(evidence: Evidence, said: str) -> None:
    assert [reason for reason in judge(evidence).reasons if said in reason]


SNAPSHOT_LEAKS = (
    "split brain: the source mgmt-1 acknowledged 1 writes (leaked) after the snapshot that was restored on the "
    "destination mgmt-2"
)


def test_a_write_that_the_source_took_after_the_snapshot_is_a_split_brain_and_lost() -> None:
    late = more(writes=(direct(SOURCE, 20, "leaked"),))
    assert judge(late).split_brain
    assert judge(late).reasons == (
        "1 acknowledged writes are lost: leaked (absent)",
        SNAPSHOT_LEAKS,
    )


def test_a_delete_that_the_source_took_after_the_snapshot_comes_back() -> None:
    late = replace(direct(SOURCE, 20, f"{SOURCE}-4.0-new"), sequence=2, verb="delete")
    verdict = judge(more(writes=(late,)))
    assert verdict.lost == (late.name,)
    assert verdict.split_brain


def test_a_write_of_the_source_that_is_lost_in_the_middle_was_before_the_snapshot() -> None:
    verdict = judge(more(writes=(direct(SOURCE, 3, "middle"),)))
    assert verdict.lost == ("middle",)
    assert not verdict.split_brain


@pytest.mark.parametrize(("count", "said"), [(0, "none"), (5, "a, b, c, d, e"), (7, "a, b, c, d, e and 2 more")])
def test_a_few_names_are_told(count: int, said: str) -> None:
    assert some_names("abcdefg"[:count]) == said


def test_downtime_is_the_longest_gap_between_writes_by_name() -> None:
    writes = [by_name("a", at) for at in (0, 0.5, 10, 10.5)]
    missed = [by_name("b", 1, acknowledged=False), direct(SOURCE, 5.0)]
    assert longest_gap([*writes, *missed], 10.7) == pytest.approx(9.5)


def test_an_api_that_never_comes_back_is_down_until_the_end() -> None:
    assert longest_gap([by_name("a", 0)], STOPPED) == pytest.approx(99.9)


def test_the_operator_was_stopped_at_most_from_the_count_before_to_the_count_after() -> None:
    counts = [replicas(SOURCE, "operator", at, asked=0 if at in (20, 30) else 1) for at in (0, 10, 20, 30, 40, 50)]
    assert stopped_for(counts, 60) == 30
    assert stopped_for(counts[:4], 60) == 50  # it never came back
    assert stopped_for(counts[:2], 60) == 0
    assert judge(CLEAN).operator_stopped_s == 20


def test_a_scaled_down_operator_counts_as_stopped_while_its_pod_still_runs() -> None:
    counts = [replicas(SOURCE, "operator", 0), replicas(SOURCE, "operator", 1, asked=0, ready=1)]
    assert stopped_for(counts, 3) == 3


@pytest.mark.parametrize("topic", THINGS)
def test_a_thing_is_told_once_however_often_it_is_seen(topic: Topic) -> None:
    thing = next(iter(THINGS[topic]))
    twice = [things(topic, at, **{thing: "other"}) for at in (60.0, 70.0)]
    (reason,) = judge(more(belongings=tuple(twice))).reasons
    assert reason.count("is another") == 1


def test_the_staged_evidence_is_whole() -> None:
    assert all(getattr(staged.CLEAN, kind) for kind in ("writes", "readiness", "probes", "sights", "belongings"))
