"""Errors of the rehearsal: a paragraph for the engineer, and an exit code for scripts."""

from __future__ import annotations

from typing import ClassVar


class LabError(Exception):
    """The message states what happened, what was left unchanged, and what to do next."""

    exit_code: ClassVar[int] = 2


class HostUnfit(LabError):
    """This machine does not meet a requirement of the region."""

    exit_code = 3


class BuildFailed(LabError):
    """A program of the region could not be built."""

    exit_code = 4


class PartFailed(LabError):
    """A part of the region ended or did not serve in time."""

    exit_code = 5


class NoRegion(LabError):
    """No region has this name, or the region's first process does not answer."""

    exit_code = 6


class Refused(LabError):
    """The region is running and refuses the request; nothing was changed."""

    exit_code = 9


class BadOptions(LabError):
    """The options contradict each other or cannot be rehearsed; nothing was started."""

    exit_code = 8
