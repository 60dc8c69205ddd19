"""What ends a run, and what a command of a fix raises."""

from __future__ import annotations


class PreconditionError(Exception):
    """The run cannot begin or go on: no such stack, no credentials, no region. The message says what to do."""


class CommandFailedError(Exception):
    """A command of a fix failed; the message says why."""
