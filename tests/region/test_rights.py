"""The product's user has what `hcp-dr rbac` prints and nothing else, and the servers write down what it asks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, Forbidden
from hcp_dr.kube import resources as r
from hcp_dr.kube.client import connect
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import BUCKET, MANAGEMENT_CLUSTERS, PRODUCT_USER
from hcp_dr_lab.standin import audit
from tests.region.conftest import Hosted, management
from tests.region.hands import aws

READING = ("get", "list", "watch")
COMMANDS = ("endpoint status", "member list", "snapshot status")
"""What a command in a pod may be that only reads: the closed list of invariant I9."""
FETCH = re.compile(
    r"set -o pipefail; head -c \d+ \| curl --silent --show-error --speed-limit \d+ --speed-time \d+ --config -"
    r" --write-out '[^']*' --max-time \d+"
)
"""And preflight's look whether the pod reaches the bucket, which keeps nothing."""
SCRIPT = re.compile(r"LC_ALL=C grep -a -o( -e '[^']*')+ /usr/bin/control-plane-operator")
"""And the look into the operator's binary for the tools that etcd-init calls."""
TOOL = re.compile(
    r"(if \[ -x /usr/bin/\w+ \]; then echo has \w+; if ETCDCTL_API=3 /usr/bin/\w+ snapshot restore --help 2>&1 \| "
    r"grep -q -e --data-dir; then echo can \w+; fi; fi(; )?)+"
)
"""And the question to etcd's tools, whether they restore."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request, as an API server wrote it down."""

    where: str
    entry: dict[str, Any]

    @property
    def asked(self) -> str:
        reference = self.entry.get("objectRef") or {}
        kind = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
        return f"{self.where}: {self.entry['verb']} {kind} {reference.get('namespace', '')}/{reference.get('name', '')}"

    @property
    def writes(self) -> bool:
        """What a review of its own rights is not, nor a command of the closed list."""
        reference = self.entry.get("objectRef") or {}
        if reference.get("resource") == "selfsubjectaccessreviews":
            return False
        if "dryRun=All" in self.entry["requestURI"]:
            return False
        if reference.get("subresource") == "exec":
            script = parse_qs(urlsplit(self.entry["requestURI"]).query).get("command", [""])[-1]
            if any(look.fullmatch(script) for look in (FETCH, SCRIPT, TOOL)):
                return False
            return not any(words in script for words in COMMANDS) or "snapshot save" in script or "curl" in script
        return self.entry["verb"] not in READING


def written_down(hosted: Hosted) -> list[Line]:
    """What the product's user has asked so far, on all three clusters. The hosted one writes into its pod."""
    found = []
    for each in MANAGEMENT_CLUSTERS:
        text = hosted.layout.audit_log(each).read_text("utf-8")
        found += [Line(each.name, json.loads(line)) for line in text.splitlines()]
    place = hosted.names.control_plane_namespace
    with management(hosted.layout, MANAGEMENT_CLUSTERS[0]) as holder:
        [pod] = holder.list(r.POD, place, labels="app=kube-apiserver").items
        read = holder.execute(
            place, pod["metadata"]["name"], "kube-apiserver", ("/usr/bin/bash", "-c", f"cat {audit.LOG}")
        )
    found += [Line("hosted", json.loads(line)) for line in read.stdout.decode().splitlines()]
    assert {line.entry["user"]["username"] for line in found} <= {PRODUCT_USER}
    return found


@pytest.fixture
def env_file(hosted: Hosted) -> Path:
    return drill.environment_file(hosted.layout, hosted.names.name, 1)


def hcp_dr(env_file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = (str(Path(sys.executable).with_name("hcp-dr")), *words, "--env-file", str(env_file), "-o", "json")
    around = drill.surroundings(env_file)
    return subprocess.run(command, capture_output=True, text=True, env=around, check=False, timeout=120)


def since(hosted: Hosted, act: Callable[[], None]) -> list[Line]:
    before = {line.entry["auditID"] for line in written_down(hosted)}
    act()
    return [line for line in written_down(hosted) if line.entry["auditID"] not in before]


def in_the_cloud(hosted: Hosted) -> tuple[Any, ...]:
    """What a writing request to AWS would change."""
    records = aws(hosted.layout, "route53")
    zone = records.list_hosted_zones()["HostedZones"][0]["Id"]
    instances = aws(hosted.layout, "ec2")
    ids = sorted(
        each["InstanceId"] for found in instances.describe_instances()["Reservations"] for each in found["Instances"]
    )
    protected = [
        instances.describe_instance_attribute(InstanceId=each, Attribute="disableApiTermination")[
            "DisableApiTermination"
        ]
        for each in ids
    ]
    objects = aws(hosted.layout, "s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return (
        records.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"],
        list(zip(ids, protected, strict=True)),
        [(each["Key"], each["ETag"]) for each in objects],
    )


def test_plan_status_and_preflight_write_nothing(hosted: Hosted, env_file: Path) -> None:
    """I9, by what the three API servers have written down of the product's user."""
    before = in_the_cloud(hosted)

    def look() -> None:
        planned = hcp_dr(env_file, "plan", "relocate")
        assert planned.returncode == 0, planned.stderr
        steps = {step["name"]: step for step in json.loads(planned.stdout)["steps"]}
        assert steps["backup.fence"]["actions"]
        assert hcp_dr(env_file, "status").returncode == 57  # nothing has begun
        looked = hcp_dr(env_file, "preflight")
        assert looked.returncode in (DONE, DONE_WITH_WARNINGS), looked.stderr + looked.stdout
        assert json.loads(looked.stdout)["verdict"] in ("ok", "warning")

    lines = since(hosted, look)
    assert {line.where for line in lines} == {"mgmt-1", "mgmt-2", "hosted"}
    assert len(lines) > 100
    assert [line.asked for line in lines if line.writes] == []
    assert [line.asked for line in lines if line.entry["responseStatus"]["code"] == 403] == []
    assert in_the_cloud(hosted) == before


def test_the_audit_sees_a_write(hosted: Hosted) -> None:
    """Or the test above would prove nothing."""
    place = hosted.names.control_plane_namespace
    user = hosted.layout.product_kubeconfig(MANAGEMENT_CLUSTERS[0].name)

    def write() -> None:
        with closing(connect(user, "source")) as source:
            source.patch(r.DEPLOYMENT, "ignition-server", place, {"metadata": {"annotations": {"seen": "yes"}}})

    assert f"mgmt-1: patch deployments {place}/ignition-server" in [
        line.asked for line in since(hosted, write) if line.writes
    ]


def outside_its_roles(hosted: Hosted) -> Iterator[tuple[str, Callable[[Any], object]]]:
    neighbour = "default"
    yield MANAGEMENT_CLUSTERS[0].name, lambda cluster: cluster.list(r.SECRET, neighbour)
    yield MANAGEMENT_CLUSTERS[0].name, lambda cluster: cluster.list(r.SECRET)
    yield MANAGEMENT_CLUSTERS[0].name, lambda cluster: cluster.delete(r.NAMESPACE, neighbour)
    yield MANAGEMENT_CLUSTERS[1].name, lambda cluster: cluster.list(r.SECRET)
    yield MANAGEMENT_CLUSTERS[1].name, lambda cluster: cluster.delete(r.NAMESPACE, hosted.names.namespace)
    yield hosted.names.name, lambda cluster: cluster.list(r.SECRET)
    yield hosted.names.name, lambda cluster: cluster.delete(r.CONFIG_MAP, "kube-root-ca.crt", "default")


def test_what_is_not_in_the_roles_is_refused(hosted: Hosted) -> None:
    for cluster, act in outside_its_roles(hosted):
        with closing(connect(hosted.layout.product_kubeconfig(cluster), cluster)) as client, pytest.raises(Forbidden):
            act(client)
