"""Runs a command where AWS is set up: ``python -m tests.e2e.poisoned DIRECTORY COMMAND ...``; then says who came.

A program of its own, because it may run in a network of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

ASKED = "credential_process was run"
CONNECTIONS = "connections to the recorder: "


class Recorder:
    """A loopback server that counts who connects; nobody may."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._server.accept()
            self.connections += 1
            connection.close()


def environment(address: str, directory: Path) -> dict[str, str]:
    """Return an environment in which every way to AWS leads to an address or leaves a trace in a directory."""
    config = directory / "config"
    config.write_text(
        "[default]\nregion = eu-west-1\n"
        f"[profile production]\nregion = eu-west-1\ncredential_process = touch {directory}/asked\n"
        f"endpoint_url = {address}\n"
    )
    return {
        **os.environ,
        "AWS_PROFILE": "production",
        "AWS_CONFIG_FILE": str(config),
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": address,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{address}/credentials",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": address,
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/production",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(config),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), address),
        "CDK_DEFAULT_ACCOUNT": "123456789012",
        "CDK_DEFAULT_REGION": "eu-west-1",
    }


def main() -> int:
    """Run the command and return its exit code."""
    directory, command = Path(sys.argv[1]), sys.argv[2:]
    recorder = Recorder()
    done = subprocess.run(command, env=environment(recorder.address, directory), check=False)
    if (directory / "asked").exists():
        print(ASKED)
    print(f"{CONNECTIONS}{recorder.connections}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
