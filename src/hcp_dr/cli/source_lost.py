"""`hcp-dr restore --source-lost`: from the last verified backup, while the source does not answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hcp_dr.cli.asking import Output, confirm, who
from hcp_dr.cli.beginning import NOT_BY_THIS_COMMAND, nothing_begun
from hcp_dr.cli.folders import journaled_below, state_folder
from hcp_dr.cli.phases import show_outcome
from hcp_dr.cli.progress import Teller
from hcp_dr.cli.session import Session, open_session, stoppable
from hcp_dr.config import Settings
from hcp_dr.engine import journal as journals
from hcp_dr.engine.bucket_lease import BucketLease
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.silence import must_be_silent
from hcp_dr.engine.step import Check
from hcp_dr.engine.wait import StopRequested, SystemClock
from hcp_dr.errors import ArchiveError, JournalError, NoBackup, NotRestorable, SettingsError
from hcp_dr.folder import BackupFolder
from hcp_dr.hypershift import source_loss
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Manifest, read_manifest
from hcp_dr.procedure import RESTORE_LOST, losing, working_steps
from hcp_dr.procedure.resume.refill import STEP as REFILL


def restore_lost(env_file: Path | None, backup: Path | None, output: Output, *, reason: str, yes: bool) -> None:
    """Says what is lost, and what must be fenced by hand, before anything is done."""
    with nothing_begun():
        if not reason.strip():
            raise SettingsError(what="--source-lost needs a --reason.", todo='Say why: --reason "...".')
        session = open_session(env_file, backup, online=True)
        case, manifest = _chosen(session, backup)
        with stoppable(session):
            _prover(session, session.ports, case)()
        told: dict[str, Any] = {
            "reason": reason.strip(),
            "who": who(session.ports),
            "at": source_loss.moment_of(manifest, session.told().memory),
            "began": time.time(),
        }
        checks = _checks(session, case, told)
        for check in checks:
            print(f"{check.verdict} {check.name}: {check.seen}. {check.todo}".rstrip(), file=sys.stderr)
        what = (
            f"Hosted cluster {case.namespace}/{case.name} is restored on {case.destination} from {session.folder.path}"
        )
        confirm(case.name, what=f"{what}: {checks[0].seen}.", yes=yes)
    _carry_out(session, case, output, told)


def resume_lost(session: Session, case: Case, output: Output) -> None:
    """What `restore_lost` began. Before the point of no return the source must still be silent. Where another machine
    went on with another command, its journal is taken and nothing else is done."""
    told = session.told().memory.mapping(source_loss.LOST)
    if not session.told().acted_in(POINT_OF_NO_RETURN):
        with nothing_begun(NOT_BY_THIS_COMMAND), stoppable(session):
            _prover(session, session.ports, case)()
    _carry_out(session, case, output, told, resumed=True)


def _carry_out(
    session: Session, case: Case, output: Output, told: dict[str, Any] | Any, *, resumed: bool = False
) -> None:
    known = session.ports
    session.ports = replace(known, source=source_loss.lost_source())
    lease = session.lease(case, BucketLease(known.bucket, case.namespace, case.name))
    with stoppable(session), ExitStack() as stack:
        journal = stack.enter_context(closing(session.journal()))
        stack.enter_context(lease.held())
        work = session.undertaking(case, journal, lease)
        found = work.catch_up(REFILL)
        if resumed and journal.story.command != RESTORE_LOST:
            session.ports = known
            return
        if resumed:
            told = journal.memory.mapping(source_loss.LOST) or told
            work.begin("resumed")
        else:
            losing.must_be_before(journal.story, session.folder.folder)
            work.begin("begin", command=RESTORE_LOST, case=case.to_json())
        if told is None:
            raise NoBackup(object=case.name, folder="", reason="the journal does not say what is lost", todo=_AGAIN)
        checks = _checks(session, case, told)
        if not resumed:
            journal.write("remember", key=source_loss.LOST, value=told)
            journal.write("checked", step="source_lost", checks=[asdict(check) for check in checks])
        carry = losing.carrying(_prover(session, known, case, lease))
        found = (*found, *checks, *work.carry_out(working_steps(RESTORE_LOST), carry=carry))
    show_outcome(session, journal, found, output)


_AGAIN = "Run `hcp-dr abort`, and restore another backup."


def _checks(session: Session, case: Case, told: dict[str, Any]) -> tuple[Check, ...]:
    return source_loss.checks(case, told, session.folder.folder)


def _prover(session: Session, ports: Ports, case: Case, lease: Lease | None = None) -> Callable[[], None]:
    """Raises SourceAnswers, StopRequested, LeaseLost."""

    def between() -> None:
        if session.stop.is_set():
            raise StopRequested
        if lease is not None:
            lease.keep()

    return lambda: must_be_silent(losing.asked(ports, case), SystemClock(session.stop), Teller(), between)


def _chosen(session: Session, backup: Path | None) -> tuple[Case, Manifest]:
    """Of --backup, or else the newest of all that are known here. What is passed over is told. Raises NoBackup,
    NotRestorable, SettingsError."""
    odd: list[str] = []
    refused: NotRestorable | None = None
    folders = _newest_first(session, backup, odd)
    _must_be_of_one(session.settings, folders)
    for folder in folders:
        session.folder, session.ports = folder, replace(session.ports, archive=folder)
        try:
            session.must_be_usable()
            story = session.told()
            losing.must_be_before(story, folder.folder)
            case = session.fitting(story)
            manifest = source_loss.must_be_verified(folder, story, session.ports, case)
            return losing.towards(case, session.ports.destination), manifest
        except (ArchiveError, SettingsError, NotRestorable) as error:
            refused = refused or (error if isinstance(error, NotRestorable) else None)
            odd.append(error.what)
            print(f"Passed over {folder.path}: {error.what}", file=sys.stderr)
    if refused is not None:  # the newest of those says what can be done with it
        raise refused
    settings = session.settings
    where = backup or state_folder(settings)
    reason = "; ".join(each.rstrip(".") for each in odd) or f"no folder with a snapshot is at or below {where}"
    raise NoBackup(object=f"{settings.hc_cluster_ns}/{settings.hc_cluster_name}", folder="", reason=reason)


def _must_be_of_one(settings: Settings, folders: Sequence[BackupFolder]) -> None:
    """The source is lost, so that nobody can say which of two namesakes it was. Raises SettingsError."""
    newest: dict[str, BackupFolder] = {}
    for folder in folders:
        case = (journals.read(folder.path) or journals.Story()).case or {}
        if (case.get("namespace"), case.get("name")) == (settings.hc_cluster_ns, settings.hc_cluster_name):
            newest.setdefault(str(case.get("infra_id")), folder)
    if len(newest) > 1:
        told = " and ".join(f"infraID {infra_id} in {folder.path}" for infra_id, folder in newest.items())
        raise SettingsError(
            what=f"The backups here are of several hosted clusters called "
            f"{settings.hc_cluster_ns}/{settings.hc_cluster_name}: {told}.",
            todo="Find out by the tag kubernetes.io/cluster/INFRAID of the instances which one was lost, and name a "
            "backup of it with --backup.",
        )


def _newest_first(session: Session, backup: Path | None, odd: list[str]) -> list[BackupFolder]:
    settings = session.settings
    named = (settings.backup_dir, settings.hc_cluster_dir and settings.hc_cluster_dir / "backup")
    paths = [backup] if backup else [*filter(None, named), *journaled_below(state_folder(settings))]
    found: list[tuple[float, BackupFolder]] = []
    for path in paths:
        folder = BackupFolder(path)
        try:
            manifest, story = read_manifest(folder), journals.read(folder.path) or journals.Story()
        except (ArchiveError, JournalError) as error:
            odd.append(error.what)
            continue
        if manifest is not None and manifest.snapshot is not None:
            found.append((source_loss.moment_of(manifest, story.memory), folder))
    return [folder for _, folder in sorted(found, key=lambda each: each[0], reverse=True)]
