"""Generate the page of the commands: ``python -m tools.cli_page > docs/reference/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from pubsub_cli.app import COMMANDS, app, load_command
from pubsub_cli.help import help_text

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

- `--json` writes one JSON document to stdout. Progress goes to stderr.
- `NO_COLOR` disables colours. `FORCE_COLOR` enables them in a pipe.
- Without a terminal, or with `CI` set, no command prompts. A command that would prompt then needs `--yes`.
- A failed check shows why, the fix, and the command that explains the check, such as `pubsub explain PS203`.
- Verbose output of `pubsub smoke` and `pubsub doctor` shows the id, the time and the details of every check.

## Shell completion

`pubsub --install-completion` installs completion for bash, zsh, fish or PowerShell. `pubsub --show-completion` prints
the script instead. Start a new shell afterwards.
"""


def document() -> str:
    """Return the page: the help of `pubsub`, then that of each command."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    yield _section("pubsub", get_command(app))
    for commands in COMMANDS.values():
        for name in commands:
            yield _section(f"pubsub {name}", load_command(name))


def _section(title: str, command: Any) -> str:
    return f"\n## {title}\n\n```\n{help_text(command, title)}\n```\n"


if __name__ == "__main__":
    print(document(), end="")
