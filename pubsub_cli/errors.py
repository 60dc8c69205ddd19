"""Errors that end a run, and the exit codes of all commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of a command."""

    PASSED = 0
    CHECK_FAILED = 1
    """A check failed or is unknown, or an operation failed."""
    COULD_NOT_RUN = 2
    """Wrong usage, settings or credentials, or no such stack."""
    INTERRUPTED = 130


class PreconditionError(Exception):
    """The run cannot start or continue, for example without credentials. The message includes the next step."""


class CommandFailedError(Exception):
    """A command of a fix failed; the message is the cause."""
