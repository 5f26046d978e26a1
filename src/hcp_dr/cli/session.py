"""From settings to a run: opens the adapters, finds out which relocation this is, opens its journal."""

from __future__ import annotations

import json
import os
import secrets
import signal
import string
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from hcp_dr import config
from hcp_dr.aws.client import connect as connect_aws
from hcp_dr.aws.client import settings_from
from hcp_dr.cli.progress import Teller
from hcp_dr.engine import journal as journals
from hcp_dr.engine.journal import Journal, Story
from hcp_dr.engine.run import Run, StopRequested
from hcp_dr.engine.step import Check
from hcp_dr.engine.wait import SystemClock
from hcp_dr.errors import ConfirmationMissing, HcpDrError, JournalError, NothingToResume, Unfinished
from hcp_dr.folder import BackupFolder
from hcp_dr.kube.client import connect as connect_kube
from hcp_dr.model import Case, Ports
from hcp_dr.procedure import Steps
from hcp_dr.procedure.case import Asked, discover

Output = Literal["text", "json", "yaml"]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file with the documented variables.")]
Backup = Annotated[Path | None, typer.Option("--backup", help="The backup folder; else BACKUP_DIR.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="text, json or yaml, on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for the hosted cluster's name.")]
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
        )
        return discover(asked, self.ports.source, self.ports.destination, self.folder.path.name + "-" + fresh_id()[:6])

    def story(self) -> Story | None:
        return journals.read(self.folder.path)

    def journal(self) -> Journal:
        return Journal(self.folder.path, now=time.time)

    def must_be_new(self) -> None:
        """Raises Unfinished, JournalError where the folder has a journal already."""
        story = self.story()
        if story is not None and not story.ended:
            raise self._unfinished(story)
        if story is not None:
            raise JournalError(
                path=self.folder.path / journals.FILE_NAME,
                reason=f"the folder holds a finished {story.command}",
                left="Nothing was changed anywhere.",
                todo="Choose another BACKUP_DIR for a new relocation.",
            )

    def known_case(self, command: str) -> Case:
        """The case of the folder's journal, for a phase that follows others. Raises NothingToResume, Unfinished."""
        story = self.story()
        if story is None or story.case is None:
            raise NothingToResume(reason=f"{self.folder.path} holds no journal")
        if not story.ended and story.command != command:
            raise self._unfinished(story)
        return Case.from_json(dict(story.case))

    def _unfinished(self, story: Story) -> Unfinished:
        folder = self.folder.path
        return Unfinished(path=folder, folder=folder, command=story.command, step=story.current or "?")

    def run(self, case: Case, journal: Any) -> Run:
        return Run(self.ports, case, journal, SystemClock(self.stop), Teller(), self.stop)


def backup_folder(settings: config.Settings, backup: Path | None, *, new: bool) -> BackupFolder:
    """--backup, BACKUP_DIR, HC_CLUSTER_DIR/backup; else one below the user's state folder: a new one, or the newest."""
    if backup is not None:
        return BackupFolder(backup)
    if settings.backup_dir is not None:
        return BackupFolder(settings.backup_dir)
    if settings.hc_cluster_dir is not None:
        return BackupFolder(settings.hc_cluster_dir / "backup")
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    root = state / "hcp-dr" / settings.hc_cluster_ns / settings.hc_cluster_name
    existing = sorted(path for path in root.glob("*") if (path / journals.FILE_NAME).exists()) if root.is_dir() else []
    if not new:
        if not existing:
            raise NothingToResume(reason=f"no journal is below {root}")
        return BackupFolder(existing[-1])
    unfinished = [path for path in existing if (story := journals.read(path)) and not story.ended]
    return BackupFolder(unfinished[-1] if unfinished else root / time.strftime("%Y%m%d-%H%M%S", time.gmtime()))


def open_session(env_file: Path | None, backup: Path | None = None, *, new: bool = False) -> Session:
    given = config.variables(env_file)
    settings = config.load(given)
    folder = backup_folder(settings, backup, new=new)
    source = connect_kube(settings.mgmt_kubeconfig, "source", variable="MGMT_KUBECONFIG")
    destination = connect_kube(settings.mgmt2_kubeconfig, "destination", variable="MGMT2_KUBECONFIG")
    hosted = connect_kube(settings.hc_kubeconfig, "hosted", variable="HC_KUBECONFIG")
    aws = connect_aws(
        settings_from(given, bucket=settings.bucket_name, zone_id=settings.aws_zone_id, region=settings.mgmt2_region)
    )
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
    return Session(settings, ports, folder, threading.Event())


def carry_out(session: Session, case: Case, journal: Journal, steps: Steps) -> tuple[Check, ...]:
    """Runs the steps; the first SIGINT or SIGTERM ends it after the current action."""
    with _stoppable(session.stop) as signalled:
        try:
            checks = session.run(case, journal).carry_out(steps)
        except StopRequested:
            name = signal.Signals(signalled()).name
            print(
                f"\nStopped by {name} after the current action; nothing was undone. Go on with:\n"
                f"    hcp-dr resume --backup {session.folder.path}",
                file=sys.stderr,
            )
            raise typer.Exit(128 + signalled()) from None
    journal.write("end")
    return checks


@contextmanager
def nothing_begun() -> Iterator[None]:
    """Errors in here say that nothing was changed anywhere."""
    try:
        yield
    except HcpDrError as error:
        raise error.before_anything() from error.__cause__


@contextmanager
def _stoppable(stop: threading.Event) -> Iterator[Callable[[], int]]:
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


def confirm(name: str, *, what: str, yes: bool) -> None:
    """Ask for the hosted cluster's name where something is taken away. Raises ConfirmationMissing."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfirmationMissing(what=f"{what} Nobody is there to confirm it.")
    print(f"{what}\nType the hosted cluster's name ({name}) to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise ConfirmationMissing(what="The name was not typed.")


def show(output: Output, value: dict[str, Any], text: str) -> None:
    """The result, on stdout."""
    match output:
        case "json":
            print(json.dumps(value))
        case "yaml":
            print(yaml.safe_dump(value, sort_keys=False), end="")
        case "text":
            print(text)
