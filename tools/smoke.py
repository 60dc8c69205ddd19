"""`make smoke`: deploy to a new local cloud with the real CDK CLI, run the smoke test, and destroy everything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, cast

from local_cloud.process import LocalCloud
from local_cloud.steps import Steps
from tools.cdk_cli import CdkCli


def smoke(port: int | None, region: str) -> int:
    """Deploy, run the smoke test, destroy, and return the smoke test's exit code. If anything fails, the logs stay.

    Args:
        port: the cloud's loopback port; None uses a free one.
        region: the cloud's region.

    Raises:
        LocalCloudError: the cloud does not start.
        CdkError: a CDK command failed.
        KeyboardInterrupt: on Ctrl-C and SIGTERM, after the cloud has ended.
    """
    started = time.monotonic()
    logs = Path(tempfile.mkdtemp(prefix="pubsub-smoke-"))
    steps = Steps()
    try:
        exit_code, last_line = _deploy_and_test(steps, logs, port, region)
    except KeyboardInterrupt:
        shutil.rmtree(logs)
        raise
    seconds = time.monotonic() - started
    if exit_code == 0:
        shutil.rmtree(logs)
        steps.title(f"deployed, tested and destroyed in {seconds:.1f} s")
    else:
        steps.title(f"deployed, tested and destroyed in {seconds:.1f} s; the logs are in {logs}")
    print(last_line)
    return exit_code


def _deploy_and_test(steps: Steps, logs: Path, port: int | None, region: str) -> tuple[int, str]:
    steps.title("deploy")
    log_file = logs / "cloud.log"
    cloud = steps.run("start a local cloud", lambda: LocalCloud.start(port, region=region, log_file=log_file))
    with cloud:
        cdk = CdkCli(cloud, logs)
        with ThreadPoolExecutor() as background:
            synthesis = background.submit(cdk.synth)
            steps.run("cdk bootstrap", cdk.bootstrap)
            steps.run("cdk synth", synthesis.result)
        steps.run("cdk deploy", cdk.deploy)
        result = _run_smoke_test(cloud)
        steps.title("destroy")
        steps.run("cdk destroy", cdk.destroy)
    return result


def _run_smoke_test(cloud: LocalCloud) -> tuple[int, str]:
    """Run the smoke test, show its output except for the last line, and return its exit code and that line."""
    command = [sys.executable, "-m", "pubsub_client", "smoke", "--timeout", "30"]
    colour = {"FORCE_COLOR": "1"} if sys.stdout.isatty() and "NO_COLOR" not in os.environ else {}
    last_line = ""
    stdout = getattr(sys.stdout, "rich_proxied_file", sys.stdout)  # the smoke test has escaped its output itself
    with subprocess.Popen(command, env=cloud.environment() | colour, stdout=subprocess.PIPE, text=True) as running:
        try:
            for line in cast("IO[str]", running.stdout):
                stdout.write(last_line)
                stdout.flush()
                last_line = line
        except KeyboardInterrupt:
            running.terminate()
            raise
    return running.returncode, last_line.rstrip()
