"""A command that writes, from its first line in the journal to its last: under the Lease, and mirrored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from hcp_dr import __version__
from hcp_dr.engine.authenticity import Keys, keep_in_folder, keep_on_cluster, new_key, read_keys
from hcp_dr.engine.journal import FILE_NAME, FORMAT, OpenJournal, parse
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.mirror import Mirror, outdated, reconcile
from hcp_dr.engine.progress import NullJournal, Progress
from hcp_dr.engine.run import Run
from hcp_dr.engine.step import Check, Step
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT, OBSERVE_INTERVAL, StopRequested
from hcp_dr.errors import AwsError, HcpDrError, JournalError, KubernetesError, LeaseLost
from hcp_dr.model import Side
from hcp_dr.objects.archive import MANIFEST, check_manifest, read_manifest

_ATTEMPTS = 3
Carry = Callable[[Run, Sequence[Step[Any]]], tuple[Check, ...]]


CONTINUE_LATER = (
    "Continue with the later one: name its folder as BACKUP_DIR, or an empty folder, into which hcp-dr fetches the "
    "journal."
)


def _superseded(path: str, runs: frozenset[str]) -> JournalError:
    """What the journal remembers is older than the work of another relocation: its undo, or its next step, would act on
    a hosted cluster that may serve elsewhere by now."""
    return JournalError(
        path=path,
        reason=f"another relocation or backup of this hosted cluster began after this one ({', '.join(sorted(runs))})",
        left="Nothing of the hosted cluster was changed by this command.",
        todo=CONTINUE_LATER,
    )


class CommandRun:
    """`run` writes into `journal`. Once the step `no_return` has acted, the command continues without an unreachable
    source: the API is down until the destination serves it. `without` overrides this rule for each side."""

    def __init__(
        self,
        run: Run,
        journal: OpenJournal,
        lease: Lease,
        *,
        no_return: str,
        without: Callable[[Side], bool] | None = None,
    ) -> None:
        self._run = run
        self._journal = run.journal = journal
        self._lease = run.lease = lease
        self._mirror = run.mirror = Mirror(
            run.ports.bucket, run.case.key_prefix, journal, run.ports.archive, run.clock, run.tell, no_return
        )
        lease.does_without = without or (lambda side: side == "source" and journal.story.acted_in(no_return))

    def catch_up(self, refill: Step[Any], *, fresh: bool = False) -> tuple[Check, ...]:
        """Before continuing, with the Lease held: read the newest journal written by any machine, its manifest, and, by
        `refill`, the files missing in the folder. A journal in the bucket that hcp-dr did not write is not used.
        `fresh`: the command begins from the backup of the journal, whatever relocation was at work since. Raises
        JournalError if another relocation began since or the newest journal is not available, ArchiveError if the
        manifest belongs to another backup."""
        archive, journal = self._run.ports.archive, self._journal
        path = f"{archive.folder}/{FILE_NAME}"
        if self._lease.later_runs and not fresh:
            raise _superseded(path, self._lease.later_runs)
        self._mirror.keys = self._read_keys()
        try:
            mirrored = self._mirror.read()
            if mirrored is not None and mirrored.fault:
                text = f"{mirrored.error.what} The run continues with the journal in {archive.folder}."
                self._run.tell(Progress("warned", "mirror", text))
                mirrored = None
            theirs = parse(mirrored.data) if mirrored else []
            adopted = reconcile(journal.story.lines, theirs, path) is theirs
            if mirrored and adopted:
                journal.adopt(mirrored.data)
            if adopted or archive.read(MANIFEST) is None:
                self._mirror.fetch_folder()
        except AwsError as error:
            self._run.tell(Progress("again", "mirror", f"cannot read the journal's copy in the bucket: {error.what}"))
        unknown = sorted(self._lease.last_runs - journal.story.runs)
        if unknown:
            raise JournalError(
                path=path,
                reason=f"another machine continued this relocation ({', '.join(unknown)}), and neither this journal "
                "nor the bucket has a record of its work",
                left="Nothing of the hosted cluster was changed by this command.",
                todo="Make the bucket reachable and run the command again, or copy the folder of that machine here and "
                "pass it with --backup.",
            )
        if not all(journal.story.contains(mark) for mark in self._lease.marks):
            raise outdated(path)
        manifest, case = read_manifest(archive), self._run.case
        if manifest is not None:
            check_manifest(manifest, key_prefix=case.key_prefix, bucket=case.bucket, folder=archive.folder)
        return self._refill(refill)

    def _refill(self, refill: Step[Any]) -> tuple[Check, ...]:
        run = replace(
            self._run,
            journal=NullJournal(self._run.journal.memory),
            mirror=None,
            watches=(),
            patience=FIRST_ANSWER_TIMEOUT,
        )
        try:
            return run.carry_out_one(refill)
        except KubernetesError as error:
            self._run.tell(Progress("again", refill.name, f"files may be missing in the backup folder: {error.what}"))
            return ()

    def begin(self, line: str, **values: object) -> None:
        """Write the line that begins or resumes the command, with the version of hcp-dr."""
        keys = self._keep_on_clusters()
        self._journal.write(line, by=self._lease.me, format=FORMAT, version=__version__, **values)
        keep_in_folder(self._run.ports.archive, keys)
        self._mirror.keys = keys
        try:
            self._run.send_mirror(now=True)
            if not self._mirror.is_failing:
                self._lease.record_writer(self._lease.me)
        except HcpDrError as error:
            error.begun = True
            raise

    def _read_keys(self) -> Keys:
        case = self._run.case
        clusters = [partial(lambda cluster: cluster, each) for each in self._lease.clusters]
        return read_keys(self._run.ports.archive, clusters, case.namespace, case.name)

    def _keep_on_clusters(self) -> Keys:
        """The keys, each in the Secret of a cluster. A cluster that refuses is reported and does not end the run:
        without the Secret only another machine cannot continue."""
        case, run = self._run.case, self._run
        keys = self._mirror.keys if self._mirror.keys.known else self._read_keys()
        keys = keys if keys.known else keys.with_known([new_key()])
        for cluster in self._lease.clusters:
            for rest in reversed(range(_ATTEMPTS)):
                try:
                    keys = keep_on_cluster(cluster, keys, case.namespace, case.name)
                    break
                except HcpDrError as error:
                    text = f"the key of the journal is in no Secret on the {cluster.name} cluster: {error.what}"
                    run.tell(Progress("again", "mirror", text))
                    if not (rest and error.passing):
                        break
                    run.clock.pause(OBSERVE_INTERVAL)
                    self._lease.renew()
        return keys

    def carry_out(self, steps: Sequence[Step[Any]], *, carry: Carry = Run.carry_out) -> tuple[Check, ...]:
        """Run the steps and write the last line. Raises the errors of `Run.carry_out`. `carry` may be another way to
        run the steps."""
        run = self._run
        try:
            checks = carry(run, steps)
        except LeaseLost as error:
            error.begun = True
            raise  # another client may be writing the mirror
        except (HcpDrError, StopRequested) as error:
            error.begun = True
            with suppress(HcpDrError):
                run.send_mirror(now=True)
            raise
        except BaseException as error:
            with suppress(Exception):  # the unforeseen error is the one to report
                self._record_unforeseen(error)
            raise
        run.journal.write("end")
        run.send_mirror(now=True)
        return checks

    def _record_unforeseen(self, error: BaseException) -> None:
        """Without the text of the error: it may hold anything, and the journal is mirrored."""
        run, kind = self._run, type(error).__name__
        text = f"An unforeseen error ended the command ({kind}). Details: crash-*.txt in its machine's backup folder."
        run.journal.write("failed", step=self._journal.story.current, error=kind, text=text)
        run.send_mirror(now=True)
