"""The judgement of a backup made with the documented commands: missing or wrong objects in the folder, on the source,
in the bucket and in EC2. `by_hand.judge_backup` judges it before any write, `by_hand.accept_backup` again before it
accepts the folder."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Check, Decision, Do, Done, Refuse
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import SnapshotDoubtful
from hcp_dr.hypershift import inventory
from hcp_dr.hypershift.backup_objects import is_ours
from hcp_dr.hypershift.checks import verdict
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.etcd.restore_url import URL_LENGTH as URL_LIMIT
from hcp_dr.hypershift.etcd.restore_url import URL_SECONDS
from hcp_dr.hypershift.fence.state import IGNORE_PAUSE, Fence, read_fence
from hcp_dr.hypershift.machines.instances import instance_id
from hcp_dr.hypershift.manual_backup import folder as manual_folder
from hcp_dr.hypershift.manual_backup import snapshot as manual_snapshot
from hcp_dr.hypershift.manual_backup.folder import Contents, Lack, named
from hcp_dr.hypershift.manual_backup.snapshot import HandSnapshot, check_stored, check_whole
from hcp_dr.hypershift.state import ETCD_RESTORE, JUDGED, Judged
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, name_of, some


@dataclass(frozen=True, slots=True)
class Facts:
    contents: Contents
    fence: Fence
    bucket: str
    snapshot: HandSnapshot
    etcd: Etcd  # whether it can be restored
    running: frozenset[str]  # ids of running instances, by EC2
    versions: tuple[tuple[str, str], ...]  # of each NodePool of the folder, "" if unknown (rule A8)
    url_length: int
    on_destination: bool  # a HostedCluster that was not created by this relocation
    judged: Judged | None  # remembered: the first judgement of the snapshot, with its ETag


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    folder = manual_folder.read(ports.archive, case)
    live = inventory.read_inventory(ports.source, case, manual_folder.machine_versions(folder))
    contents = manual_folder.read_contents(ports.archive, folder, live, case)
    ids = [known for item in contents.backup if item["kind"] == "AWSMachine" and (known := instance_id(item))]
    judged = memory.get(JUDGED)
    found = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    hosted_cluster = next(item for item in (*contents.backup, *live) if item["kind"] == HOSTED_CLUSTER.kind)
    return Facts(
        contents=contents,
        fence=replace(read_fence(ports.source, case), known=judged.generations if judged else {}),
        bucket=ports.bucket.name,
        snapshot=manual_snapshot.read_manual_snapshot(ports, case, judged),
        etcd=restorable.known(hosted_cluster, ports.source, case, memory, lost=False),
        running=frozenset(i.instance_id for i in ports.instances.describe(ids) if i.state == "running"),
        versions=tuple(pool_versions(contents).items()),
        url_length=len(ports.bucket.presign_get(case.snapshot_key, seconds=URL_SECONDS)),
        on_destination=found is not None and not is_ours(found, case.backup_id),
        judged=judged,
    )


def pool_versions(contents: Contents) -> dict[str, str]:
    """The release of each NodePool of the folder: by its own status, which the documented command removes, else by the
    status on the source."""
    live = {name_of(item): item for item in contents.live if item["kind"] == "NodePool"}
    versions = {}
    for pool in (item for item in contents.backup if item["kind"] == "NodePool"):
        candidates = (dig(each, "status", "version") for each in (pool, live.get(name_of(pool))))
        versions[name_of(pool)] = next((str(version) for version in candidates if version), "")
    return versions


def writers_of(fence: Fence) -> Fence:
    """Without the Deployments that the documented commands leave running. They cannot write to etcd without the API."""
    return replace(fence, workloads=tuple(item for item in fence.workloads if item.name not in IGNORE_PAUSE))


def checks(facts: Facts) -> tuple[Check, ...]:
    return (
        *_check_contents(facts),
        _check_identity(facts),
        _check_machines(facts),
        _check_pools(facts),
        _check_fence(facts),
        *facts.etcd.checks,
        check_stored(facts.snapshot, facts.bucket),
        *((whole(facts),) if facts.snapshot.stored else ()),
        _check_url(facts),
        _check_destination(facts),
    )


def whole(facts: Facts) -> Check:
    """The first judgement: etcd's revision keeps rising, and a loss needs only one confirmation."""
    return facts.judged.whole if facts.judged and _is_same(facts) else check_whole(facts.snapshot)


def _is_same(facts: Facts) -> bool:
    """Is it still the object that was judged?"""
    stored, judged = facts.snapshot.stored, facts.judged
    return judged is None or (stored is not None and stored.etag == judged.etag)


def _join(lacks: tuple[Lack, ...]) -> str:
    return "; ".join(str(lack) for lack in lacks)


def _commands(lacks: tuple[Lack, ...]) -> str:
    return "; ".join(lack.command for lack in lacks if lack.command) or "the source no longer has it either"


def _check_contents(facts: Facts) -> list[Check]:
    contents = facts.contents
    needed, spare = contents.lacking()
    deciding, other = contents.outdated()
    checks_found = [
        _blocked(
            "files",
            "; ".join(contents.problems),
            f"{len(contents.backup)} objects of this hosted cluster are in {contents.folder}",
            "a file that cannot be parsed is a missing object",
            "correct these files, or remove them from the folder",
        ),
        _blocked(
            "complete",
            f"missing: {_join(needed)}" if needed else "",
            "no needed object is missing",
            "on the destination it would be created again with other content, or never",
            f"add it: {_commands(needed)}",
        ),
        _blocked(
            "up_to_date",
            f"changed on the source since: {_join(deciding)}" if deciding else "",
            "the decisive objects are the same on the source and in the folder",
            "the source was fenced with its current objects, and its workers depend on them",
            f"save it again: {_commands(deciding)}",
        ),
    ]
    if spare or other:
        message = "; ".join(
            x for x in (_join(spare) and f"missing: {_join(spare)}", _join(other) and f"old: {_join(other)}") if x
        )
        todo = f"add it, if it was written by a person: {_commands((*spare, *other))}"
        checks_found.append(
            Check("made_anew", "warning", message, "the destination's operators create these again", todo)
        )
    return checks_found


def _blocked(name: str, bad: str, good: str, why: str, todo: str) -> Check:
    return Check(name, "blocked", bad, why, todo) if bad else Check(name, "ok", good)


def _check_identity(facts: Facts) -> Check:
    """The folder's HostedCluster compared with the source's."""
    backup, live = (
        next((item for item in items if item["kind"] == "HostedCluster"), None)
        for items in (facts.contents.backup, facts.contents.live)
    )
    backup_ids, live_ids = (
        [str(dig(item, "spec", key) or "") for key in ("clusterID", "infraID")] for item in (backup, live)
    )
    is_same = backup is None or (backup_ids == live_ids and all(backup_ids))
    problem = "" if is_same else f"{' and '.join(backup_ids)} in the folder, {' and '.join(live_ids)} on the source"
    return _blocked(
        "cluster_id",
        problem,
        f"clusterID and infraID are {' and '.join(live_ids)}",
        "without them the identity of the serving cluster cannot be proven later",
        "this folder belongs to another cluster, or to another time: make it again",
    )


def _check_machines(facts: Facts) -> Check:
    contents = facts.contents
    machines = [item for item in contents.backup if item["kind"] == "AWSMachine"]
    lost = [f"{named(item)} ({i})" for item in machines if (i := instance_id(item)) and i not in facts.running]
    problems = [*contents.broken(), *(f"no running instance: {name}" for name in lost)]
    return _blocked(
        "restorable",
        "; ".join(problems),
        f"{len(machines)} AWSMachines with running instances, authorities with their keys",
        "such an AWSMachine creates a new instance, and with a new authority the cluster is lost",
        "save these objects again from the source; if it does not have them either, this backup cannot be restored",
    )


def _check_pools(facts: Facts) -> Check:
    unknown = [name for name, version in facts.versions if not version]
    return _blocked(
        "node_pool_versions",
        f"the running release is unknown: NodePool {', '.join(unknown)}" if unknown else "",
        some([f"{name} {version}" for name, version in facts.versions]) or "none",
        "a NodePool without status.version counts as new, and rolls",
        "write `status: {version: X.Y.Z}` into np-<NodePool>.yaml, with the version of its nodes",
    )


def _check_fence(facts: Facts) -> Check:
    return _blocked(
        "fence",
        writers_of(facts.fence).breach() or "",
        "the source is paused, and no API server has a pod there",
        "later writes are not in the snapshot, and two control planes would accept writes",
        "pause it and scale the four Deployments to 0 (8.6.2-2), then save and upload the snapshot again (8.6.2-3)",
    )


def _check_url(facts: Facts) -> Check:
    return _blocked(
        "restore_url",
        f"the presigned URL has {facts.url_length} characters" if facts.url_length > URL_LIMIT else "",
        f"{facts.url_length} of {URL_LIMIT} characters",
        f"restoreSnapshotURL takes {URL_LIMIT} characters; session credentials make it longer",
        "use credentials of an IAM user instead of a session, or a shorter bucket name",
    )


def _check_destination(facts: Facts) -> Check:
    return _blocked(
        "destination_free",
        "a HostedCluster of this name is on the destination" if facts.on_destination else "",
        "the name is free there",
        "deleting it there could terminate the instances of the live one",
        "find its owner; continue your own stopped restore with `hcp-dr resume`",
    )


def plan(facts: Facts) -> Decision:
    if not _is_same(facts):
        return Refuse(
            SnapshotDoubtful(
                what=f"The object {facts.snapshot.key} in bucket {facts.bucket} has changed since it was judged.",
                left=Untouched("Nothing was restored.", since=("restore",)),
                todo="Find out which client overwrites it. Then remove the journal from the folder, and restore again.",
            )
        )
    decision = verdict(checks(facts))
    if facts.judged is None and isinstance(decision, Done):
        return Do((JUDGED.remember(_judged(facts)), *_remember_probe(facts)))
    return decision


def _remember_probe(facts: Facts) -> tuple[Remember, ...]:
    looked = facts.etcd.looked
    return (ETCD_RESTORE.remember(looked),) if looked else ()


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, judged=_judged(facts))


def _judged(facts: Facts) -> Judged:
    """Includes the generations of the writers' Deployments: any start since then increases them."""
    snapshot = facts.snapshot
    return Judged(
        etag=snapshot.stored.etag if snapshot.stored else "",
        whole=whole(facts),
        digest=snapshot.digest,
        saved=snapshot.saved,
        generations=writers_of(facts.fence).generations,
    )
