"""Every way in which hcp-dr ends badly, as a paragraph for a person and an exit code for a machine.

    HcpDrError                        2  unexpected
    ├── SettingsError                 3  a variable, file or flag is missing or contradicts another
    │   ├── UnreadableKubeconfig      4
    │   ├── SameCluster               5
    │   └── UnknownHostedCluster      6
    ├── CannotMigrate                10  preflight found what must not be
    ├── KubernetesError              20  an API server refused or did not answer
    │   ├── NotFound                 21
    │   ├── AlreadyExists            22
    │   ├── Conflict                 23
    │   ├── Invalid                  24
    │   ├── Forbidden                25
    │   ├── Unauthorized             26
    │   ├── Expired                  27
    │   ├── ServerBusy               28  passing
    │   ├── ClusterUnreachable       29  passing
    │   └── CommandFailed            30
    ├── AwsError                     40  an AWS service refused or did not answer
    │   ├── AwsDenied                41
    │   ├── BucketRefused            42
    │   ├── AwsBusy                  43  passing
    │   ├── AwsUnreachable           44  passing
    │   └── AwsConflict              45
    ├── ArchiveError                 50  the backup folder is not what its manifest says
    │   └── NoBackup                 51  there is no verified backup
    ├── JournalError                 55  the journal does not allow this
    │   ├── Unfinished               56
    │   ├── NothingToResume          57
    │   └── NewerJournal             58  a newer version wrote it
    ├── TimedOut                     60  a wait reached its limit
    ├── Contested                    61  somebody undoes what was done
    ├── LeaseHeld                    62  somebody else is at work on this hosted cluster
    ├── LeaseLost                    63  it is no longer sure that nobody else is
    ├── OperatorClaimed              64  another relocation has or will have a HyperShift operator stopped
    └── Refused                      70  a guard does not hold
        ├── FenceBroken              71
        ├── NotOurs                  72
        ├── SnapshotDoubtful         73
        ├── MachineUnsafe            74
        ├── NotProven                75
        ├── ConfirmationMissing      76
        ├── PastNoReturn             77
        ├── SourceAnswers            78
        ├── WrongCluster             79
        └── NotRestorable            80  etcd would not come back, or as several clusters

Each class says what happened (`template`, filled from keyword values), what was left as it was (`left`) and what to do
next (`todo`). Passing errors may be tried again by the engine; nothing else is.
"""

from __future__ import annotations

import re
from functools import partial
from typing import ClassVar, Self

from hcp_dr.hiding import without_keys

DONE, DONE_WITH_WARNINGS = 0, 1
"""How a command ends well; with the second when a check of its own run is a warning."""


RESUME = "{resume}"
"""Stands in `todo` for the command that goes on: `hcp-dr resume`, or, before anything was begun, the same one again."""
_RESUME = re.compile(r"\{resume( [^}]*)?\}")


def resume_with(options: str) -> str:
    """`RESUME`, with options."""
    return f"{{resume {options}}}"


class HcpDrError(Exception):
    """The root. Values for the template are keywords; `left` and `todo` may be overridden for one occasion. `begun`
    says whether a command has begun that can be resumed."""

    exit_code: ClassVar[int] = 2
    passing: ClassVar[bool] = False
    template: ClassVar[str] = "{what}"
    left: ClassVar[str] = "Nothing more was changed."
    todo: ClassVar[str] = "Run `hcp-dr status` to see where the relocation is."

    def __init__(self, *, left: str | None = None, todo: str | None = None, **values: object) -> None:
        # An API server quotes the value that it refuses, and a library the header that it cannot send.
        values = {name: without_keys(value) if isinstance(value, str) else value for name, value in values.items()}
        self.values = values
        self.what = self.template.format(**values)
        self.left_as = self.left if left is None else left
        self.remedy = self.todo.format(**values, resume=RESUME) if todo is None else todo
        self.begun = True
        super().__init__(self.what)

    @property
    def next(self) -> str:
        """What to do next, without knowing where."""
        return self.what_next()

    def what_next(self, resume: str = "hcp-dr resume") -> str:
        """What to do next; `resume` is the command that goes on."""
        if not self.begun:
            return _RESUME.sub("the command again", self.remedy)
        return _RESUME.sub(lambda slot: f"`{resume}{slot[1] or ''}`", self.remedy)

    def paragraph(self, resume: str = "hcp-dr resume") -> str:
        """What, what was left as it was, what to do next: one paragraph."""
        return " ".join(part for part in (self.what, self.left_as, self.what_next(resume)) if part)

    def before_anything(self, left: str) -> Self:
        """The same error where nothing has begun yet: `left` says so, and there is nothing to resume."""
        self.left_as, self.begun = left, False
        return self

    def __reduce__(self) -> tuple[object, ...]:
        rebuild = partial(_rebuild, begun=self.begun)
        return (rebuild, (type(self), self.left_as, self.remedy, self.values))


def _rebuild(kind: type[HcpDrError], left: str, remedy: str, values: dict[str, object], *, begun: bool) -> HcpDrError:
    error = kind(left=left, todo=remedy, **values)
    error.begun = begun
    return error


class SettingsError(HcpDrError):
    """A variable, a file or a flag is missing, or contradicts another or what is there."""

    exit_code = 3
    left = "Nothing was changed anywhere."
    todo = "Set it in the environment or in the file given with --env-file, and run the command again."


class UnreadableKubeconfig(SettingsError):
    exit_code = 4
    template = "The kubeconfig {path}, named by {variable} for the {cluster} cluster, cannot be used: {reason}."
    todo = "Correct the path or the file, check it with `kubectl --kubeconfig {path} get namespaces`, and run again."


class SameCluster(SettingsError):
    exit_code = 5
    template = (
        "MGMT_KUBECONFIG and MGMT2_KUBECONFIG reach one and the same management cluster ({evidence}): "
        "a hosted cluster cannot be relocated onto itself."
    )
    todo = "Point MGMT2_KUBECONFIG at the destination management cluster and run again."


class UnknownHostedCluster(SettingsError):
    exit_code = 6
    template = "There is no HostedCluster {namespace}/{name} on the {cluster} management cluster ({server}). {seen}"
    todo = "Correct HC_CLUSTER_NS and HC_CLUSTER_NAME, or MGMT_KUBECONFIG, and run again."


class CannotMigrate(HcpDrError):
    exit_code = 10
    template = "This hosted cluster cannot be relocated now: preflight is blocked by {checks}."
    left = "Nothing of the hosted cluster was changed: it goes on as it was."
    todo = "Each blocked check above says what to do; then run `hcp-dr preflight` again."


class KubernetesError(HcpDrError):
    exit_code = 20
    template = "The {cluster} cluster refused to {verb} {object}: {reason}."
    todo = "Look at the object and at the API server's answer, then run {resume}."


class NotFound(KubernetesError):
    exit_code = 21
    template = "{object} is not on the {cluster} cluster (asked to {verb} it)."


class AlreadyExists(KubernetesError):
    exit_code = 22
    template = "{object} is already on the {cluster} cluster, so it was not created ({reason})."


class Conflict(KubernetesError):
    exit_code = 23
    template = "{object} on the {cluster} cluster was changed by somebody else meanwhile ({verb}: {reason})."


class Invalid(KubernetesError):
    exit_code = 24
    template = "The {cluster} cluster says that {object} is not valid ({verb}): {reason}."


class Forbidden(KubernetesError):
    exit_code = 25
    template = "The {cluster} cluster does not allow these credentials to {verb} {object}: {reason}."
    todo = "Give the kubeconfig's user that permission, then run `hcp-dr preflight` and go on with {resume}."


class Unauthorized(KubernetesError):
    exit_code = 26
    template = "The {cluster} cluster does not accept the credentials of the kubeconfig ({verb} {object}: {reason})."
    todo = "Log in again, check with `kubectl auth whoami`, then run {resume}."


class Expired(KubernetesError):
    exit_code = 27
    template = "The {cluster} cluster no longer has the history of {object} that was asked for: {reason}."


class ServerBusy(KubernetesError):
    """retry_after is in seconds, None where the server did not say."""

    exit_code = 28
    passing = True
    template = "The API server of the {cluster} cluster is overloaded or failing ({verb} {object}: {reason})."

    def __init__(self, *, retry_after: float | None = None, **values: str) -> None:
        super().__init__(**values)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_busy, (self.retry_after, self.values))


def _rebuild_busy(retry_after: float | None, values: dict[str, str]) -> ServerBusy:
    return ServerBusy(retry_after=retry_after, **values)


class ClusterUnreachable(KubernetesError):
    """`shown` says that a server was there, which showed a certificate that is not trusted."""

    exit_code = 29
    passing = True
    template = "The API server of the {cluster} cluster did not answer ({verb} {object}: {reason})."
    todo = "Check the network and the kubeconfig, then run {resume}."

    @property
    def shown(self) -> bool:
        return self.values.get("shown") is True


class CommandFailed(KubernetesError):
    exit_code = 30
    template = "`{command}` in {object} on the {cluster} cluster ended with exit code {code}: {reason}."


class AwsError(HcpDrError):
    exit_code = 40
    template = "AWS {service} refused {operation} on {object}: {reason}."
    todo = "Look at the answer above, then run {resume}."


class AwsDenied(AwsError):
    exit_code = 41
    template = "AWS {service} does not allow these credentials {operation} on {object}: {reason}."
    todo = "Check AWS_CREDS and the permissions of its user, then run {resume}."


class BucketRefused(AwsError):
    exit_code = 42
    template = "The bucket {object} refused {operation}: {reason}."
    todo = "Check BUCKET_NAME, AWS_CREDS and the bucket's policy, then run {resume}."


class AwsBusy(AwsError):
    exit_code = 43
    passing = True
    template = "AWS {service} throttles or fails ({operation} on {object}: {reason})."


class AwsUnreachable(AwsError):
    exit_code = 44
    passing = True
    template = "AWS {service} did not answer ({operation} on {object}: {reason})."
    todo = "Check the network and the AWS endpoint, then run {resume}."


class AwsConflict(AwsError):
    """A condition that was asked for does not hold, or a change starts from what is no longer so. Nothing was done."""

    exit_code = 45
    template = "{object} of AWS {service} was changed by somebody else meanwhile ({operation}: {reason})."


class ArchiveError(HcpDrError):
    exit_code = 50
    template = "The backup folder {folder} cannot be used: {reason}."
    todo = "Use another backup folder, or make the backup again."


class NoBackup(ArchiveError):
    """Nothing that could be restored: no folder whose snapshot the bucket proves."""

    exit_code = 51
    template = "There is no verified backup of {object}: {reason}."
    todo = "Name the folder of `hcp-dr backup` or `hcp-dr backup --online` with --backup."


class JournalError(HcpDrError):
    exit_code = 55
    template = "The journal {path} does not allow this: {reason}."


class Unfinished(JournalError):
    exit_code = 56
    template = "The backup folder {folder} holds the journal of an unfinished {command} (next: {step})."
    todo = "Go on with `hcp-dr resume`, or choose another BACKUP_DIR."


class NothingToResume(JournalError):
    exit_code = 57
    template = "There is nothing to resume: {reason}."
    todo = "Name the backup folder with --backup, or start with `hcp-dr relocate`."


class NewerJournal(JournalError):
    exit_code = 58
    template = "A newer hcp-dr wrote the journal {path}: its format is {format}, and this one reads up to {ours}."
    left = "Nothing of the hosted cluster was changed by this command."
    todo = "Go on with the version of hcp-dr that wrote it, or with a newer one."


class TimedOut(HcpDrError):
    exit_code = 60
    template = "{step} waited {seconds:.0f} s until {until}; seen last: {seen}."
    left = "What was done so far stays as it is."
    todo = "Look at why, then run {resume}: it waits again from here."


class Contested(HcpDrError):
    exit_code = 61
    template = "{step}: somebody undoes this: `{action}` succeeded twice and is needed again. {suspects}"
    left = "What was done so far stays as it is."
    todo = "Find and stop whoever writes that object, then run {resume}."


class LeaseHeld(HcpDrError):
    exit_code = 62
    template = "{object} on the {cluster} management cluster is held by {holder} since {since}, who is renewing it now."
    left = "Nothing of the hosted cluster was changed by this command."
    todo = "Wait until that one ends, or stop it where it runs (see `hcp-dr status`); then run the command again."


class LeaseLost(HcpDrError):
    exit_code = 63
    template = "{object} on the {cluster} management cluster is no longer held by this run: {reason}."
    left = "Nothing was begun after that; what was done so far stays as it is."
    todo = "Look with `hcp-dr status` whether somebody else is at work; if nobody is, run {resume}."


class OperatorClaimed(HcpDrError):
    exit_code = 64
    template = "Another relocation has or will have the HyperShift operator of {cluster} stopped ({object}): {holder}."
    todo = "Wait until that one has ended, then run {resume}."


class Refused(HcpDrError):
    """A guard does not hold, so that the step does not act."""

    exit_code = 70
    todo = "Settle this, then run {resume}."


class FenceBroken(Refused):
    """The source may write, or may begin to: its pause was lifted, or a writer of etcd has pods."""

    exit_code = 71


class NotOurs(Refused):
    """Something is in the way, or is gone, that this relocation did not make: it is named and left alone."""

    exit_code = 72


class SnapshotDoubtful(Refused):
    """The snapshot is damaged, lacks writes, or is not that of this fence."""

    exit_code = 73


class MachineUnsafe(Refused):
    """An instance could be terminated, replaced or made: machines or what controls them are not as they must be."""

    exit_code = 74


class NotProven(Refused):
    """The destination is not proven to serve this very cluster, so that nothing may be deleted."""

    exit_code = 75


class ConfirmationMissing(Refused):
    """Something would be taken away, and nobody confirmed it."""

    exit_code = 76
    left = "Nothing was changed anywhere."
    todo = "Run again and type the hosted cluster's name, or give --yes."


class PastNoReturn(Refused):
    exit_code = 77
    template = "The point of no return is passed: {why}. The destination may have accepted writes since."
    left = (
        "Nothing of the hosted cluster was changed by this command; the source stays fenced and the machines stay as "
        "they are."
    )
    todo = (
        "Run {resume} to bring the relocation to its end. To have the hosted cluster on the source again, "
        "relocate it back afterwards: exchange MGMT_* and MGMT2_*, and name a new BACKUP_DIR."
    )


class SourceAnswers(Refused):
    """The source is said to be lost, and something of it answers."""

    exit_code = 78
    template = "The source is not lost: {why}."
    left = "Nothing of the hosted cluster was changed by this command."
    todo = "Where its API answers, relocate: `hcp-dr relocate` loses nothing."


class WrongCluster(Refused):
    """A kubeconfig leads to another cluster than the one that this relocation began with, or to a namesake there."""

    exit_code = 79
    template = "The {side} kubeconfig leads to {server}, which is another cluster than that of this relocation: {why}."
    left = "What is there is left as it is."
    todo = (
        "Let the kubeconfig lead to the cluster that the relocation was begun with (look at its current-context and "
        "server), then run the command again."
    )


class NotRestorable(Refused):
    """What would restore etcd cannot, or was not looked at, or would make several clusters of it."""

    exit_code = 80
    template = "etcd of hosted cluster {object} cannot be restored by a URL: {why}."
    left = "Nothing of it was started on the destination."
    todo = "By hand, etcd's volumes can be filled as docs/by-hand.md says."
