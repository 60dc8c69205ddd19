"""A deployment from nothing to nothing: a fresh cloud, the real CDK CLI, the smoke test, and everything gone again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, TypeVar, cast

from rich.console import Console
from rich.text import Text

from local_cloud.cdk_app import CdkApp
from local_cloud.process import LocalCloud

if TYPE_CHECKING:
    Result = TypeVar("Result")


class Steps:
    """Shows each step as it is done, and the one under way where there is a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def run(self, name: str, work: Callable[[], Result]) -> Result:
        """Do one step and show how long it took; its failure goes on to the caller."""
        begun = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(name):
                result = work()
        else:
            result = work()
        line = Text(f"  {name:<72}  ")
        line.append("ok     ", style="green")
        line.append(f" {time.monotonic() - begun:6.2f} s")
        self._console.print(line, soft_wrap=True)
        return result

    def title(self, text: str) -> None:
        """Show what comes next."""
        self._console.print(Text(text, style="bold"))


def rehearse_deployment(port: int | None, region: str) -> int:
    """Run the whole of it and return the smoke test's exit code; the logs stay if anything fails.

    Args:
        port: the cloud's loopback port; None takes a free one.
        region: the cloud's region.

    Raises:
        LocalCloudError: the cloud does not start.
        CdkError: a CDK command failed.
        KeyboardInterrupt: on Ctrl-C and SIGTERM, when the cloud has ended.
    """
    signal.signal(signal.SIGTERM, interrupt)
    begun = time.monotonic()
    logs = Path(tempfile.mkdtemp(prefix="pubsub-rehearsal-"))
    steps = Steps()
    steps.title("local cloud")
    try:
        exit_code, last_line = _rehearse(steps, logs, port, region)
    except KeyboardInterrupt:
        shutil.rmtree(logs)
        raise
    seconds = time.monotonic() - begun
    if exit_code == 0:
        shutil.rmtree(logs)
        steps.title(f"deployed, proven and destroyed in {seconds:.1f} s")
    else:
        steps.title(f"the smoke test failed; deployed and destroyed in {seconds:.1f} s, the logs are in {logs}")
    print(last_line)
    return exit_code


def _rehearse(steps: Steps, logs: Path, port: int | None, region: str) -> tuple[int, str]:
    log_file = logs / "cloud.log"
    started = steps.run("ministack, IAM enforced", lambda: LocalCloud.start(port, region=region, log_file=log_file))
    with started as cloud:
        app = CdkApp(cloud, logs)
        with ThreadPoolExecutor() as background:
            synthesis = background.submit(app.synth)
            steps.run("cdk bootstrap", app.bootstrap)
            steps.run("cdk synth", synthesis.result)
        steps.run("cdk deploy", app.deploy)
        exit_code, last_line = _smoke(cloud)
        steps.title("local cloud")
        steps.run("cdk destroy", app.destroy)
    return exit_code, last_line


def _smoke(cloud: LocalCloud) -> tuple[int, str]:
    """Run the smoke test and show what it says; return its exit code, and its last line to be said once more."""
    command = [sys.executable, "-m", "pubsub_client", "smoke", "--timeout", "30"]
    colour = {"FORCE_COLOR": "1"} if sys.stdout.isatty() and "NO_COLOR" not in os.environ else {}
    line = ""
    with subprocess.Popen(command, env=cloud.environment() | colour, stdout=subprocess.PIPE, text=True) as running:
        try:
            for line in cast("IO[str]", running.stdout):
                print(line, end="", flush=True)
        except KeyboardInterrupt:
            running.terminate()
            raise
    return running.returncode, line.rstrip()


def interrupt(_signal: int, _frame: object) -> NoReturn:
    """Handle a signal as Ctrl-C is handled."""
    raise KeyboardInterrupt
