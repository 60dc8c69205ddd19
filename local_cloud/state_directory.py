"""The state directory, ``.local`` by default, which identifies the local cloud in the background."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from local_cloud.process import LocalCloud, LocalCloudError

PortOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=65535, help="Loopback port, by default a free one.")
]
RegionOption = Annotated[str, typer.Option(metavar="REGION", help="Default region of the cloud.")]
StateDirOption = Annotated[
    Path,
    typer.Option("--state-dir", metavar="DIRECTORY", help="State directory of the cloud in the background."),
]
DEFAULT_STATE = Path(".local")


@dataclass(frozen=True)
class StateDirectory:
    """The state directory of one cloud in the background."""

    directory: Path

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self.directory / "cloud.log"

    @property
    def outputs_file(self) -> Path:
        """The outputs of the deployed stack, as ``cdk deploy --outputs-file`` writes them."""
        return self.directory / "outputs.json"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Prevent other processes from starting a cloud of this directory, in this block."""
        self.directory.mkdir(parents=True, exist_ok=True)
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def running(self) -> LocalCloud | None:
        """Return the cloud of this directory if it is running.

        The cloud must confirm its process id, because another process can have the same id by now.
        """
        try:
            saved = json.loads(self._file.read_text())
            cloud = LocalCloud(port=saved["port"], pid=saved["pid"], region=saved["region"])
        except (OSError, ValueError, KeyError):
            return None
        return cloud if cloud.answers() else None

    def require_running(self) -> LocalCloud:
        """Return the running cloud of this directory.

        Raises:
            LocalCloudError: no cloud is running.
        """
        cloud = self.running()
        if cloud is None:
            raise LocalCloudError("no local cloud is running; start one with `up`")
        return cloud

    def remember(self, cloud: LocalCloud) -> None:
        """Store a running cloud, and the variables that a shell needs to reach it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({"port": cloud.port, "pid": cloud.pid, "region": cloud.region}) + "\n")
        lines = [f"export {name}={value}\n" for name, value in cloud.variables().items()]
        self._environment.write_text("".join(lines))

    def forget(self) -> None:
        """Remove the files of :meth:`remember`, the log and the outputs."""
        for file in (self._file, self._environment, self.log_file, self.outputs_file):
            file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.directory / "cloud.json"

    @property
    def _environment(self) -> Path:
        return self.directory / "env"
