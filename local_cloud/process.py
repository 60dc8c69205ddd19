"""Starts, configures, calls and ends a local cloud."""

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
import urllib.error
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from local_cloud.environment import ACCOUNT_ID, CREDENTIALS, DEFAULT_REGION, HOST, without_aws
from local_cloud.faults import Effect, Fault, FaultError, SetFault, fault_as_document, parse_fault
from local_cloud.server import STAY

_READY_SECONDS = 60.0
_END_SECONDS = 15.0
_SAVE_SECONDS = 60.0
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
# Loopback is never reached through a proxy, even if the environment has one.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalCloudError(Exception):
    """A local cloud cannot be started, found or ended; the message gives the reason and what to do."""


class _Seconds:
    """A setting of the cloud in seconds, under the attribute's name."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, cloud: LocalCloud, _owner: type) -> float:
        return float(_request(cloud._faults_url)[self._name])

    def __set__(self, cloud: LocalCloud, seconds: float) -> None:
        _request(cloud._faults_url, "POST", {self._name: seconds})


@dataclass
class LocalCloud:
    """A running local cloud. As a context manager it ends with the block."""

    port: int
    pid: int
    region: str = DEFAULT_REGION
    account_id: str = ACCOUNT_ID
    policy_propagation_seconds = _Seconds()
    """Delay until changes of IoT policies and attachments take effect, by default 0."""
    permission_propagation_seconds = _Seconds()
    """Delay until new permissions of roles take effect, by default 0."""
    credentials_lifetime_seconds = _Seconds()
    """Lifetime of new credentials of identity pools, by default an hour."""
    trigger_timeout_seconds = _Seconds()
    """Time that Cognito waits for a trigger at sign-in, by default five seconds."""

    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def start(
        cls,
        port: int | None = None,
        *,
        region: str = DEFAULT_REGION,
        without: Collection[str] = (),
        saved: Path | None = None,
        log_file: Path | None = None,
    ) -> Self:
        """Start a cloud and wait until it answers. It ends with this process, unless it is detached.

        Args:
            port: the loopback port; None for a free one.
            region: the default region.
            without: patches to leave out.
            saved: a state that :meth:`save` wrote, of a cloud in the same region.
            log_file: the server's log; None for no log.

        Raises:
            LocalCloudError: the port is in use, the region is not valid, or the server does not answer.
        """
        if not _REGION.fullmatch(region):
            raise LocalCloudError(f"region: {region!r} given; allowed: a name such as us-east-1")
        options = [option for name in without for option in ("--without", name)]
        options += ["--saved", str(saved)] if saved else []
        # The server inherits the listening socket, so that no other process can take the port.
        with listen(port) as listener, Path(log_file or os.devnull).open("wb") as log:
            chosen: int = listener.getsockname()[1]
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "local_cloud.server",
                    "--listener",
                    str(listener.fileno()),
                    "--region",
                    region,
                    *options,
                ],
                cwd=Path(__file__).parent.parent,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[listener.fileno()],
            )
        cloud = cls(port=chosen, pid=process.pid, region=region, _process=process)
        try:
            cloud._wait_until_ready(log_file)
        except BaseException:  # Ctrl-C too
            cloud.end()
            raise
        return cloud

    def detach(self) -> None:
        """Let the cloud outlive this process; ``LocalCloud(port, pid).end()`` ends it."""
        if self._process and self._process.stdin:
            self._process.stdin.write(STAY)
            self._process.stdin.close()

    @property
    def endpoint_url(self) -> str:
        """The endpoint of all services, an IP address because the SDK prepends bucket names to host names."""
        return f"http://{HOST}:{self.port}"

    @property
    def _faults_url(self) -> str:
        return f"{self.endpoint_url}/_local_cloud/faults"

    def variables(self) -> dict[str, str]:
        """Return the environment variables that a shell needs to reach this cloud."""
        region = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return {"AWS_ENDPOINT_URL": self.endpoint_url, **region, **CREDENTIALS}

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return an environment for child processes that reach this cloud and can never reach AWS.

        Args:
            base: the environment to start from; its AWS settings and proxies are removed.
        """
        return without_aws(base) | self.variables()

    def client(self, service: str) -> Any:
        """Return a boto3 client with administrator credentials, independent of this process's AWS settings."""
        if service not in self._clients:
            from botocore.config import Config  # slow to import

            self._clients[service] = _session().client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint_url,
                config=Config(proxies={}),
                aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            )
        return self._clients[service]

    def calls(self) -> dict[str, int]:
        """Return the number of calls since the start by operation: ``{"iot:AttachPolicy": 1}``."""
        counts: dict[str, int] = _request(f"{self.endpoint_url}/_local_cloud/calls")
        return counts

    def permissions_of(self, user_arn: str) -> set[str]:
        """Return the actions for which an IAM user needed permissions since the start, granted or not."""
        return set(_request(f"{self.endpoint_url}/_local_cloud/permissions").get(user_arn, ()))

    @contextmanager
    def fault(self, operation: str, effect: Effect, *, times: int | None = None) -> Iterator[None]:
        """Set a fault on an operation in this block: ``with cloud.fault("iot:AttachPolicy", Hang()): ...``.

        Raises:
            FaultError: the fault is not valid.
        """
        (number,) = self.set_faults([Fault((operation,), effect, times)])
        try:
            yield
        finally:
            _request(f"{self._faults_url}?number={number}", "DELETE")

    def set_faults(self, faults: Iterable[Fault]) -> list[int]:
        """Add faults and return their numbers.

        Raises:
            FaultError: one is not valid; then none is set.
        """
        documents = [fault_as_document(fault) for fault in faults]
        numbers: list[int] = _request(self._faults_url, "POST", {"faults": documents})["numbers"]
        return numbers

    def faults(self) -> list[SetFault]:
        """Return the faults that are set, in the order in which they are matched."""
        return [
            SetFault(each.pop("number"), hits=each.pop("hits"), fault=parse_fault(each))
            for each in _request(self._faults_url)["faults"]
        ]

    def clear_faults(self, operation: str | None = None) -> None:
        """Clear the faults of an operation, or all faults and settings."""
        query = f"?{urlencode({'operation': operation})}" if operation is not None else ""
        _request(f"{self._faults_url}{query}", "DELETE")

    def seed_identities(self, identity_pool_id: str, count: int, *, login: str | None = None) -> list[str]:
        """Create identities for a load test, thousands per second, and return their ids.

        They are listed as identities of signed-in users, but no token gives them credentials.

        Args:
            identity_pool_id: the identity pool.
            count: how many.
            login: their login provider, by default the pool's user pool.

        Raises:
            ValueError: there is no such identity pool, or it has no user pool.
        """
        document = {"identityPoolId": identity_pool_id, "count": count, "login": login}
        answer = _request(f"{self.endpoint_url}/_local_cloud/identities", "POST", document, error_class=ValueError)
        identity_ids: list[str] = answer["identityIds"]
        return identity_ids

    def seed_attachments(self, policy_name: str, targets: Collection[str]) -> None:
        """Attach an IoT policy to targets for a load test, thousands per second, without counting calls.

        Raises:
            ValueError: there is no such policy, or it cannot be attached to a target.
        """
        document = {"policyName": policy_name, "targets": list(targets)}
        _request(f"{self.endpoint_url}/_local_cloud/attachments", "POST", document, error_class=ValueError)

    def save(self, directory: Path) -> None:
        """Save the state of this cloud to a new directory. No call may be running.

        Raises:
            ValueError: the state cannot be saved.
            OSError: the cloud does not answer within a minute.
        """
        document = {"directory": str(directory.resolve())}
        url = f"{self.endpoint_url}/_local_cloud/state"
        _request(url, "POST", document, error_class=ValueError, seconds=_SAVE_SECONDS)

    def answers(self) -> bool:
        """Return whether this cloud answers and has this process id."""
        try:
            return bool(_request(f"{self.endpoint_url}/_local_cloud/process") == {"pid": self.pid})
        except (OSError, ValueError):
            return False

    def end(self) -> None:
        """End the process if it runs, and wait until it has ended.

        Raises:
            LocalCloudError: it does not end.
        """
        if self._has_ended():
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            if self._has_ended():
                return
            time.sleep(0.05)
        raise LocalCloudError(f"process {self.pid} of the local cloud does not end; run: kill -9 {self.pid}")

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
        log = f"; its log is {log_file}" if log_file else ""
        raise LocalCloudError(f"the local cloud did not start on port {self.port}{log}")


def listen(port: int | None) -> socket.socket:
    """Return a socket that listens on the given loopback port; None for a free one.

    Raises:
        LocalCloudError: the port is in use.
    """
    try:
        return socket.create_server((HOST, port or 0))
    except OSError as error:
        raise LocalCloudError(
            f"port {port} is in use; choose another with --port, or omit it for a free one"
        ) from error


def choose_port(port: int | None) -> int:
    """Return the given loopback port, or a free one for None, for a program that cannot inherit a socket.

    Raises:
        LocalCloudError: the port is in use.
    """
    with listen(port) as listener:
        chosen: int = listener.getsockname()[1]
        return chosen


def _request(
    url: str,
    method: str = "GET",
    document: object = None,
    *,
    error_class: type[ValueError] = FaultError,
    seconds: float = 5.0,
) -> Any:
    """Call one of a local cloud's own addresses and return the JSON of its answer.

    Raises:
        OSError: there is no answer within the given time.
        ValueError: the answer is not that of a local cloud.
        error_class: the cloud rejects the request; the message is the cloud's.
    """
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, method=method)  # noqa: S310 - the address of a local cloud
    try:
        with _DIRECT.open(request, timeout=seconds) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 400:
                raise
            raise error_class(json.load(error)["message"]) from None


@functools.cache
def _session() -> Any:
    """Return a session that reads no profiles and no files."""
    import boto3
    import botocore.session

    # Each value is: key in a file, environment variables, default, conversion.
    variables = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.Session(botocore_session=botocore.session.Session(session_vars=variables))
