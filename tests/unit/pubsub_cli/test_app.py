"""The application: what it imports, and its help."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import SUMMARIES, app, load_command
from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.options import expand_option_groups, stack_name

_SKIP_EVERYTHING = [argument for check in CHECKS for argument in ("--skip", check.id)]


@pytest.mark.parametrize(
    ("arguments", "others"),
    [
        (
            ["--help"],
            {"awscrt", "botocore", "pydantic", "rich.console", *(f"pubsub_cli.commands.{name}" for name in SUMMARIES)},
        ),
        (["doctor", *_SKIP_EVERYTHING], {"aws_cdk", "pubsub_cli.commands.adopt", "pubsub_cli.commands.publish"}),
    ],
    ids=["help", "doctor"],
)
def test_start_imports_only_what_the_command_needs(arguments: list[str], others: set[str]) -> None:
    asking = f"""
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
        [sys.executable, "-c", asking], env=os.environ | credentials, capture_output=True, text=True, check=True
    )
    unneeded = {"cryptography", "pycognito", "pygments", "requests", "rich.markdown"} | others
    assert unneeded & {*done.stdout.splitlines()[-1].split()} == set()


@pytest.mark.parametrize("name", SUMMARIES)
def test_summary_is_the_first_line_of_the_commands_help(name: str) -> None:
    assert load_command(name).help.splitlines()[0] == SUMMARIES[name]


def test_help_lists_options_in_sections_within_80_columns() -> None:
    lines = CliRunner().invoke(app, ["doctor", "--help"], env={"COLUMNS": "80"}).output.splitlines()
    section = lines[lines.index("User or identity to check:") :]
    assert any(line.startswith("  --identity-id ID") for line in section[: section.index("")])
    assert max(map(len, lines)) <= 80


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


def test_stack_name_comes_from_the_environment_unless_given() -> None:
    assert stack_name("AmplifyPubSub", None) == "AmplifyPubSub"
    assert stack_name("AmplifyPubSub", "default") == "AmplifyPubSub"
    assert stack_name("AmplifyPubSub", "prod") == "AmplifyPubSub-prod"
    assert stack_name("Other", "prod") == "Other"
