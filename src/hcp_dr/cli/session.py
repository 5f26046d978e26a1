"""From settings to a run: opens the adapters, finds out which relocation this is, opens its journal."""

from __future__ import annotations

import secrets
import signal
import string
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from hcp_dr import config
from hcp_dr.aws.client import Aws, settings_from
from hcp_dr.aws.client import connect as connect_aws
from hcp_dr.cli.asking import Output
from hcp_dr.cli.beginning import NOTHING_CHANGED, ONLY_OURS_CHANGED
from hcp_dr.cli.folders import backup_folder, folder_of, online_folder
from hcp_dr.cli.progress import Teller
from hcp_dr.cli.unforeseen import working_in
from hcp_dr.engine import journal as journals
from hcp_dr.engine.around import ask_around
from hcp_dr.engine.bucket_lease import Leases
from hcp_dr.engine.journal import Journal, Story
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.lines import case_of
from hcp_dr.engine.run import Run
from hcp_dr.engine.step import Watch
from hcp_dr.engine.telling import Progress
from hcp_dr.engine.undertaking import Undertaking
from hcp_dr.engine.wait import StopRequested, SystemClock
from hcp_dr.errors import (
    JournalError,
    NothingToResume,
    SettingsError,
    Unfinished,
)
from hcp_dr.folder import BackupFolder
from hcp_dr.hypershift.access.tls import must_be_accepted
from hcp_dr.hypershift.manual_backup.folder import is_made_by_hand
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.client import connect as connect_kube
from hcp_dr.kube.port import Kubernetes
from hcp_dr.model import Case, Dns, Ports, Side
from hcp_dr.objects.naming import backup_id_of
from hcp_dr.procedure import BACKUP_ONLINE, calling_off
from hcp_dr.procedure.case import Asked, discover, recognized

EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file with the documented variables.")]
Backup = Annotated[Path | None, typer.Option("--backup", help="The backup folder; else BACKUP_DIR.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="text, json or yaml, on stdout.")]
DnsOption = Annotated[
    Dns,
    typer.Option(
        "--dns",
        help="release: wait until the source's external-dns has removed its records. takeover: delete exactly those, "
        "where it is dead. handover: give them to the destination's external-dns, so that the names are never absent.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for the hosted cluster's name.")]
Accept = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="CHECK", help="Go on although this check stops, with a --reason; repeatable."),
]
Reason = Annotated[
    list[str] | None, typer.Option("--reason", metavar="TEXT", help="Why, for the --accept in the same place.")
]
DocumentedKey = Annotated[
    bool, typer.Option("--documented-key", help="Also put the snapshot under <cluster>-etcd-0-snapshot.db.")
]

_ID_LETTERS = string.ascii_lowercase + string.digits


def fresh_id() -> str:
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(12))


@dataclass(slots=True)
class Session:
    """One command's settings, adapters and backup folder. Nothing is asked of the world before it is needed."""

    settings: config.Settings
    ports: Ports
    folder: BackupFolder
    stop: threading.Event

    def discover(self) -> Case:
        settings = self.settings
        pools = tuple(settings.nodepools.replace(",", " ").split()) if settings.nodepools else None
        asked = Asked(
            namespace=settings.hc_cluster_ns,
            name=settings.hc_cluster_name,
            source=settings.mgmt_cluster_name,
            destination=settings.mgmt2_cluster_name,
            region=settings.mgmt2_region,
            bucket=settings.bucket_name,
            zone_id=settings.aws_zone_id,
            domain=settings.external_dns_domain.rstrip(".").lower(),
            node_pools=pools,
            replicas=settings.node_pool_replicas,
            part_mib=settings.snapshot_part_mib,
        )
        backup_id = backup_id_of(self.folder.path.name, fresh_id()[:6])
        return discover(asked, self.ports.source, self.ports.destination, backup_id)

    def story(self) -> Story | None:
        return journals.read(self.folder.path)

    def journal(self) -> Journal:
        return Journal(self.folder.path, now=time.time)

    def must_be_usable(self, *, by_hand: bool = False) -> None:
        """Before any cluster is asked. Raises ArchiveError, JournalError where the backup folder is not ours to use."""
        if warning := self.folder.must_be_usable(by_hand=by_hand):
            Teller()(Progress("warned", "backup folder", warning))

    def must_be_new(self) -> None:
        """Raises Unfinished, JournalError where the folder has a journal already, ArchiveError where it is not ours."""
        self.must_be_usable()
        story = self.story()
        if story is None or story.command is None:
            return
        if not story.ended:
            raise self._unfinished(story)
        raise JournalError(
            path=self.folder.path / journals.FILE_NAME,
            reason=f"the folder holds a finished {story.command}",
            left=NOTHING_CHANGED,
            todo="Choose another BACKUP_DIR for a new relocation.",
        )

    def known_case(self, command: str) -> Case:
        """The case of the folder's journal, for a phase that follows others. Raises NothingToResume, Unfinished."""
        story = self.story()
        if story is None or story.case is None:
            raise NothingToResume(reason=f"{self.folder.path} holds no journal")
        self.must_be_usable()
        if not story.ended and story.command != command:
            raise self._unfinished(story)
        if story.command == BACKUP_ONLINE:
            raise JournalError(
                path=self.folder.path / journals.FILE_NAME,
                reason=f"it holds an online backup, of a hosted cluster that went on, and {command} would lose writes",
                left=ONLY_OURS_CHANGED,
                todo="Start with `hcp-dr relocate` and another BACKUP_DIR.",
            )
        if command == "restore" and is_lost(story.memory):
            raise JournalError(
                path=self.folder.path / journals.FILE_NAME,
                reason="it was restored while the source was lost",
                left=ONLY_OURS_CHANGED,
                todo="Go on with `hcp-dr verify`, or start with `hcp-dr relocate` and another BACKUP_DIR.",
            )
        if story.called_off:
            raise JournalError(
                path=self.folder.path / journals.FILE_NAME,
                reason=f"its relocation was called off, and {command} would begin it again",
                left=ONLY_OURS_CHANGED,
                todo="Choose another BACKUP_DIR and start with `hcp-dr relocate` or `hcp-dr backup`.",
            )
        return self._recognized(story)

    def journaled_case(self) -> Case:
        """The case of the folder's journal, finished or not; where the folder has no journal, of what was at work last
        on any machine: in its own folder where that is known here, else with its journal fetched into this one. Raises
        NothingToResume, JournalError, ArchiveError."""
        self.must_be_usable(by_hand=is_made_by_hand(self.folder, self.settings.hc_cluster_ns))
        story, where = self.story(), str(self.folder.path)
        if story is None or story.case is None:
            story, where = self._fetched(where)
        if story.case is None or story.command is None:
            raise NothingToResume(reason=f"{where} holds no journal")
        return self._recognized(story)

    def unfinished_case(self) -> Case:
        """As `journaled_case`, of what the journal says is not finished."""
        case = self.journaled_case()
        story = self.told()
        if story.ended:
            raise NothingToResume(reason=f"the {story.command} in {self.folder.path} is finished", todo="")
        return case

    def told(self) -> Story:
        """What the folder's journal tells; nothing where there is none."""
        return self.story() or Story()

    def _fetched(self, where: str) -> tuple[Story, str]:
        ports, settings = self.ports, self.settings
        found = ask_around(
            lambda: ports.source,
            lambda: ports.destination,
            lambda: ports.bucket,
            namespace=settings.hc_cluster_ns,
            name=settings.hc_cluster_name,
        ).journal(where)
        case = self.fitting(found.story)
        if (known := folder_of(case.backup_id, settings)) is not None:
            self.folder, self.ports = known, replace(ports, archive=known)
            self.must_be_usable()
            print(f"Going on with backup {case.backup_id} in {known.path}.", file=sys.stderr)
            return self.told(), str(known.path)
        self.folder.make(by_hand=found.story.command == journals.RESTORE_BY_HAND)
        with closing(self.journal()) as journal:
            journal.adopt(found.data)
        print(f"Going on with backup {case.backup_id}, whose journal is now in {where}.", file=sys.stderr)
        return found.story, f"s3://{ports.bucket.name}/{found.prefix}"

    def _recognized(self, story: Story) -> Case:
        """Raises SettingsError, WrongCluster."""
        return recognized(self.fitting(story), self.ports)

    def fitting(self, story: Story) -> Case:
        """Raises SettingsError where the settings are another relocation's, Refused where a server is not verified."""
        case = case_of(story.case or {}, self.folder.path / journals.FILE_NAME)
        given = self.settings
        for variable, ours, theirs in (
            ("HC_CLUSTER_NS", given.hc_cluster_ns, case.namespace),
            ("HC_CLUSTER_NAME", given.hc_cluster_name, case.name),
            ("MGMT_CLUSTER_NAME", given.mgmt_cluster_name, case.source),
            ("MGMT2_CLUSTER_NAME", given.mgmt2_cluster_name, case.destination),
            ("BUCKET_NAME", given.bucket_name, case.bucket),
        ):
            if ours != theirs:
                raise SettingsError(
                    what=f"The journal is of a relocation with {variable}={theirs}, and the settings say {ours}.",
                    left=ONLY_OURS_CHANGED,
                    todo="Use the settings that it was begun with.",
                )
        must_be_accepted(self.ports, story)
        return case

    def _unfinished(self, story: Story) -> Unfinished:
        folder = self.folder.path
        return Unfinished(path=folder, folder=folder, command=story.command, step=story.current or "?")

    def run(self, case: Case, journal: Any) -> Run:
        return Run(self.ports, case, journal, SystemClock(self.stop), Teller(), self.stop)

    def lease(self, case: Case, in_place_of_source: Leases | None = None) -> Lease:
        """After the point of no return it does without a source that does not answer, from the first look on."""
        return Lease(
            self.ports,
            case,
            SystemClock(self.stop),
            Teller(),
            self.stop.is_set,
            does_without=lambda side: side == "source" and self.told().acted_in(POINT_OF_NO_RETURN),
            in_place_of_source=in_place_of_source,
        )

    def undertaking(
        self, case: Case, journal: Journal, lease: Lease, watches: Sequence[Watch[Any]] = ()
    ) -> Undertaking:
        run = self.run(case, journal)
        run.watches = watches
        return Undertaking(run, lease, no_return=POINT_OF_NO_RETURN)

    def calling_off(self, case: Case, journal: Journal, lease: Lease) -> Undertaking:
        """An abort has no watches: what they guard is what it takes back."""
        without = calling_off.without(lambda: journal.memory)
        return Undertaking(self.run(case, journal), lease, no_return=POINT_OF_NO_RETURN, without=without)


def connected(settings: config.Settings, side: Side) -> Kubernetes:
    """Raises UnreadableKubeconfig."""
    match side:
        case "source":
            return connect_kube(settings.mgmt_kubeconfig, "source", variable="MGMT_KUBECONFIG")
        case "destination":
            return connect_kube(settings.mgmt2_kubeconfig, "destination", variable="MGMT2_KUBECONFIG")
        case "hosted":
            return connect_kube(settings.hc_kubeconfig, "hosted", variable="HC_KUBECONFIG")


def connected_aws(settings: config.Settings, given: dict[str, str]) -> Aws:
    """Raises SettingsError."""
    region = settings.mgmt2_region
    return connect_aws(settings_from(given, bucket=settings.bucket_name, zone_id=settings.aws_zone_id, region=region))


def open_session(
    env_file: Path | None, backup: Path | None = None, *, new: bool = False, online: bool = False
) -> Session:
    """`new` where a journal may begin; `online` where it is that of an online backup."""
    given = config.variables(env_file)
    settings = config.load(given)
    folder = online_folder(settings, backup) if online else backup_folder(settings, backup, new=new)
    source, destination = connected(settings, "source"), connected(settings, "destination")
    hosted = connected(settings, "hosted")
    aws = connected_aws(settings, given)
    ports = Ports(
        source=source,
        destination=destination,
        hosted=hosted,
        bucket=aws.bucket,
        zone=aws.zone,
        instances=aws.instances,
        identity=aws.identity,
        archive=folder,
        fresh_id=fresh_id,
        now=time.time,
    )
    session = Session(settings, ports, folder, threading.Event())
    working_in(lambda: session.folder.path)
    return session


@contextmanager
def stoppable(session: Session) -> Iterator[None]:
    """Inside, the first SIGINT or SIGTERM ends the work after the current action."""
    with _signals(session.stop) as signalled:
        try:
            yield
        except StopRequested:
            name = signal.Signals(signalled()).name
            begun = session.story() is not None
            told = f" Go on with:\n    hcp-dr resume --backup {session.folder.path}" if begun else ""
            print(
                f"\nStopped by {name} after the current action; what was done so far stays as it is.{told}",
                file=sys.stderr,
            )
            raise typer.Exit(128 + signalled()) from None


@contextmanager
def _signals(stop: threading.Event) -> Iterator[Callable[[], int]]:
    received: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        if received:
            signal.signal(number, signal.SIG_DFL)
        received.append(number)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received[0] if received else signal.SIGTERM
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
