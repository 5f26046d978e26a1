"""The observer catches every violation when it is staged: by hand, in the real region, without the product.

To save time many are staged in one observation; each has to be told in its own words.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from hcp_dr.errors import AlreadyExists, NotFound
from hcp_dr.kube import resources as r
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.objects.select import referenced_secrets
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.aws_seed import NO_KUBELET, seeded
from hcp_dr_lab.ground.layout import (
    AWS_REGION,
    BUCKET,
    HOSTED_DOMAIN,
    MANAGEMENT_CLUSTERS,
    OIDC_BUCKET,
    HostedClusterNames,
    Layout,
)
from hcp_dr_lab.ground.workers import Worker, workers
from hcp_dr_lab.hosted.cluster import Options, Pool
from hcp_dr_lab.hosted.content import MONITORING_NAMESPACE
from hcp_dr_lab.observer.evidence import Belongings, Probe, Readiness, Write
from hcp_dr_lab.observer.judge import Verdict
from hcp_dr_lab.observer.rules import failed_targets, overlapping, ready_windows
from hcp_dr_lab.observer.writer import LABEL, NAMESPACE, content
from hcp_dr_lab.region.cloud.storage import credentials
from hcp_dr_lab.region.control import Control
from tests.region.conftest import Hosted, eventually, in_service, management, say
from tests.region.test_shapes import etcdctl, run_in_etcd

FIRST, SECOND = MANAGEMENT_CLUSTERS
OPERATORS = "hypershift"
CLAIM = "alertmanager-main-db-alertmanager-main-0"


class Stage:
    """One hosted cluster under observation, and hands on everything. `undo` is called in reverse order at the end, so
    that the hosted cluster can be deleted."""

    def __init__(
        self, hosted: Hosted, evidence: Path, *, source: Kubernetes, destination: Kubernetes, inside: Kubernetes
    ) -> None:
        self.layout, self.names = hosted.layout, hosted.names
        self.source, self.destination, self.inside = source, destination, inside
        self.observation = drill.Observation(hosted.layout, hosted.names.name, 1, evidence)
        self.undo: list[Callable[[], object]] = []

    @property
    def place(self) -> str:
        return self.names.control_plane_namespace

    def aws(self, service: Any) -> Any:
        granted = credentials(self.layout)
        return boto3.client(
            service,
            endpoint_url=self.layout.s3_endpoint if service == "s3" else self.layout.aws_endpoint,
            verify=str(self.layout.ca_file),
            region_name=AWS_REGION,
            aws_access_key_id=granted.access_key_id,
            aws_secret_access_key=granted.secret_access_key,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}) if service == "s3" else None,
        )

    def in_region(self, name: str, *command: str) -> None:
        Control(self.layout).run(f"staged/{self.names.name}-{name}", command)

    def seen(self, kind: str) -> list[Any]:
        text = (self.observation.folder / f"{kind}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def writes(self) -> list[Write]:
        """Acknowledged so far."""
        return [write for entry in self.seen("write") if (write := Write(**entry)).acknowledged]

    def readiness(self) -> list[Readiness]:
        return [Readiness(**entry) for entry in self.seen("readiness")]

    def probes(self) -> list[Probe]:
        return [Probe(**entry) for entry in self.seen("probe")]

    def sentinels(self, beginning: str) -> list[str]:
        """What the observer laid down, without the words before."""
        first = next(
            one for one in (Belongings(**entry) for entry in self.seen("belongings")) if one.topic == "foreign"
        )
        return sorted(thing.removeprefix(beginning) for thing in first.things if thing.startswith(beginning))

    def scale(self, side: Kubernetes, name: str, namespace: str, replicas: int) -> None:
        side.patch(r.DEPLOYMENT, name, namespace, {"spec": {"replicas": replicas}})


@contextmanager
def staged(hosted: Hosted, evidence: Path) -> Iterator[Stage]:
    with (
        management(hosted.layout, FIRST) as source,
        management(hosted.layout, SECOND) as destination,
        closing(connect(hosted.layout.hosted_kubeconfig(hosted.names.name), "hosted")) as inside,
    ):
        stage = Stage(hosted, evidence, source=source, destination=destination, inside=inside)
        stage.observation.begin()
        try:
            stage.observation.await_writes()
            yield stage
        finally:
            for put_back in reversed(stage.undo):
                with suppress(NotFound):
                    put_back()


def reason(verdict: Verdict, beginning: str) -> str:
    """The one reason that begins so."""
    found = [reason for reason in verdict.reasons if reason.startswith(beginning)]
    assert len(found) == 1, f"{beginning}: {verdict.reasons}"
    return found[0]


def test_everything_that_may_not_happen_is_told(region: Layout, tmp_path: Path) -> None:
    """No control plane ever serves on the destination here, and that is told too."""
    with in_service(region, Options(pools=(Pool(3),), neighbour=True)) as hosted, staged(hosted, tmp_path) as stage:
        terminated, rebooted, restarted = harm_workers(stage)
        surplus = surplus_instance(stage)
        protect(stage, restarted.instance_id)
        lost_in_etcd = forget_in_etcd(stage)
        harm_content_and_cloud(stage)
        touched = touch_what_is_foreign(stage)
        neighbour = harm_neighbour(stage)
        stop_operators(stage)
        back = bring_back(stage)
        older = make_older(stage)
        verdict = stage.observation.conclude()
        say("\n".join(verdict.reasons))

    # The surplus one was ended as well, which is told only where one of the observer's looks fell into its moment.
    assert set(verdict.instances_terminated) - {surplus} == {terminated.instance_id}
    assert verdict.instances_new == (surplus,)
    assert verdict.protection_changed == (restarted.instance_id,)
    assert verdict.boot_ids_changed == (rebooted.name,)
    assert any(f"/{pod}/" in name for name in verdict.container_restarts for pod in verdict_pods(stage))
    assert verdict.failed
    assert reason(verdict, "workloads did not answer")

    assert {lost_in_etcd, back, older} <= set(verdict.lost)
    told = reason(verdict, f"{len(verdict.lost)} acknowledged writes are lost")
    assert len(verdict.lost) <= 5, told
    assert f"{lost_in_etcd} (absent)" in told
    assert f"{back} (deleted and back)" in told
    assert f"{older} (older)" in told
    assert verdict.content_changed == ("hosted ConfigMap ballast-1/item-01 is gone",)
    claim = f"hosted PersistentVolumeClaim {MONITORING_NAMESPACE}/{CLAIM}"
    assert verdict.volumes_changed == (f"{claim} is gone",)
    assert f"s3 {OIDC_BUCKET}/{stage.names.infra_id}/openid/v1/jwks is gone" in verdict.cloud_changed
    assert any(thing.startswith("security group") for thing in verdict.cloud_changed)

    assert touched <= set(verdict.foreign_changed)
    assert neighbour <= set(verdict.neighbour_changed)
    assert any("the API of" in failure for failure in verdict.neighbour_failed)
    assert reason(verdict, f"the Deployment operator of {FIRST.name} had 1 of 1 pods Ready")
    assert reason(verdict, f"the HyperShift operator of the destination {SECOND.name} was stopped")
    assert verdict.operator_stopped_s > 0

    assert not verdict.split_brain
    assert f"HostedCluster {stage.names.namespace}/{stage.names.name}" in verdict.source_left
    assert reason(verdict, f"no kube-apiserver of {SECOND.name} was ever seen ready")


def verdict_pods(stage: Stage) -> set[str]:
    """The pods of the workload at the beginning."""
    first = next(entry["containers"] for entry in stage.seen("sight") if entry["containers"])
    return {name.split("/")[1] for name in first if name.startswith("workload/")}


def harm_workers(stage: Stage) -> tuple[Worker, Worker, Worker]:
    """One terminated, one rebooted, one with a container that is held until it is missed, and then restarted."""
    mine = {worker.name: worker for worker in workers(stage.layout).values() if worker.infra_id == stage.names.infra_id}
    pod = stage.inside.list(r.POD, "workload").items[0]
    restarted = mine.pop(pod["spec"]["nodeName"])
    rebooted, terminated = mine.values()
    stage.aws("ec2").terminate_instances(InstanceIds=[terminated.instance_id])
    stage.in_region("reboot", "kill", "-9", str(rebooted.pid))
    send = (
        'for process in /proc/[0-9]*; do grep -qs "pod$0" $process/cgroup && grep -qs bin/workload $process/cmdline '
        "&& kill -$1 ${process#/proc/}; done; true"
    )
    stage.in_region("hold", "sh", "-c", send, pod["metadata"]["uid"], "STOP")
    eventually(lambda: any(failed_targets(stage.probes(), "workload")), 60, "the workload is seen without an answer")
    stage.in_region("restart", "sh", "-c", send, pod["metadata"]["uid"], "9")

    def restarts() -> int:
        found = stage.inside.find(r.POD, pod["metadata"]["name"], "workload") or {}
        return sum(one["restartCount"] for one in (found.get("status") or {}).get("containerStatuses") or ())

    eventually(restarts, 60, "the container is restarted")
    eventually(
        lambda: workers(stage.layout)[rebooted.instance_id].boot_id != rebooted.boot_id, 60, "the worker is rebooted"
    )
    return terminated, rebooted, restarted


def surplus_instance(stage: Stage) -> str:
    """It is there for a moment only."""
    seed, ec2 = seeded(stage.layout), stage.aws("ec2")
    tags = [
        {"Key": f"kubernetes.io/cluster/{stage.names.infra_id}", "Value": "owned"},
        {"Key": NO_KUBELET["key"], "Value": NO_KUBELET["value"]},
    ]
    started = ec2.run_instances(
        ImageId=seed.image_id,
        MinCount=1,
        MaxCount=1,
        SubnetId=seed.subnet_id,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    instance: str = started["Instances"][0]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance])
    return instance


def protect(stage: Stage, instance: str) -> None:
    def set_to(value: bool) -> None:  # noqa: FBT001
        stage.aws("ec2").modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": value})

    set_to(True)
    stage.undo.append(lambda: set_to(False))


def forget_in_etcd(stage: Stage) -> str:
    """An acknowledged ConfigMap that no later write has touched so far."""
    count: dict[str, int] = {}
    for write in stage.writes():
        count[write.name] = count.get(write.name, 0) + 1
    name = next(name for name, writes in reversed(count.items()) if writes == 1)
    run_in_etcd(stage.source, stage.names, etcdctl(f"del /registry/configmaps/{NAMESPACE}/{name}"))
    assert stage.inside.find(r.CONFIG_MAP, name, NAMESPACE) is None
    return name


def harm_content_and_cloud(stage: Stage) -> None:
    stage.inside.delete(r.CONFIG_MAP, "item-01", "ballast-1")
    stage.inside.delete(r.PERSISTENT_VOLUME_CLAIM, CLAIM, MONITORING_NAMESPACE)
    stage.aws("s3").delete_object(Bucket=OIDC_BUCKET, Key=f"{stage.names.infra_id}/openid/v1/jwks")
    ec2 = stage.aws("ec2")
    mine = [{"Name": f"tag:kubernetes.io/cluster/{stage.names.infra_id}", "Values": ["owned"]}]
    group = ec2.describe_security_groups(Filters=mine)["SecurityGroups"][0]
    assert group["IpPermissions"]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])


def touch_what_is_foreign(stage: Stage) -> set[str]:
    """A record, an object of the bucket, a Secret, a ConfigMap and a ClusterRole; what the observer has to say."""
    secret = next(thing for thing in stage.sentinels(f"{FIRST.name} Secret ") if thing.startswith("clusters/"))
    stage.source.delete(r.SECRET, secret.partition("/")[2], "clusters")
    config_map = next(thing for thing in stage.sentinels(f"{SECOND.name} ConfigMap ") if thing.startswith(OPERATORS))
    stage.destination.patch(r.CONFIG_MAP, config_map.partition("/")[2], OPERATORS, {"data": {"text": "mine"}})
    (role,) = stage.sentinels(f"{FIRST.name} ClusterRole ")
    stage.source.delete(r.CLUSTER_ROLE, role)
    key = next(thing for thing in stage.sentinels(f"s3 {BUCKET}/") if thing.endswith("-etcd-0-snapshot.db"))
    stage.aws("s3").delete_object(Bucket=BUCKET, Key=key)
    record = next(thing for thing in stage.sentinels("record ") if thing.startswith("twin-"))
    delete_record(stage, record.removesuffix(" CNAME"))
    other = next(thing for thing in stage.sentinels(f"{FIRST.name} Secret ") if thing.startswith(OPERATORS))
    return {
        f"{FIRST.name} Secret {secret} is gone",
        f"{SECOND.name} ConfigMap {config_map} is another",
        f"{FIRST.name} ClusterRole {role} is gone",
        f"s3 {BUCKET}/{key} is gone",
        f"record {record} is gone",
        take_along(stage, stage.source.get(r.SECRET, other.partition("/")[2], OPERATORS)),
    }


def take_along(stage: Stage, secret: Object) -> str:
    """To the other management cluster, into a namespace where it was not."""
    body = {name: secret[name] for name in ("apiVersion", "kind", "data", "type")}
    metadata = {"name": secret["metadata"]["name"], "labels": secret["metadata"]["labels"], "namespace": "default"}
    stage.destination.create(r.SECRET, body | {"metadata": metadata})
    return f"{SECOND.name} Secret default/{metadata['name']} is new"


def delete_record(stage: Stage, name: str) -> None:
    route53, zone = stage.aws("route53"), seeded(stage.layout).zone_id
    pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
    records = [record for page in pages for record in page["ResourceRecordSets"] if record["Name"] == name]
    assert records, name
    changes = [{"Action": "DELETE", "ResourceRecordSet": record} for record in records]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def harm_neighbour(stage: Stage) -> set[str]:
    """Its NodePool, its API server's pod (so that its API does not answer), one record of its own."""
    names = HostedClusterNames(f"{stage.names.name}2")
    place, source = names.control_plane_namespace, stage.source
    annotation = {"metadata": {"annotations": {"staged": "by hand"}}}
    source.patch(r.NODE_POOL, names.node_pool, names.namespace, annotation)
    (pod,) = source.list(r.POD, place, labels="app=kube-apiserver").items
    source.delete(r.POD, pod["metadata"]["name"], place, grace_seconds=1)
    delete_record(stage, f"oauth-{names.name}.{HOSTED_DOMAIN}.")
    return {
        f"{FIRST.name} NodePool {names.namespace}/{names.node_pool} is another",
        f"{FIRST.name} Pod {place}/{pod['metadata']['name']} is gone",
    }


def stop_operators(stage: Stage) -> None:
    """The source's for good, the destination's for a moment."""
    for side in (stage.source, stage.destination):
        stage.scale(side, "operator", OPERATORS, 0)
        stage.undo.append(lambda side=side: stage.scale(side, "operator", OPERATORS, 1))  # type: ignore[misc]
    time.sleep(3)  # the observer counts once a second
    stage.scale(stage.destination, "operator", OPERATORS, 1)


def bring_back(stage: Stage) -> str:
    """A ConfigMap whose deletion was acknowledged."""
    name = next(write.name for write in stage.writes() if write.verb == "delete")
    run = stage.inside.list(r.CONFIG_MAP, NAMESPACE, labels=LABEL).items[0]["metadata"]["labels"][LABEL]
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {LABEL: run}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content(name, 1)}
    stage.inside.create(r.CONFIG_MAP, body)
    return name


def make_older(stage: Stage) -> str:
    """The ConfigMap updated last: its writer comes back to it when it has been through all others."""
    name = next(write.name for write in reversed(stage.writes()) if write.verb == "update" and not write.side)
    stage.inside.patch(r.CONFIG_MAP, name, NAMESPACE, {"data": content(name, 1)})
    return name


def test_two_control_planes_from_one_snapshot_are_told(hosted: Hosted, tmp_path: Path) -> None:
    """A relocation without fence: the destination is made from a snapshot while the source goes on; only then the
    source ends and the name moves. Before it the observer looks while nothing happens: it changes nothing itself."""
    with staged(hosted, tmp_path / "before") as stage:
        verdict = stage.observation.conclude()
        assert laid_down(stage) == []
    unmeasured = [reason for reason in verdict.reasons if SECOND.name in reason]
    assert set(verdict.reasons) - set(unmeasured) == {reason(verdict, "left on the source")}
    assert len(unmeasured) == 3

    with staged(hosted, tmp_path / "then") as stage:
        url = snapshot(stage)
        take_over(stage, url)
        eventually(
            lambda: [write for write in stage.writes() if write.side == SECOND.name and write.kept],
            120,
            "the destination takes writes",
        )
        eventually(lambda: list(overlapping(ready_windows(stage.readiness()))), 120, "both sides are ready")
        end_source(stage)
        moved = time.time()
        eventually(
            lambda: [write for write in stage.writes() if not write.side and write.started > moved],
            120,
            "the name leads to the destination",
        )
        verdict = stage.observation.conclude()
        say("\n".join(verdict.reasons))
        left = [write for write in stage.writes() if write.side == FIRST.name]

    assert verdict.split_brain
    brains = [reason for reason in verdict.reasons if reason.startswith("split brain")]
    assert any("were both ready" in reason for reason in brains)
    assert any(
        f"the source {FIRST.name} acknowledged" in told and "after the first write on" in told for told in brains
    )
    assert any("after the snapshot" in told for told in brains)
    assert {write.kept for write in left} == {False, True}
    assert len(verdict.lost) > 10
    assert verdict.instances_terminated == ()
    assert verdict.foreign_changed == ()


def laid_down(stage: Stage) -> list[str]:
    """What bears the observer's label on either side and is not on its way out."""
    return [
        item["metadata"]["name"]
        for side in (stage.source, stage.destination)
        for kind in (r.CONFIG_MAP, r.SECRET, r.NAMESPACE, r.ROLE, r.CLUSTER_ROLE, r.CLUSTER_ROLE_BINDING)
        for item in side.list(kind, labels=LABEL).items
        if not item["metadata"].get("deletionTimestamp")
    ]


def snapshot(stage: Stage) -> str:
    """A URL under which it can be read for an hour."""
    target = {"Bucket": BUCKET, "Key": f"staged/{stage.names.name}.db"}
    s3 = stage.aws("s3")
    put = s3.generate_presigned_url("put_object", Params=target, ExpiresIn=3600)
    path = "/var/lib/data/staged.db"
    run_in_etcd(stage.source, stage.names, f"{etcdctl(f'snapshot save {path}')} && curl -sfT {path} '{put}'")
    url: str = s3.generate_presigned_url("get_object", Params=target, ExpiresIn=3600)
    return url


def take_over(stage: Stage, url: str) -> None:
    """The same control plane once more, on the destination."""
    names, source, destination = stage.names, stage.source, stage.destination
    hosted_cluster = source.get(r.HOSTED_CLUSTER, names.name, names.namespace)
    with suppress(AlreadyExists):  # it is prepared for the product's user
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stage.place}}
        destination.create(r.NAMESPACE, namespace)
    wanted = [source.get(r.SECRET, name, names.namespace) for name in referenced_secrets(hosted_cluster)]
    wanted += source.list(r.SECRET, stage.place).items
    for secret in wanted:
        if not secret["metadata"]["name"].startswith(("token-", "user-data-")):
            metadata = {name: secret["metadata"][name] for name in ("name", "namespace")}
            body = {name: secret[name] for name in ("apiVersion", "kind", "data", "type") if name in secret}
            destination.create(r.SECRET, body | {"metadata": metadata})
    spec = copy.deepcopy(hosted_cluster["spec"])
    spec["etcd"]["managed"]["storage"]["restoreSnapshotURL"] = [url]
    metadata = {
        "name": names.name,
        "namespace": names.namespace,
        "finalizers": hosted_cluster["metadata"]["finalizers"],
    }
    kind = {"apiVersion": r.HOSTED_CLUSTER.api_version, "kind": r.HOSTED_CLUSTER.kind}
    destination.create(r.HOSTED_CLUSTER, kind | {"metadata": metadata, "spec": spec})


def end_source(stage: Stage) -> None:
    """Paused, without operator and API server, and its routes gone, so that external-dns gives the name up."""
    names, source = stage.names, stage.source
    source.patch(r.HOSTED_CLUSTER, names.name, names.namespace, {"spec": {"pausedUntil": "true"}})

    def is_paused() -> bool:
        plane = source.get(r.HOSTED_CONTROL_PLANE, names.name, stage.place)
        return any(
            (one["type"], one["status"]) == ("ReconciliationActive", "False") for one in plane["status"]["conditions"]
        )

    eventually(is_paused, 60, "the source is paused")
    for name in ("control-plane-operator", "kube-apiserver"):
        stage.scale(source, name, stage.place, 0)
    stage.undo.append(lambda: stage.scale(source, "control-plane-operator", stage.place, 1))
    for pod in source.list(r.POD, stage.place, labels="app=kube-apiserver").items:
        source.delete(r.POD, pod["metadata"]["name"], stage.place, grace_seconds=1)
    for route in source.list(r.ROUTE, stage.place).items:
        source.delete(r.ROUTE, route["metadata"]["name"], stage.place)
