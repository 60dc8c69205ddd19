"""Errors that end a run or a command of a fix."""

from __future__ import annotations


class PreconditionError(Exception):
    """The run cannot start or continue: no such stack, no credentials, no region. The message says what to do."""


class CommandFailedError(Exception):
    """A command of a fix failed; the message says why."""
