"""Every command of `pubsub` uses the region of `AWS_REGION`, even if the profile has another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local_cloud.process import LocalCloud
from pubsub_cli.app import COMMANDS
from tests.e2e.commands import run_pubsub

_ARGUMENTS = {
    "publish": ("--topic", "news", "1"),
    "subscribe": ("news",),
    "identity": ("--user", "ada"),
    "attach": ("--user", "ada"),
    "detach": ("--all", "--yes"),
    "redrive": ("--yes",),
    "adopt": ("--json",),
}
_NAMES = {name for summaries in COMMANDS.values() for name in summaries} - {"explain"}  # which does not use AWS


@pytest.mark.parametrize("name", sorted(_NAMES))
def test_command_uses_aws_region_and_needs_a_region(name: str, cloud: LocalCloud, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile acme]\nregion = us-west-2\naws_access_key_id = test\naws_secret_access_key = test\n")
    without_region = {name: value for name, value in cloud.environment().items() if not name.endswith("REGION")}
    command, variables = (name, *_ARGUMENTS.get(name, ())), without_region | {"AWS_CONFIG_FILE": str(config)}
    done = run_pubsub(command, variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pubsub: no region: give --region or AWS_REGION\n"
    done = run_pubsub(command, variables | {"AWS_REGION": "eu-west-3", "AWS_PROFILE": "acme"})
    if name == "adopt":
        assert json.loads(done.stdout)["region"] == "eu-west-3"
    else:
        assert done.returncode == 2
        assert "there is no stack AmplifyPubSub in eu-west-3" in done.stderr
