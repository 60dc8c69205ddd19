"""The pinned CDK CLI, run by the virtual environment's own Node: for real accounts and for `make smoke`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_cloud.environment import NODE
from local_cloud.process import LocalCloud, LocalCloudError

REPOSITORY = Path(__file__).parent.parent
JSII_NODE = {"JSII_NODE": str(NODE)}
"""The variable that makes the app's jsii run the same Node."""
_CDK = REPOSITORY / "node_modules" / "aws-cdk" / "bin" / "cdk"
_LAST_LINES = 25
_END_SECONDS = 15.0


def cdk_command(command: str, *arguments: str) -> list[str]:
    """Return the command line of a CDK command."""
    return [str(NODE), str(_CDK), command, "--no-notices", *arguments]


def run_in_foreground(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run a command that may prompt on the terminal, and return its exit code.

    Raises:
        KeyboardInterrupt: on Ctrl-C, after the command has ended.
    """
    with subprocess.Popen(command, cwd=cwd, env=env) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.terminate()  # Ctrl-C reaches it through the terminal, but a signal to this process does not
            try:
                child.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
            raise


class CdkError(LocalCloudError):
    """A CDK command failed; the message ends with the last lines of its output."""


@dataclass(frozen=True)
class CdkCli:
    """Deploys this repository's app to a local cloud with the CDK CLI.

    Attributes:
        cloud: the local cloud.
        directory: the directory of the cloud assembly and of each command's log.

    Raises:
        CdkError: by each method, if the command failed.
    """

    cloud: LocalCloud
    directory: Path

    def bootstrap(self) -> None:
        """Create the staging resources that every CDK deployment needs."""
        self._run("bootstrap", f"aws://{self.cloud.account_id}/{self.cloud.region}", cwd=self.directory)

    def synth(self) -> None:
        """Synthesize the app."""
        self._run("synth", "--quiet", "--output", str(self._assembly), cwd=REPOSITORY)

    def deploy(self) -> None:
        """Deploy what was synthesized."""
        self._run("deploy", "--app", str(self._assembly), "--require-approval", "never", cwd=self.directory)

    def destroy(self) -> None:
        """Destroy what was deployed."""
        self._run("destroy", "--app", str(self._assembly), "--force", cwd=self.directory)

    @property
    def _assembly(self) -> Path:
        return (self.directory / "cdk.out").resolve()

    def _run(self, command: str, *arguments: str, cwd: Path) -> None:
        log = self.directory / f"cdk-{command}.log"
        with log.open("w") as output:
            completed = subprocess.run(
                cdk_command(command, *arguments),
                cwd=cwd,
                # CDK's validation of the template takes longer than the rest of the synthesis; `make check` runs it.
                env=self.cloud.environment() | JSII_NODE | {"CDK_VALIDATION": "false"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if completed.returncode != 0:
            tail = "\n".join(log.read_text().splitlines()[-_LAST_LINES:])
            raise CdkError(f"cdk {command} failed with exit code {completed.returncode}; the end of {log}:\n{tail}")
