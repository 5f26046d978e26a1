"""Whether a relocation of this hosted cluster is begun: by whom, where, and how far. Read before a command begins
another one, or checks a state that a begun relocation has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hcp_dr.commands.context import Context
from hcp_dr.commands.left_as_was import NOTHING_CHANGED
from hcp_dr.engine.journal import RESTORE_BY_HAND, JournalState, parse_journal
from hcp_dr.engine.mirror import reconcile
from hcp_dr.engine.peers import another_cluster, known_uid
from hcp_dr.engine.remote_state import RemoteState, read_remote_state
from hcp_dr.errors import (
    HcpDrError,
    JournalError,
    KubernetesError,
    NewerJournal,
    NotAuthentic,
    NothingToResume,
    Unfinished,
)
from hcp_dr.hypershift.backup_objects import is_ours
from hcp_dr.hypershift.source_loss import is_lost, lost_source
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Side
from hcp_dr.objects.moments import utc
from hcp_dr.objects.naming import bucket_prefix
from hcp_dr.objects.reading import uid_of
from hcp_dr.procedure import BACKUP_ONLINE, RESTORE_LOST, UNDO, working_steps

RESUME = "resume"
_PHASES = ("backup", "restore", "verify", "teardown", "finish")
_LAST_PHASE = {RESTORE_BY_HAND: "restore", RESTORE_LOST: "verify", "relocate": "finish"}


def next_command(story: JournalState) -> str | None:
    """The command that continues the relocation of a journal: `resume`, or the phase that follows; None if there is
    none. A phase that was run again changes nothing: what counts is the furthest phase."""
    if story.command is None:
        return None
    if not story.ended:
        return RESUME
    if story.aborted or story.command == BACKUP_ONLINE:
        return None
    following = _PHASES[_furthest(story) + 1 :]
    if is_lost(story.memory) and "teardown" in following:
        return None  # the source does not answer
    return following[0] if following else None


def _furthest(story: JournalState) -> int:
    return max((_PHASES.index(_LAST_PHASE.get(each, each)) for each in _ended_commands(story)), default=0)


def _ended_commands(story: JournalState) -> Iterator[str]:
    command = ""
    for line in story.lines:
        if line.kind == "begin":
            command = line.text("command") or ""
        elif line.kind == "end" and _LAST_PHASE.get(command, command) in _PHASES:
            yield command


def is_over(story: JournalState, phase: str) -> bool:
    """Whether the relocation has ended, after this phase."""
    counts = story.ended and not story.aborted and story.command != BACKUP_ONLINE
    return counts and next_command(story) is None and _PHASES.index(phase) <= _furthest(story)


def steps_of(story: JournalState) -> list[str]:
    """The steps of the journal's command, in order."""
    if story.aborted:
        return [step.name for step in UNDO if step.name in story.memory.begun]
    return [step.name for step in working_steps(story.command or "")]


def may_be_aborted(story: JournalState) -> bool:
    """By the journal alone."""
    by_hand = any(line.get("command") == RESTORE_BY_HAND for line in story.lines)
    return not (story.aborted or by_hand or story.acted_in(POINT_OF_NO_RETURN))


def unfinished(story: JournalState, where: str, *, at_work: str = "") -> Unfinished:
    """The error for a command that would begin, although a relocation is begun. `where` is the place of its journal,
    `at_work` the holder of its Lease."""
    case, begins = story.case or {}, story.of_kind("begin", "resumed")
    follows = next_command(story) or RESUME
    who = (begins[0].text("by") if begins else None) or "?"
    begun = f"begun {utc(begins[0].at if begins else 0.0)} by {who.partition(' run ')[0]}"
    left = len([step for step in steps_of(story) if step not in story.memory.done | story.memory.undone])
    state = f"{follows} follows" if story.ended else f"it is at {story.current or 'the next step'}, {left} steps left"
    todo = f"Wait until {at_work} has ended; follow it with `hcp-dr status`."
    if not at_work:
        undo = ", or undo it with `hcp-dr abort`" if may_be_aborted(story) else ""
        todo = f"Continue it with `hcp-dr {follows}`{undo}; `hcp-dr status` shows its state."
    return Unfinished(
        path=where,
        folder=where,
        object=f"{case.get('namespace')}/{case.get('name')}",
        backup=str(case.get("backup_id")),
        command=f"{story.command} {'has ended' if story.ended else 'has not ended'}",
        state=f"{begun}; {state}",
        left=NOTHING_CHANGED,
        todo=todo,
    )


def read_remote(
    context: Context, backup_id: str | None = None, case: Case | None = None, *, lost: bool = False
) -> RemoteState:
    """The state of the relocation in both Leases and the mirror, as far as they are reachable. A management cluster is
    not read if it is another than in the case; a `lost` source is not asked."""
    requested = context.requested

    def cluster(side: Side) -> Kubernetes:
        if lost and side == "source":
            return lost_source()
        found = context.cluster(side)
        other = another_cluster(found, case, side) if case is not None and known_uid(case, side) else None
        if other is not None:
            raise other.error
        return found

    return read_remote_state(
        lambda: cluster("source"),
        lambda: cluster("destination"),
        context.bucket,
        context.folder,
        namespace=requested.namespace,
        name=requested.name,
        backup_id=backup_id,
    )


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest journal known here, of the folder or of the bucket."""

    story: JournalState
    where: str
    local: bool


def find_newest(context: Context, story: JournalState | None, remote: RemoteState) -> Newest | None:
    """The newer of the journal in the folder and the one in the bucket; a journal that cannot be read does not count.
    Raises NewerJournal, and NotAuthentic if the folder has no journal."""
    here = None
    if story is not None and story.command is not None:
        here = Newest(story, context.folder.folder, local=True)
    mirror = remote.mirror
    if here is None and isinstance(mirror, NotAuthentic):
        raise mirror
    if mirror is None or isinstance(mirror, HcpDrError):
        return here
    try:
        there = Newest(mirror.story, f"s3://{context.requested.bucket}/{mirror.prefix}", local=False)
    except NewerJournal:
        raise
    except JournalError:
        return here
    if here is None:
        return there
    root = bucket_prefix(context.requested.namespace, context.requested.name)
    if mirror.prefix == f"{root}{(here.story.case or {}).get('backup_id')}":
        try:
            lines = here.story.lines
            return here if reconcile(lines, there.story.lines, "") is lines else there
        except JournalError:
            return here
    latest = [each.story.lines[-1].at for each in (here, there)]
    return here if latest[0] >= latest[1] else there


def nothing_known(folder: str, remote: RemoteState) -> NothingToResume:
    """The error for a folder without a journal, and no journal in the bucket. It advises a beginning only if everything
    could be read."""
    unread = "; ".join(f"the {place} was not read: {error.what}".rstrip(".") for place, error in remote.unread.items())
    if unread:
        return NothingToResume(
            reason=f"{folder} holds no journal, and the search is incomplete: {unread}",
            todo="Make these reachable and run the command again, or name the backup folder with --backup.",
        )
    return NothingToResume(reason=f"{folder} holds no journal, and the bucket has none for this hosted cluster")


def check_nothing_begun(context: Context) -> None:
    """On any machine. An online backup that is not finished does not count: it has changed nothing. Nor does a
    relocation of an earlier HostedCluster of this name. A journal without a proof counts while no key exists: it can
    only refuse. Raises Unfinished, NewerJournal, NotAuthentic."""
    remote = read_remote(context)
    unproven = remote.unproven
    found = (
        find_newest(context, None, remote)
        if unproven is None
        else Newest(parse_journal(unproven.content, unproven.where), unproven.where, local=False)
    )
    if found is None or found.story.command == BACKUP_ONLINE or next_command(found.story) in (None, "finish"):
        return
    if _is_of_another(context, found.story):
        return
    now = context.connections.now()
    holders = [each.holder for each in remote.statuses if each.holder and each.renewed_within(now)]
    raise unfinished(found.story, found.where, at_work=holders[0] if holders else "")


def check_none_started(context: Context, backup_id: str) -> None:
    """On any machine, no relocation other than of this backup has started a control plane on the destination and is not
    finished: its etcd has newer writes than any backup. A journal without a proof ends no restore: the namespace on the
    destination shows the control plane too. Raises Unfinished, NewerJournal."""
    try:
        found = find_newest(context, None, read_remote(context, lost=True))
    except NotAuthentic:
        return
    if found is None or (found.story.case or {}).get("backup_id") == backup_id:
        return
    if found.story.acted_in(POINT_OF_NO_RETURN) and next_command(found.story) is not None:
        raise unfinished(found.story, found.where)


def _is_of_another(context: Context, story: JournalState) -> bool:
    """Whether the source has another HostedCluster of this name, which the relocation neither had nor created."""
    case, wanted = story.case or {}, context.requested
    try:
        hosted_cluster = context.cluster("source").find(HOSTED_CLUSTER, wanted.name, wanted.namespace)
    except KubernetesError:
        return False
    uid = str(case.get("hosted_cluster_uid") or "")
    if hosted_cluster is None or not uid:
        return False
    return uid_of(hosted_cluster) != uid and not is_ours(hosted_cluster, str(case.get("backup_id")))
