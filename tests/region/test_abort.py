"""Called off as late as it can be, by an abort that is killed itself; then carried over after all, by two machines."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hcp_dr.engine.lease_status import read_lease_status
from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, LeaseHeld, NothingToResume, PastNoReturn
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.kube.client import connect
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.ground.names import OPERATOR_NAMESPACE
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.observer.belongings import OF_CONTROL_PLANE
from hcp_dr_lab.region.control import Control
from hcp_dr_lab.region.faults import Fault, Kind
from tests.differences import Things, differences
from tests.region.conftest import Hosted, in_service, management, say
from tests.region.hands import documents, is_protected, operator_back, record_sets
from tests.region.machines import Machine, elsewhere
from tests.region.test_resume import identities, running
from tests.region.test_shapes import run_in_etcd

FIRST, SECOND = MANAGEMENT_CLUSTERS

LAST_STEP_BEFORE = "restore.refresh_external_dns"
"""All is made on the destination, paused; the next step is the point of no return."""
SETTLED = 60.0

KINDS = (r.HOSTED_CLUSTER, r.NODE_POOL, *OF_CONTROL_PLANE, r.SERVICE, r.SERVICE_ACCOUNT, r.ROLE, r.ROLE_BINDING)
_BY_THE_SERVER = frozenset(
    ("resourceVersion", "generation", "managedFields", "observedGeneration", "lastTransitionTime", "lastUpdateTime")
)
_MADE_ANEW = frozenset(("uid", "creationTimestamp"))


def test_called_off_late_and_then_carried_over_by_two_machines(region: Layout, tmp_path: Path) -> None:
    with in_service(region, Options()) as hosted, operators_back(region):
        observation = drill.Observation(region, hosted.names.name, 1, tmp_path / "evidence")
        observation.begin()
        observation.await_writes()
        called_off(hosted, tmp_path)
        carried_over(hosted, tmp_path)
        time.sleep(drill.SETTLE_SECONDS)
        reasons = observation.conclude().reasons
    say("\n".join(reasons))
    assert [reason for reason in reasons if "was stopped without a reason" not in reason] == []
    assert len(reasons) == 1, "while the abort took the destination's HostedCluster away, its operator was stopped"


@contextmanager
def operators_back(layout: Layout) -> Iterator[None]:
    """At the end, however it came to it."""
    try:
        yield
    finally:
        for which in MANAGEMENT_CLUSTERS:
            with management(layout, which) as cluster:
                operator_back(cluster)


def called_off(hosted: Hosted, tmp_path: Path) -> None:
    """Killed when all is made on the destination; the abort is killed there, and again while the API comes back."""
    before, nodes, instances = things(hosted), identities(hosted), running(hosted)
    here = Machine(drill.environment_file(hosted.layout, hosted.names.name, 1, tmp_path / "called-off"))
    process = here.start("relocate", "--yes")
    try:
        here.reaches(process, "step", "restore.hosted_cluster")
        with held_up(hosted.layout):
            here.reaches(process, "step", LAST_STEP_BEFORE)
            process.kill()
            process.wait()
    finally:
        process.kill()
        process.wait()
    assert not here.story().acted_in(POINT_OF_NO_RETURN)

    here.killed(("abort", "--yes"), "outcome", "restore.node_pools")
    here.killed(("abort", "--yes"), "undo", "backup.fence")
    ended = here.run("resume", "-o", "json")
    assert ended.code == DONE, ended.stderr

    left = differences(before, things(hosted))
    deadline = time.monotonic() + SETTLED
    while left and time.monotonic() < deadline:
        time.sleep(1)
        left = differences(before, things(hosted))
    assert "\n".join(left) == ""
    assert identities(hosted) == nodes
    assert running(hosted) == instances
    assert here.run("abort", "--yes").code == NothingToResume.exit_code


@contextmanager
def held_up(layout: Layout) -> Iterator[None]:
    """The product's looks at Deployments of the destination take so long that it cannot have passed them."""
    control = Control(layout)
    control.set_fault(Fault(f"{SECOND.name}/api", Kind.DELAY, seconds=30, match="list deployments"))
    try:
        yield
    finally:
        control.clear_faults()


def carried_over(hosted: Hosted, tmp_path: Path) -> None:
    """One machine begins; another may do nothing meanwhile, and goes on with nothing but the settings when the first
    is killed."""
    layout, names = hosted.layout, hosted.names
    nodes, instances = identities(hosted), running(hosted)
    here = Machine(drill.environment_file(layout, names.name, 1, tmp_path / "carried-over"))
    laptop = elsewhere(layout, here.env_file, tmp_path / "laptop", "laptop")
    process = here.start("relocate", "--yes")
    try:
        here.reaches(process, "step", "backup.pause")
        refused = laptop.run("resume")
        assert refused.code == LeaseHeld.exit_code, refused.stderr
        assert f" pid {process.pid} " in refused.stderr
        told = laptop.status()
        assert process.poll() is None
        here.reaches(process, "step", "restore.machines")
    finally:
        process.kill()
        process.wait()
    assert (told["command"], told["state"], told["journal"]) == ("relocate", "unfinished", "bucket")
    assert told["step"]
    for lease in told["lease"].values():
        assert lease["state"] == "held"
        assert f" pid {process.pid} " in lease["holder"]
    assert told["todo"].startswith("wait: ")
    assert len(here.story().runs) == 1, "whoever was refused wrote nothing"

    ended = laptop.run("resume", "-o", "json")
    assert ended.code in (DONE, DONE_WITH_WARNINGS), ended.stderr
    assert here.run("resume").code == NothingToResume.exit_code
    assert here.story().lines == laptop.story().lines
    for machine in (here, laptop):
        lines = machine.story().lines
        assert machine.run("abort", "--yes").code == PastNoReturn.exit_code
        assert machine.story().lines == lines
    assert identities(hosted) == nodes
    assert running(hosted) == instances


def things(hosted: Hosted) -> Things:
    """All that there is beside pods and Leases: objects of both sides, those in the hosted cluster's `default`, files
    on etcd's volume, and what AWS has."""
    names, layout = hosted.names, hosted.layout
    places = (names.namespace, names.control_plane_namespace)
    found: Things = {}
    for which in MANAGEMENT_CLUSTERS:
        with management(layout, which) as cluster:
            for place, kind in (*itertools.product(places, KINDS), (OPERATOR_NAMESPACE, r.DEPLOYMENT)):
                items = {item["metadata"]["name"]: item for item in cluster.list(kind, place).items}
                found |= {f"{which.name} {kind.kind} {place}/{name}": plain(item) for name, item in items.items()}
            for place in places:
                found[f"{which.name} Namespace {place}"] = plain(cluster.find(r.NAMESPACE, place))
            lease = read_lease_status(cluster, names.namespace, names.name)
            found[f"{which.name} Lease"] = lease.holder if lease else ""
    with management(layout, FIRST) as source:
        found["files of etcd"] = sorted(run_in_etcd(source, names, "ls -A /var/lib/data").decode().split())
    with closing(connect(layout.hosted_kubeconfig(names.name), "hosted")) as inside:
        for item in inside.list(r.CONFIG_MAP, "default").items:
            found[f"hosted ConfigMap {item['metadata']['name']}"] = plain(item)
    return found | in_aws(hosted)


def in_aws(hosted: Hosted) -> Things:
    layout = hosted.layout
    found: Things = {f"record {each['Type']} {each['Name']}": each for each in record_sets(layout)}
    found |= {f"protection of {instance}": is_protected(layout, instance) for instance in running(hosted)}
    return found | {f"document {key}": text for key, text in documents(layout, hosted.names).items()}


def plain(value: Any) -> Any:
    """Without what the server counts, and of a Route without what is another each time that it is made."""
    if isinstance(value, dict):
        route = _MADE_ANEW if value.get("kind") == r.ROUTE.kind else frozenset()
        kept = {key: plain(inner) for key, inner in value.items() if key not in _BY_THE_SERVER}
        if "metadata" in kept:
            kept["metadata"] = {key: inner for key, inner in kept["metadata"].items() if key not in route}
        if "conditions" in kept:
            kept["conditions"] = {condition["type"]: condition for condition in kept["conditions"]}
        return kept
    return [plain(inner) for inner in value] if isinstance(value, list) else value
