"""Starts, finds and ends an embedded cloud, and says how its clients reach it and nothing else."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import botocore.session
from botocore.config import Config

from local_cloud.environment import ACCOUNT_ID, CREDENTIALS, DEFAULT_REGION, HOST, without_aws

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_READY_SECONDS = 60.0
_END_SECONDS = 15.0
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


class LocalCloudError(Exception):
    """The embedded cloud cannot be started, found or ended; the message says why and what to do."""


@dataclass
class LocalCloud:
    """A running embedded cloud. Used as a context manager it ends with the block."""

    port: int
    pid: int
    region: str = DEFAULT_REGION
    account_id: str = ACCOUNT_ID
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def start(
        cls,
        port: int | None = None,
        *,
        region: str = DEFAULT_REGION,
        without: Collection[str] = (),
        log_file: Path | None = None,
        outlives_us: bool = False,
    ) -> Self:
        """Start a cloud of one's own and wait until it answers.

        Args:
            port: the loopback port; None takes a free one.
            region: the region of what is made without naming one.
            without: behaviours to leave out.
            log_file: where the server writes its log; None drops it.
            outlives_us: go on when this process ends; otherwise the cloud ends with it, however it ends.

        Raises:
            LocalCloudError: the port is taken, the region is none, or the server does not answer.
        """
        if not _REGION.fullmatch(region):
            raise LocalCloudError(f"region {region!r}: allowed is a name such as us-east-1")
        chosen = choose_port(port)
        options = [option for name in without for option in ("--without", name)]
        if not outlives_us:
            options.append("--exit-with-parent")
        command = [
            sys.executable,
            "-m",
            "local_cloud",
            "serve",
            "--port",
            str(chosen),
            "--region",
            region,
            *options,
        ]
        with Path(log_file or os.devnull).open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=Path(__file__).parent.parent,
                stdin=subprocess.DEVNULL if outlives_us else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        cloud = cls(port=chosen, pid=process.pid, region=region, _process=process)
        try:
            cloud._wait_until_ready(log_file)
        except BaseException:  # Ctrl-C too: a cloud that nobody knows of would run forever
            cloud.end()
            raise
        return cloud

    @property
    def endpoint_url(self) -> str:
        """Where every AWS service answers: an address, for a name would make the SDK find buckets by host."""
        return f"http://{HOST}:{self.port}"

    def variables(self) -> dict[str, str]:
        """Return what a shell needs to reach this cloud, as `make local` writes it to ``.local/env``."""
        region = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return {"AWS_ENDPOINT_URL": self.endpoint_url, **region, **CREDENTIALS}

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return an environment for child processes that reach this cloud and can never reach AWS.

        Args:
            base: the environment to begin with; its AWS settings and proxies are left behind.
        """
        return without_aws(base) | self.variables()

    def client(self, service: str) -> Any:
        """Return a boto3 client with an administrator's credentials; this process's AWS settings do not matter."""
        return _session().client(
            service,  # type: ignore[call-overload]
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            config=Config(proxies={}),
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def calls(self) -> dict[str, int]:
        """Return how often each operation was called since the start: ``{"iot:AttachPolicy": 1}``."""
        counts: dict[str, int] = _get_json(f"{self.endpoint_url}/_local_cloud/calls")
        return counts

    def answers(self) -> bool:
        """Tell whether this cloud answers, and is the process it is taken for."""
        try:
            return bool(_get_json(f"{self.endpoint_url}/_local_cloud/process") == {"pid": self.pid})
        except (OSError, ValueError):
            return False

    def end(self) -> None:
        """End the process and wait for it; nothing happens if it has ended already.

        Raises:
            LocalCloudError: it does not end.
        """
        if self._process is None and not self.answers():
            return
        _signal(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            if self._has_ended():
                return
            time.sleep(0.05)
        raise LocalCloudError(f"process {self.pid} of the embedded cloud does not end: kill -9 {self.pid}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _has_ended(self) -> bool:
        if self._process is not None:
            ended = self._process.poll() is not None
            if ended and self._process.stdin:
                self._process.stdin.close()
            return ended
        return not self.answers()

    def _wait_until_ready(self, log_file: Path | None) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self.answers():
                return
            if self._has_ended():
                break
            time.sleep(0.05)
        else:
            self.end()
        told = f"; its log is {log_file}" if log_file else ""
        raise LocalCloudError(f"the embedded cloud did not start on port {self.port}{told}")


def choose_port(port: int | None) -> int:
    """Return the given loopback port, or a free one for None.

    Raises:
        LocalCloudError: the port is taken.
    """
    if port is None:
        return _free_port()
    if not _is_free(port):
        raise LocalCloudError(f"port {port} is taken: name another with --port, or none for a free one")
    return port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@functools.cache
def _session() -> boto3.Session:
    """Return a session that looks at no profile and no file."""
    # Name in a file, environment variables, default, conversion: a profile from nowhere, and files without content.
    variables = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.Session(botocore_session=botocore.session.Session(session_vars=variables))


def _get_json(url: str) -> Any:
    with _DIRECT.open(url, timeout=5) as answer:
        return json.load(answer)


# Loopback is never reached through a proxy, whatever the environment says.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
