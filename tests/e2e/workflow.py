"""examples/pipelines/github-actions.yml, its steps run as a runner runs them, on an local cloud."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml  # type: ignore[import-untyped]

from local_cloud.environment import without_aws
from local_cloud.process import LocalCloud
from tests.e2e.operator import operator, policies, unused_actions

_REPOSITORY = Path(__file__).parents[2]
_MADE = ("cdk.out", "dist", "node_modules", "__pycache__", ".*")
_SECONDS = 250
WORKFLOW: dict[Any, Any] = yaml.safe_load((_REPOSITORY / "examples" / "pipelines" / "github-actions.yml").read_text())
JOBS: dict[str, Any] = WORKFLOW["jobs"]
PULL_REQUEST = 7


@dataclass(frozen=True)
class Runner:
    """A machine with a checkout, set up; nothing leads to AWS, and the default profile's endpoint to the cloud."""

    cloud: LocalCloud
    checkout: Path

    @classmethod
    def make(cls, cloud: LocalCloud, directory: Path) -> Self:
        """Check the repository out: its files, less what was made there, beside what `make setup` has made."""
        checkout = directory / "checkout"
        shutil.copytree(_REPOSITORY, checkout, ignore=shutil.ignore_patterns(*_MADE))
        for made in (".venv", "node_modules"):
            (checkout / made).symlink_to(_REPOSITORY / made)
        (directory / "config").write_text(f"[default]\nendpoint_url = {cloud.endpoint_url}\n")
        return cls(cloud, checkout)

    def run(self, job: str) -> str:
        """Run a job's ``run`` steps with the permissions that docs/pipelines.md gives it, and return what they show.

        The permissions of its make target are all used.
        """
        column = 0 if job == "prod" else 1
        with operator(
            self.cloud, {}, _statements(job), **{name: row[column] for name, row in _words().items()}
        ) as keys:
            shown = "".join(self._step(step["run"], JOBS[job].get("env", {}), keys) for step in _run_steps(job))
            command = "make destroy" if job == "pull-request-closed" else "make deploy"
            assert unused_actions(self.cloud, keys, policies(command)[0]) == set()
            return shown

    def _step(self, script: str, env: Mapping[str, str], keys: Mapping[str, str]) -> str:
        # Of the make that runs the tests the one that is tested should know nothing.
        inherited = {name: value for name, value in without_aws(os.environ).items() if not name.startswith("MAKE")}
        if "make destroy" in script:  # what is destroyed has been synthesized
            inherited["CDK_APP"] = "cdk.out"
        done = subprocess.run(
            ["/bin/bash", "-e", "-c", _resolved(script)],
            cwd=self.checkout,
            env={
                **inherited,
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "AWS_CONFIG_FILE": str(self.checkout.with_name("config")),
                "AWS_REGION": self.cloud.region,
                "AWS_DEFAULT_REGION": self.cloud.region,
                **keys,
                **{name: _resolved(value) for name, value in env.items()},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def _run_steps(job: str) -> list[dict[str, Any]]:
    return [step for step in JOBS[job]["steps"] if "run" in step]


def _resolved(text: str) -> str:
    """Put in what GitHub knows; an expression that is not known here is an error."""
    known = {"github.event.number": str(PULL_REQUEST)}
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)


def _statements(job: str) -> list[dict[str, Any]]:
    """Return what the role of a job may do, as docs/pipelines.md names the sections of operator-permissions.md."""
    sections = ["make deploy", "pubsub doctor", "pubsub smoke", *([] if job == "prod" else ["make destroy"])]
    return [statement for section in sections for statement in policies(section)[0]]


def _words() -> dict[str, list[str]]:
    """Return what docs/pipelines.md puts for each word in capitals: for prod, and for pull requests."""
    document = (_REPOSITORY / "docs" / "pipelines.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(.+?)` \| `(.+?)` \|$", document, re.MULTILINE)
    return {name: columns for name, *columns in rows}
