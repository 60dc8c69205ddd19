"""`make demo`: serve the Amplify web example on the local cloud, with two users."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local_cloud.environment import HOST, NODE
from local_cloud.process import LocalCloud, LocalCloudError, choose_port
from local_cloud.state_directory import StateDirectory
from local_cloud.steps import Steps
from pubsub_client.outputs import Output
from tools.cdk_cli import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "amplify-web"
USERS = ("ada", "grace")
PASSWORD = "Try-amplify-pubsub-1"  # noqa: S105 - only this machine can reach these users
_READY_SECONDS = 60.0
# Node imports this first: the pipe to its standard input closes with this process, even if this process is killed.
_EXIT_WITH_STDIN = "data:text/javascript,process.stdin.on('end', () => process.exit()).resume()"


def run_demo(state: StateDirectory, port: int | None) -> None:
    """Serve the example until Ctrl-C; the local cloud keeps running.

    Args:
        state: the directory that `make local` wrote.
        port: the web server's loopback port; None uses a free one.

    Raises:
        LocalCloudError: no cloud is running, nothing is deployed, the outputs cannot be written, the port is in use,
            or the web server does not start.
    """
    cloud, steps = state.require_running(), Steps()
    try:
        (outputs,) = json.loads(state.outputs_file.read_text()).values()
    except FileNotFoundError:
        raise LocalCloudError(f"nothing is deployed: {state.outputs_file} is missing; run `make local`") from None
    steps.run(f"users {' and '.join(USERS)}", lambda: _make_users(cloud, outputs[Output.USER_POOL_ID]))
    steps.run("pubsub outputs --format amplify-outputs", lambda: _write_outputs(cloud))
    log_file = state.directory / "demo.log"
    try:
        with _web_server(steps, choose_port(port), log_file) as (server, address):
            print(f"Sign in as {' or '.join(USERS)} with the password {PASSWORD}.")
            print("Use a private window for the second user.")
            print("Ctrl-C stops the web server. `make local-down` stops the local cloud.")
            print(f"the demo runs: {address}", flush=True)
            server.wait()
    except KeyboardInterrupt:
        print("\nthe web server has stopped")
        return
    raise LocalCloudError(f"the web server stopped unexpectedly; its log is {log_file}")


def _make_users(cloud: LocalCloud, user_pool_id: str) -> None:
    users = cloud.client("cognito-idp")
    for name in USERS:
        email = [{"Name": "email", "Value": f"{name}@example.com"}, {"Name": "email_verified", "Value": "true"}]
        with suppress(users.exceptions.UsernameExistsException):  # from an earlier demo on this cloud
            users.admin_create_user(
                UserPoolId=user_pool_id, Username=name, MessageAction="SUPPRESS", UserAttributes=email
            )
        users.admin_set_user_password(UserPoolId=user_pool_id, Username=name, Password=PASSWORD, Permanent=True)


def _write_outputs(cloud: LocalCloud) -> None:
    file = EXAMPLE / "amplify_outputs.json"
    command = [sys.executable, "-m", "pubsub_client", "outputs", "--format", "amplify-outputs", "--file", str(file)]
    completed = subprocess.run(command, env=cloud.environment(), capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise LocalCloudError(f"{file} cannot be written: {completed.stderr.strip()}")


@contextmanager
def _web_server(steps: Steps, port: int, log_file: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run Vite's server, which reloads changed sources, until the block or this process ends."""
    vite = EXAMPLE / "node_modules" / "vite" / "bin" / "vite.js"
    if not vite.exists():
        raise LocalCloudError(f"the web example's packages are missing: run `make demo`, or npm ci in {EXAMPLE}")
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            [str(NODE), "--import", _EXIT_WITH_STDIN, str(vite), "--host", HOST, "--port", str(port), "--strictPort"],
            cwd=EXAMPLE,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C goes only to this process
        )
    try:
        steps.run("vite", lambda: _wait_until_ready(server, port, log_file))
        yield server, f"http://{HOST}:{port}/"
    finally:
        server.terminate()
        server.communicate()


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise LocalCloudError(f"the web server did not start on port {port}; its log is {log_file}")
