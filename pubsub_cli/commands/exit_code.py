"""What the exit code tells a pipeline."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every ``pubsub`` command."""

    PASSED = 0
    CHECK_FAILED = 1
    """A check failed or could not be told, or something could not be done."""
    COULD_NOT_RUN = 2
    """Wrong usage, settings or credentials, or no such stack."""
    INTERRUPTED = 130
