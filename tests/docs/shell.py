"""A page's commands, typed into one shell."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.how import Run
from tests.e2e.commands import programs

_SECONDS = 270
INTERRUPTED = 130
_BEGUN = """
for _ in {{1..300}}; do grep -qF {words} {out} && break; sleep 0.1; done
"""


@dataclass(frozen=True)
class Done:
    """What became of one command: its exit code, None if it was not reached, and what it wrote."""

    code: int | None
    written: str


def type_in(
    commands: Sequence[tuple[str, Run]], checkout: Path, notes: Path, environment: Mapping[str, str]
) -> list[Done]:
    """Type commands into one bash, one after another, and return what became of each.

    Args:
        commands: each as it is to be typed, and how it is run.
        checkout: where the shell stands.
        notes: an empty directory, for what is typed and written.
        environment: the shell's.
    """
    steps, ends = [], []
    for number, (text, how) in enumerate(commands):
        script, typed, out, code = (notes / f"{number}.{each}" for each in ("sh", "in", "out", "code"))
        script.write_text(f"{text}\n")
        typed.write_text(how.typed)
        step = f"source {_q(script)} <{_q(typed)} >>{_q(out)} 2>&1"
        if how.first:
            steps.append(f"{{ {how.first}\n}} >{_q(notes / f'{number}.first')} 2>&1")
        if not how.until:
            steps.append(f"{step}; echo $? >{_q(code)}")
            continue
        steps.append(f"{{ beside=1; {step}; }} &\nbeside_{number}=$!{_BEGUN.format(words=_q(how.until), out=_q(out))}")
        if how.code == INTERRUPTED:
            ends.append(f"kill -INT -- -$beside_{number}")
        ends.append(f"wait $beside_{number}; echo $? >{_q(code)}")
    command = ["bash", str(notes / "page.sh")]
    with programs() as functions, (notes / "page.out").open("w") as output:
        # Jobs are groups of their own, as at a terminal, so that Ctrl-C reaches what runs in one.
        (notes / "page.sh").write_text("\n".join(["set -m", functions, *steps, *ends]))
        subprocess.run(
            command,
            cwd=checkout,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
    return [_done(notes, number) for number in range(len(commands))]


def _done(notes: Path, number: int) -> Done:
    code, out = notes / f"{number}.code", notes / f"{number}.out"
    return Done(int(code.read_text()) if code.exists() else None, out.read_text() if out.exists() else "")


def _q(path: object) -> str:
    return shlex.quote(str(path))
