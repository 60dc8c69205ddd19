"""Generate the page of the commands: ``python -m tools.cli_page > docs/reference/cli.md``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from typer.main import get_command

from pubsub_cli.app import COMMANDS, app, load_command
from pubsub_cli.help import help_text
from pubsub_cli.options import DEPLOYMENT, OUTPUT

_SHARED = (f"{DEPLOYMENT}:\n", f"{OUTPUT}:\n")
"""The beginnings of the sections that the page lists once."""

_HEAD = """# The command line

All commands and options of `pubsub`, generated from its help. `python -m pubsub_client` is the same program.

## Exit codes

| code | meaning |
|---|---|
| 0 | passed |
| 1 | a check failed or is unknown, or an operation failed |
| 2 | could not run: usage, settings, credentials, or no such stack |
| 130 | interrupted |

## Output

- `--json` writes one JSON document to stdout, `pubsub subscribe --json` one object a line. Progress goes to stderr.
- `NO_COLOR` disables colours. `FORCE_COLOR` enables them in a pipe.
- Without a terminal, or with `CI` set, no command prompts. A command that would prompt then needs `--yes`.
- A failed check shows why, the fix, and the command that explains the check, such as `pubsub explain PS203`.
- Verbose output of `pubsub smoke` and `pubsub doctor` shows the id, the time and the details of every check.

## Shell completion

`pubsub --install-completion` installs completion for bash, zsh, fish or PowerShell. `pubsub --show-completion` prints
the script instead. Start a new shell afterwards.
"""


def document() -> str:
    """Return the page: the help of `pubsub`, the shared options, then the help of each command."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    yield _section("pubsub", help_text(get_command(app), "pubsub"))
    # The doctor has all of the shared options.
    _, shared = _split(_help("doctor"))
    yield _section("Shared options", "\n\n".join(shared))
    for commands in COMMANDS.values():
        for name in commands:
            own, shared = _split(_help(name))
            options = ", ".join(re.findall(r"^  (--[a-z-]+)", "\n".join(shared), re.MULTILINE))
            yield _section(f"pubsub {name}", "\n\n".join([*own, f"Shared options:\n  {options}"]))


def _help(name: str) -> str:
    return help_text(load_command(name), f"pubsub {name}")


def _split(text: str) -> tuple[list[str], list[str]]:
    """Return the paragraphs and sections of a command's help, and those of the shared options."""
    parts = text.split("\n\n")
    return [part for part in parts if not part.startswith(_SHARED)], [
        part for part in parts if part.startswith(_SHARED)
    ]


def _section(title: str, text: str) -> str:
    return f"\n## {title}\n\n```\n{text}\n```\n"


if __name__ == "__main__":
    print(document(), end="")
