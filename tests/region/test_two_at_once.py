"""Two hosted clusters leave one management cluster at the same time, each by its own command, and each is observed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hcp_dr.errors import DONE, DONE_WITH_WARNINGS
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, LEASE
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.observer.measured import MIN_WRITES
from tests.region.conftest import Hosted, in_service, management, say
from tests.region.hands import OPERATOR

FIRST, SECOND = MANAGEMENT_CLUSTERS
RECORD = ("hcp-dr.operator", "default")


@pytest.mark.long
def test_two_relocations_off_one_source_at_the_same_time(region: Layout) -> None:
    with in_service(region, Options()) as one, in_service(region, Options()) as other:
        both = (one, other)
        observations = {hosted: _observe(hosted) for hosted in both}
        env_files = [drill.environment_file(region, hosted.names.name, 1) for hosted in both]
        with ThreadPoolExecutor(len(both)) as engineers:
            endings = list(engineers.map(drill.relocate, env_files))
        say(f"exit codes {[ending.exit_code for ending in endings]}")
        assert {ending.exit_code for ending in endings} <= {DONE, DONE_WITH_WARNINGS}

        time.sleep(drill.SETTLE_SECONDS)
        for hosted in both:
            verdict = observations[hosted].conclude()
            assert verdict.reasons == ()
            assert verdict.acknowledged > MIN_WRITES
        for side, there in ((FIRST, False), (SECOND, True)):
            with management(region, side) as cluster:
                found = [cluster.find(HOSTED_CLUSTER, hosted.names.name, hosted.names.namespace) for hosted in both]
                assert [item is not None for item in found] == [there, there]
                assert cluster.get(DEPLOYMENT, *OPERATOR)["status"]["readyReplicas"] == 1
                assert cluster.find(LEASE, *RECORD) is None


def _observe(hosted: Hosted) -> drill.Observation:
    observation = drill.Observation(hosted.layout, hosted.names.name, 1)
    observation.begin()
    observation.await_writes()
    return observation
