"""How the rehearsal ground ends badly: a paragraph for a person and an exit code for a machine."""

from __future__ import annotations

from typing import ClassVar


class LabError(Exception):
    """The message says what happened, what was left as it was, and what to do next."""

    exit_code: ClassVar[int] = 2


class HostUnfit(LabError):
    """This machine lacks something that the region needs."""

    exit_code = 3


class BuildFailed(LabError):
    """A program of the region could not be built."""

    exit_code = 4


class PartFailed(LabError):
    """A part of the region ended or did not serve in time."""

    exit_code = 5


class NoRegion(LabError):
    """There is no region of that name, or its first process does not answer."""

    exit_code = 6


class Refused(LabError):
    """The region stands and will not do what it was told; nothing was done."""

    exit_code = 9


class BadOptions(LabError):
    """What was asked for contradicts itself or cannot be rehearsed; nothing was started."""

    exit_code = 8
