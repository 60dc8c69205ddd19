"""The ways in which a command of the documentation is run, or why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Run:
    """It is run here as it is written, in its page's order.

    Args:
        code: the exit code it must have; 130 is Ctrl-C, typed at the end of the page.
        typed: what is typed into it.
        first: what the reader has or does before, in shell.
        put: what stands for something of the reader's own, and the name of what is put in its place.
        until: it goes on beside the commands after it, once it has written this.
        says: what it must write.
        needs: a program that not every machine has; without it the command is left out.
    """

    code: int = 0
    typed: str = ""
    first: str = ""
    put: Mapping[str, str] = field(default_factory=dict)
    until: str = ""
    says: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """It is not run here, but another test runs it.

    Args:
        test: the test, as ``file::name``.
        why: why not here.
    """

    test: str
    why: str


@dataclass(frozen=True)
class NotRun:
    """No test runs it.

    Args:
        why: why none can.
    """

    why: str


How = Run | Elsewhere | NotRun
