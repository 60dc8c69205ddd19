"""The imports, the help and the completion of `pubsub`."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
from collections import ChainMap
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pubsub_cli.app import COMMANDS, app, expand_option_groups, load_command
from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.help import help_text
from pubsub_cli.options import StackOptions

_NAMES = [name for summaries in COMMANDS.values() for name in summaries]
_SKIP_EVERYTHING = [argument for check in CHECKS for argument in ("--skip", check.id)]


@pytest.mark.parametrize(
    ("arguments", "others"),
    [
        (
            ["--help"],
            {"awscrt", "botocore", "pydantic", "rich.console", *(f"pubsub_cli.commands.{name}" for name in _NAMES)},
        ),
        (["doctor", *_SKIP_EVERYTHING], {"aws_cdk", "pubsub_cli.commands.adopt", "pubsub_cli.commands.publish"}),
    ],
    ids=["help", "doctor"],
)
def test_start_imports_only_what_the_command_needs(arguments: list[str], others: set[str]) -> None:
    script = f"""
import sys
from pubsub_cli.app import main
sys.argv = ["pubsub", *{arguments}]
try:
    main()
except SystemExit as end:
    print(*sys.modules)
    raise
"""
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | credentials, capture_output=True, text=True, check=True
    )
    unneeded = {"cryptography", "pycognito", "pygments", "requests", "rich.markdown"} | others
    assert unneeded & {*done.stdout.splitlines()[-1].split()} == set()


@pytest.mark.parametrize("name", _NAMES)
def test_summary_is_the_first_line_of_the_commands_help(name: str) -> None:
    assert load_command(name).help.splitlines()[0] == {**ChainMap(*COMMANDS.values())}[name]


def _help(*command: str, columns: int) -> list[str]:
    return help_text(load_command(*command) if command else get_command(app), "pubsub", columns).splitlines()


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", [(), *((name,) for name in _NAMES)], ids=" ".join)
def test_help_fits_the_terminal_and_has_no_type_names(command: tuple[str, ...], columns: int) -> None:
    lines = _help(*command, columns=columns)
    assert max(map(len, lines)) <= min(columns, 99)
    assert not [line for line in lines if re.search(r"<\w+>|--no-|\[default|None", line)]


@pytest.mark.parametrize("name", _NAMES)
def test_help_ends_with_examples_that_the_command_accepts(name: str) -> None:
    lines = _help(name, columns=80)
    examples = [line.strip() for line in lines[lines.index("Examples:") + 1 :]]
    assert len(examples) >= 2
    for example in examples:
        program, command, *arguments = shlex.split(example)
        assert (program, command) == ("pubsub", name)
        load_command(name).make_context(name, arguments)


def test_help_of_pubsub_lists_the_commands_in_sections() -> None:
    lines = _help(columns=80)
    for section, commands in COMMANDS.items():
        start = lines.index(f"{section}:") + 1
        assert [line.split()[0] for line in lines[start : start + len(commands)]] == [*commands]


def test_help_lists_options_in_sections() -> None:
    lines = _help("doctor", columns=80)
    section = lines[lines.index("User or identity:") :]
    assert any(line.startswith("  --identity-id ID") for line in section[: section.index("")])
    assert [line for line in lines if re.match(r"\w.*:$", line)][-3:] == ["Deployment:", "Output:", "Examples:"]


def test_version_is_that_of_the_distribution() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"pubsub {metadata.version('amplify-pubsub')}\n")


@pytest.mark.parametrize(
    ("words", "completions"),
    [("pubsub do", {"doctor"}), ("pubsub doctor --as", {"--as-end-user"}), ("pubsub outputs --format e", {"env"})],
)
def test_shell_completion_knows_commands_options_and_values(words: str, completions: set[str]) -> None:
    variables = {
        "_PUBSUB_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = CliRunner().invoke(app, env=variables, prog_name="pubsub")
    assert {*done.output.split()} == completions


def test_missing_extra_names_what_to_install() -> None:
    script = "import sys; sys.modules['rich'] = None; import pubsub_cli.app"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "pubsub needs rich: pip install 'amplify-pubsub[cli]'\n"


@dataclass(frozen=True)
class Group:
    name: str = "ada"
    age: int = 1


def test_option_group_is_expanded_and_passed_as_one_object() -> None:
    received: list[object] = []

    def command(group: Group, flag: bool = False) -> None:
        """Do nothing."""
        received.extend((group, flag))

    command.__annotations__ = {"group": Group, "flag": bool, "return": None}
    expanded = expand_option_groups(command)
    assert [*inspect.signature(expanded).parameters] == ["name", "age", "flag"]
    expanded(name="bob", age=2, flag=True)
    assert received == [Group("bob", 2), True]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "AmplifyPubSub"),
        ({"environment": "default"}, "AmplifyPubSub"),
        ({"environment": "prod"}, "AmplifyPubSub-prod"),
        ({"stack": "Other"}, "Other"),
    ],
)
def test_stack_name_is_given_or_that_of_the_environment(options: dict[str, str], name: str) -> None:
    assert StackOptions(**options).stack_name == name  # type: ignore[arg-type]


_FULL_DISK = Path("/dev/full")


@pytest.mark.skipif(not _FULL_DISK.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["explain", "--json"]])
def test_full_disk_is_one_line_on_standard_error(arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from pubsub_cli.app import main; main()", *arguments]
    with _FULL_DISK.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "pubsub: No space left on device\n")
