"""This repository's CDK app on an local cloud, driven by the real CDK CLI."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cloud.process import LocalCloud, LocalCloudError
from tools.cdk_cli import JSII_NODE, REPOSITORY, cdk_command

# CDK's validation of the template takes more time than the rest of the synthesis; `make check` has it.
_ENVIRONMENT = JSII_NODE | {"CDK_VALIDATION": "false"}
_LAST_LINES = 25
_BOOTSTRAP_STACK = "CDKToolkit"


class CdkError(LocalCloudError):
    """A CDK command failed; the message ends with the last lines it wrote."""


@dataclass
class CdkApp:
    """The app and where its commands leave what they write.

    Args:
        cloud: the local cloud to deploy to.
        directory: holds the cloud assembly, the outputs and a log for each command.
        context: CDK context, such as ``{"environment": "prod"}``.
        settings: the section ``amplify-pubsub`` instead of the repository's; None takes that of its cdk.json.
    """

    cloud: LocalCloud
    directory: Path
    context: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = None

    @property
    def outputs_file(self) -> Path:
        """What ``cdk deploy --outputs-file`` writes."""
        return (self.directory / "outputs.json").resolve()

    @property
    def assembly(self) -> Path:
        """Where ``synth`` leaves the cloud assembly."""
        return (self.directory / "cdk.out").resolve()

    @property
    def stack_name(self) -> str:
        """The name of the one stack that was synthesized."""
        manifest = json.loads((self.assembly / "manifest.json").read_text())
        (name,) = (name for name, each in manifest["artifacts"].items() if each["type"] == "aws:cloudformation:stack")
        return str(name)

    def synth(self) -> None:
        """Synthesize the app once, for the commands after it.

        Raises:
            CdkError: the command failed.
        """
        context = [argument for item in self.context.items() for argument in ("--context", "=".join(item))]
        directory = REPOSITORY if self.settings is None else self._with_settings(self.settings)
        self._run("synth", "--quiet", "--output", str(self.assembly), *context, cwd=directory)

    def _with_settings(self, settings: Mapping[str, Any]) -> Path:
        """Write a cdk.json like the repository's but for these settings, and return its directory."""
        cdk_json = json.loads((REPOSITORY / "cdk.json").read_text())
        cdk_json["app"] = f"{sys.executable} {REPOSITORY / 'app.py'}"
        cdk_json["context"]["amplify-pubsub"] = settings
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "cdk.json").write_text(json.dumps(cdk_json))
        return self.directory

    def bootstrap(self) -> None:
        """Make the staging resources that every CDK deployment needs; the app itself is not looked at.

        Raises:
            CdkError: the command failed.
        """
        self._run("bootstrap", f"aws://{self.cloud.account_id}/{self.cloud.region}", cwd=self.directory)

    def deploy(self) -> dict[str, str]:
        """Deploy what was synthesized, and return the stack's outputs by name.

        Raises:
            CdkError: the command failed.
        """
        options = ["--require-approval", "never", "--outputs-file", str(self.outputs_file)]
        self._run("deploy", "--app", str(self.assembly), *options, cwd=self.directory)
        return self.outputs()

    def outputs(self) -> dict[str, str]:
        """Return the outputs by name, as the last deployment left them.

        Raises:
            CdkError: nothing was deployed from this directory.
        """
        if not self.outputs_file.exists():
            raise CdkError(f"nothing is deployed: {self.outputs_file} is missing; `deploy` writes it")
        outputs: dict[str, str]
        (outputs,) = json.loads(self.outputs_file.read_text()).values()
        return outputs

    def write_outputs(self) -> dict[str, str]:
        """Write the outputs of the stack that the cloud started with, as ``cdk deploy`` does, and return them."""
        stacks = self.cloud.client("cloudformation").describe_stacks()["Stacks"]
        (stack,) = (each for each in stacks if each["StackName"] != _BOOTSTRAP_STACK)
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        self.directory.mkdir(parents=True, exist_ok=True)
        self.outputs_file.write_text(json.dumps({stack["StackName"]: outputs}, indent=2))
        return outputs

    def destroy(self) -> None:
        """Destroy the stack.

        Raises:
            CdkError: the command failed.
        """
        self._run("destroy", "--app", str(self.assembly), "--force", cwd=self.directory)

    def log(self, command: str) -> str:
        """Return what a command of this app last wrote."""
        return (self.directory / f"cdk-{command}.log").read_text()

    def _run(self, command: str, *arguments: str, cwd: Path) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        log = self.directory / f"cdk-{command}.log"
        with log.open("w") as output:
            done = subprocess.run(
                cdk_command(command, *arguments),
                cwd=cwd,
                env=self.cloud.environment() | _ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            tail = "\n".join(log.read_text().splitlines()[-_LAST_LINES:])
            raise CdkError(f"cdk {command} failed with exit code {done.returncode}; the end of {log}:\n{tail}")
