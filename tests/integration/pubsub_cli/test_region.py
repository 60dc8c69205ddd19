"""Every command of `pubsub` goes to the region that `AWS_REGION` names, whatever the profile says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local_cloud.process import LocalCloud
from tests.e2e.commands import run_pubsub

_REGION = "eu-west-3"
_COMMANDS = [
    ("smoke",),
    ("doctor",),
    ("outputs",),
    ("publish", "--topic", "news", "1"),
    ("subscribe", "news"),
    ("identity", "--user", "ada"),
    ("attach", "--user", "ada"),
    ("detach", "--user", "ada"),
    ("detach", "--all", "--yes"),
    ("sweep",),
    ("redrive", "--yes"),
]


@pytest.fixture
def variables(cloud: LocalCloud, tmp_path: Path) -> dict[str, str]:
    """A shell without a region, whose AWS configuration has a profile of another one."""
    config = tmp_path / "config"
    config.write_text("[profile acme]\nregion = us-west-2\naws_access_key_id = test\naws_secret_access_key = test\n")
    kept = {name: value for name, value in cloud.environment().items() if not name.endswith("REGION")}
    return kept | {"AWS_CONFIG_FILE": str(config)}


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_every_command_looks_for_the_stack_in_aws_region(variables: dict[str, str], command: tuple[str, ...]) -> None:
    # One command with the profile as an option, all others with it in the environment.
    options = ["--profile", "acme"] if command == ("doctor",) else []
    others = {} if options else {"AWS_PROFILE": "acme"}
    done = run_pubsub([*command, *options], variables | {"AWS_REGION": _REGION} | others)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"there is no stack AmplifyPubSub in {_REGION}" in done.stderr


def test_adopt_looks_for_projects_in_aws_region(variables: dict[str, str]) -> None:
    done = run_pubsub(["adopt", "--json"], variables | {"AWS_REGION": _REGION, "AWS_PROFILE": "acme"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["region"] == _REGION


@pytest.mark.parametrize("command", [*_COMMANDS, ("adopt",)], ids=" ".join)
def test_without_any_region_it_says_so(variables: dict[str, str], command: tuple[str, ...]) -> None:
    done = run_pubsub(command, variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pubsub: no region: give --region or AWS_REGION\n"
