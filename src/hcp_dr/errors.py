"""The errors of hcp-dr, each with a readable paragraph and an exit code.

    HcpDrError                        2  unexpected
    ├── SettingsError                 3  a variable, file or flag is missing or contradicts another
    │   ├── UnreadableKubeconfig      4
    │   ├── SameCluster               5
    │   └── UnknownHostedCluster      6
    ├── CannotMigrate                10  a preflight check is blocked
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
    ├── ArchiveError                 50  the backup folder cannot be used
    │   └── NoBackup                 51  there is no verified backup
    ├── JournalError                 55  the journal does not allow the command
    │   ├── Unfinished               56
    │   ├── NothingToResume          57
    │   ├── NewerJournal             58  a newer version wrote the journal
    │   └── NotAuthentic             59  the journal in the bucket is not proven to be of hcp-dr, or is too old
    ├── TimedOut                     60  a wait reached its limit
    ├── Contested                    61  another client keeps reverting an action
    ├── LeaseHeld                    62  another run of hcp-dr holds the Lease of this hosted cluster
    ├── LeaseLost                    63  this run no longer holds the Lease for certain
    ├── OperatorClaimed              64  a relocation that does not share a HyperShift operator will stop it
    └── Refused                      70  a guard failed
        ├── FenceBroken              71
        ├── NotOurs                  72
        ├── SnapshotDoubtful         73
        ├── MachineUnsafe            74
        ├── NotProven                75
        ├── ConfirmationMissing      76
        ├── PastNoReturn             77
        ├── SourceAnswers            78
        ├── WrongCluster             79
        │   └── CreatedAgain         81  the hosted cluster exists on the source again
        └── NotRestorable            80  etcd would not be restored, or as several clusters

Each class describes the failure (`template`, filled from keyword values), the state left behind (`left`) and the next
action (`todo`). The engine retries only passing errors.
"""

from __future__ import annotations

import re
from functools import partial
from typing import ClassVar, Self

from hcp_dr.hiding import safe, without_keys

DONE, DONE_WITH_WARNINGS = 0, 1
"""The exit codes of success; the second if a check of the run is a warning."""

RESUME = "{resume}"
"""A placeholder in `todo` for the command to continue with: `hcp-dr resume`, or, if the command has not begun, the same
command."""
_RESUME = re.compile(r"\{resume( [^}]*)?\}")


def resume_with(options: str) -> str:
    """The placeholder `RESUME` with options."""
    return f"{{resume {options}}}"


class HcpDrError(Exception):
    """The base class. Keywords are values of the template; `left` and `todo` may be overridden for an instance.
    `begun`: whether the command has begun, so that `hcp-dr resume` continues it; None until its caller knows."""

    exit_code: ClassVar[int] = 2
    passing: ClassVar[bool] = False
    template: ClassVar[str] = "{what}"
    left: ClassVar[str] = "Nothing more was changed."
    todo: ClassVar[str] = "Run `hcp-dr status` to see the state of the relocation."

    def __init__(self, *, left: str | None = None, todo: str | None = None, **values: object) -> None:
        # API servers quote refused values, and libraries quote headers with errors.
        values = {name: without_keys(value) if isinstance(value, str) else value for name, value in values.items()}
        self.values = values
        self.what = self.template.format(**values)
        self.left_as = self.left if left is None else left
        self.remedy = self.todo.format(**values, resume=RESUME) if todo is None else todo
        self.begun: bool | None = None
        super().__init__(self.what)

    @property
    def next(self) -> str:
        """What to do next."""
        if self.begun is False:
            return _RESUME.sub("the command again", self.remedy)
        return _RESUME.sub(lambda match: f"`hcp-dr resume{match[1] or ''}`", self.remedy)

    def paragraph(self) -> str:
        """The failure, the state left behind and the next action, in one paragraph. A command in backquotes is one to
        run next; the command line prints it with the options of the call."""
        parts = (self.what, self.left_as, self.next)
        return str(safe(" ".join(part for part in parts if part)))

    def before_anything(self, left: str) -> Self:
        """The same error before the command began: `left` describes the state."""
        self.left_as, self.begun = left, False
        return self

    def __reduce__(self) -> tuple[object, ...]:
        rebuild = partial(_rebuild, begun=self.begun)
        return (rebuild, (type(self), self.left_as, self.remedy, self.values))


def _rebuild(
    kind: type[HcpDrError], left: str, remedy: str, values: dict[str, object], *, begun: bool | None
) -> HcpDrError:
    error = kind(left=left, todo=remedy, **values)
    error.begun = begun
    return error


class SettingsError(HcpDrError):
    """A variable, a file or a flag is missing, invalid, or contradicts another setting."""

    exit_code = 3
    left = "Nothing was changed anywhere."
    todo = "Set it in the environment or in the file given with --env-file, and run the command again."


class UnreadableKubeconfig(SettingsError):
    exit_code = 4
    template = "The kubeconfig {path}, named by {variable} for the {cluster} cluster, cannot be used: {reason}."
    todo = "Correct it, check it with `kubectl --kubeconfig {path} get namespaces`, and run the command again."


class SameCluster(SettingsError):
    exit_code = 5
    template = (
        "MGMT_KUBECONFIG and MGMT2_KUBECONFIG lead to the same management cluster ({evidence}): "
        "source and destination must be different clusters."
    )
    todo = "Point MGMT2_KUBECONFIG at the destination management cluster, and run the command again."


class UnknownHostedCluster(SettingsError):
    exit_code = 6
    template = "There is no HostedCluster {namespace}/{name} on the {cluster} management cluster ({server}). {seen}"
    todo = "Correct HC_CLUSTER_NS and HC_CLUSTER_NAME, or MGMT_KUBECONFIG, and run the command again."


class CannotMigrate(HcpDrError):
    exit_code = 10
    template = "This hosted cluster cannot be relocated now: preflight is blocked by {checks}."
    left = "Nothing of the hosted cluster was changed: it keeps running."
    todo = "Resolve each blocked check as described above, then run `hcp-dr preflight` again."


class KubernetesError(HcpDrError):
    exit_code = 20
    template = "The {cluster} cluster refused to {verb} {object}: {reason}."
    todo = "Check the object and the API server's answer, then run {resume}."


class NotFound(KubernetesError):
    exit_code = 21
    template = "{object} does not exist on the {cluster} cluster ({verb})."


class AlreadyExists(KubernetesError):
    exit_code = 22
    template = "{object} already exists on the {cluster} cluster, so it was not created ({reason})."


class Conflict(KubernetesError):
    exit_code = 23
    template = "{object} on the {cluster} cluster was changed by another client at the same time ({verb}: {reason})."


class Invalid(KubernetesError):
    exit_code = 24
    template = "The {cluster} cluster rejected {object} as invalid ({verb}): {reason}."


class Forbidden(KubernetesError):
    exit_code = 25
    template = "The {cluster} cluster does not allow these credentials to {verb} {object}: {reason}."
    todo = "Grant the kubeconfig's user that permission (`hcp-dr rbac` prints all that are needed), then run {resume}."


class Unauthorized(KubernetesError):
    exit_code = 26
    template = "The {cluster} cluster does not accept the credentials of the kubeconfig ({verb} {object}: {reason})."
    todo = "Log in again, check with `kubectl auth whoami`, then run {resume}."


class Expired(KubernetesError):
    exit_code = 27
    template = "The {cluster} cluster no longer has the requested history of {object}: {reason}."


class ServerBusy(KubernetesError):
    """retry_after is in seconds, None if the server did not send it."""

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
    """`shown`: a server answered, but presented an untrusted certificate."""

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
    todo = "Resolve the reason above, then run {resume}."


class AwsDenied(AwsError):
    exit_code = 41
    template = "AWS {service} does not allow {operation} on {object} with these credentials: {reason}."
    todo = "Check AWS_CREDS (AWS_CREDS_EC2, AWS_CREDS_ROUTE53) and the permissions of its user, then run {resume}."


class BucketRefused(AwsError):
    exit_code = 42
    template = "The bucket {object} refused {operation}: {reason}."
    todo = "Check BUCKET_NAME, AWS_CREDS and the bucket's policy, then run {resume}."


class AwsBusy(AwsError):
    exit_code = 43
    passing = True
    template = "AWS {service} is throttling requests or failing ({operation} on {object}: {reason})."


class AwsUnreachable(AwsError):
    exit_code = 44
    passing = True
    template = "AWS {service} did not answer ({operation} on {object}: {reason})."
    todo = "Check the network and the AWS endpoint, then run {resume}."


class AwsConflict(AwsError):
    """A precondition of the request failed, because another client changed the object. The request had no effect."""

    exit_code = 45
    template = "{object} of AWS {service} was changed by another client at the same time ({operation}: {reason})."


class ArchiveError(HcpDrError):
    exit_code = 50
    template = "The backup folder {folder} cannot be used: {reason}."
    todo = "Use another backup folder, or make the backup again."


class NoBackup(ArchiveError):
    """No backup can be restored: no folder has a snapshot that is verified in the bucket."""

    exit_code = 51
    template = "There is no verified backup of {object}: {reason}."
    todo = "Name the folder of a backup, fenced or online, with --backup."


class JournalError(HcpDrError):
    exit_code = 55
    template = "The journal {path} does not allow this command: {reason}."


class Unfinished(JournalError):
    exit_code = 56
    template = (
        "Relocation {backup} of hosted cluster {object} is not finished: its {command} ({state}). Its journal is in "
        "{folder}."
    )
    todo = "Continue it with `hcp-dr resume`; `hcp-dr status` shows its state."


class NothingToResume(JournalError):
    exit_code = 57
    template = "There is nothing to resume: {reason}."
    todo = "Name the backup folder with --backup, or start with `hcp-dr relocate`."


class NewerJournal(JournalError):
    exit_code = 58
    template = (
        "A newer version of hcp-dr wrote the journal {path}: format {format}; this version supports up to {ours}."
    )
    left = "Nothing of the hosted cluster was changed by this command."
    todo = "Continue with the version of hcp-dr that wrote the journal, or with a newer version."


class NotAuthentic(JournalError):
    """The mirror in the bucket is not proven to be of hcp-dr and of this backup, or is older than the Leases record."""

    exit_code = 59
    left = "Nothing of the hosted cluster was changed by this command."
    todo = "Continue in the folder of the machine that ran last, with --backup. If it is lost, see docs/resume.md."


class TimedOut(HcpDrError):
    exit_code = 60
    template = "{step} timed out: it waited {seconds:.0f} s until {until}; last state: {seen}."
    left = "Completed actions stay in effect."
    todo = "Find and resolve the cause, then run {resume}: the step waits again, with a new limit."


class Contested(HcpDrError):
    exit_code = 61
    template = "{step}: another client keeps reverting `{action}`: it was applied twice and reverted twice. {suspects}"
    left = "Completed actions stay in effect."
    todo = "Find and stop the client that writes that object, then run {resume}."


class LeaseHeld(HcpDrError):
    exit_code = 62
    template = "{object} on the {cluster} management cluster is held by {holder} since {since}, and is being renewed."
    left = "Nothing of the hosted cluster was changed by this command."
    todo = "Wait until that run ends, or stop it on its machine (see `hcp-dr status`); then run the command again."


class LeaseLost(HcpDrError):
    exit_code = 63
    template = "{object} on the {cluster} management cluster is no longer held by this run: {reason}."
    left = "No further action was started; completed actions stay in effect."
    todo = "Check with `hcp-dr status` that no other run is at work, then run {resume}."


class OperatorClaimed(HcpDrError):
    exit_code = 64
    template = (
        "The HyperShift operator of {cluster} is stopped, or will be stopped, by another relocation ({object}): "
        "{holder}."
    )
    todo = "Wait until that relocation has ended, then run {resume}."


class Refused(HcpDrError):
    """A guard failed, so the step does not act."""

    exit_code = 70
    todo = "Resolve this, then run {resume}."


class FenceBroken(Refused):
    """The source may write to etcd, now or soon: its pause was lifted, or a writer of etcd has pods."""

    exit_code = 71


class NotOurs(Refused):
    """An object that this relocation did not create is in the way, or is gone: it is named and not changed."""

    exit_code = 72


class SnapshotDoubtful(Refused):
    """The snapshot is damaged, lacks writes, or belongs to another fence."""

    exit_code = 73


class MachineUnsafe(Refused):
    """An instance could be terminated, replaced or created: machines or their controllers are not in the required
    state."""

    exit_code = 74


class NotProven(Refused):
    """The destination is not verified to serve this hosted cluster, so deletions are refused."""

    exit_code = 75


class ConfirmationMissing(Refused):
    """The command would remove something, and the engineer did not confirm it."""

    exit_code = 76
    left = "Nothing was changed anywhere."
    todo = "Run the command again and type the hosted cluster's name, or pass --yes."


class PastNoReturn(Refused):
    exit_code = 77
    template = "The point of no return is passed: {why}. The destination may have accepted writes since."
    left = "Nothing of the hosted cluster was changed by this command; the source stays fenced, the machines unchanged."
    todo = (
        "Run `hcp-dr resume` to finish the relocation. To move the hosted cluster back to the source, relocate it "
        "again afterwards: swap MGMT_* and MGMT2_*, and name a new BACKUP_DIR."
    )


class SourceAnswers(Refused):
    """The engineer declared the source lost, but the source answers."""

    exit_code = 78
    template = "The source is not lost: {why}."
    left = "Nothing of the hosted cluster was changed by this command."
    todo = "If the source's API answers, run `hcp-dr relocate`: it loses no data."


class WrongCluster(Refused):
    """A kubeconfig leads to another cluster, or to another HostedCluster, than at the start of this relocation."""

    exit_code = 79
    template = "The {side} kubeconfig leads to {server}, a different cluster than that of this relocation: {why}."
    left = "That cluster is left unchanged."
    todo = (
        "Point the kubeconfig at the cluster of this relocation (check its current-context and server), then run the "
        "command again."
    )


class CreatedAgain(WrongCluster):
    """Another client created the hosted cluster, or a part of it, on the source again."""

    exit_code = 81
    template = "{what}"


class NotRestorable(Refused):
    """The restore of etcd cannot work, was not checked, or would create several etcd clusters."""

    exit_code = 80
    template = "etcd of hosted cluster {object} cannot be restored by a URL: {why}."
    left = "The hosted cluster was not started on the destination."
    todo = "To fill etcd's volumes by hand, see docs/by-hand.md."
