"""The Amplify web example on an local cloud: two users, its outputs file, and a server for a browser to open."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local_cloud.cdk_app import CdkApp
from local_cloud.environment import HOST
from local_cloud.process import LocalCloud, LocalCloudError, choose_port
from local_cloud.rehearsal import Steps, interrupt
from pubsub_client.outputs import Output
from tools.cdk_cli import NODE, REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "amplify-web"
USERS = ("ada", "grace")
PASSWORD = "Try-amplify-pubsub-1"  # noqa: S105 - of users that nobody but this machine can reach
_READY_SECONDS = 60.0
# For Node to import first: our end of the pipe closes with this process, even if that is killed.
_END_WITH_STDIN = "data:text/javascript,process.stdin.on('end', () => process.exit()).resume()"


def run_demo(app: CdkApp, port: int | None) -> None:
    """Serve the example in the foreground until Ctrl-C or SIGTERM; the cloud goes on.

    Args:
        app: the app, deployed.
        port: the web server's loopback port; None takes a free one.

    Raises:
        CdkError: nothing is deployed.
        LocalCloudError: the outputs cannot be written, the port is taken, or the web server does not start.
    """
    signal.signal(signal.SIGTERM, interrupt)
    steps = Steps()
    user_pool_id = app.outputs()[Output.USER_POOL_ID]
    steps.run(f"users {' and '.join(USERS)}", lambda: _make_users(app.cloud, user_pool_id))
    steps.run("pubsub outputs --format amplify-outputs", lambda: _write_outputs(app.cloud))
    try:
        with _web_server(steps, choose_port(port), app.directory / "demo.log") as (server, address):
            print(f"sign in as {' or '.join(USERS)}, password {PASSWORD}; a second user needs a private window")
            print("Ctrl-C ends the web server; the local cloud goes on until `make local-down`")
            print(f"the demo runs: {address}", flush=True)
            server.wait()
    except KeyboardInterrupt:
        print("\nthe web server has ended")
        return
    raise LocalCloudError(f"the web server has ended by itself; its log is {app.directory / 'demo.log'}")


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
    done = subprocess.run(command, env=cloud.environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalCloudError(f"{file} cannot be written: {done.stderr.strip()}")


@contextmanager
def _web_server(steps: Steps, port: int, log_file: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run Vite's server, which follows every change of the sources; it ends with the block, and with this process."""
    vite = EXAMPLE / "node_modules" / "vite" / "bin" / "vite.js"
    if not vite.exists():
        raise LocalCloudError(f"the web example's packages are missing: run `make demo`, or npm ci in {EXAMPLE}")
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            [str(NODE), "--import", _END_WITH_STDIN, str(vite), "--host", HOST, "--port", str(port), "--strictPort"],
            cwd=EXAMPLE,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for us alone
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
