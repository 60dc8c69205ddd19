"""What `make local` leaves in ``.local``: which cloud runs, and how a shell reaches it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_cloud.process import LocalCloud


@dataclass(frozen=True)
class State:
    """The directory that remembers one cloud running in the background."""

    directory: Path

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self.directory / "cloud.log"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from starting a cloud from this directory meanwhile."""
        self.directory.mkdir(parents=True, exist_ok=True)
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def running(self) -> LocalCloud | None:
        """Return the cloud that was started from here, if it still runs.

        A process that has taken over its id is not it: the cloud itself is asked for the id.
        """
        try:
            saved = json.loads(self._file.read_text())
            cloud = LocalCloud(port=saved["port"], pid=saved["pid"], region=saved["region"])
        except (OSError, ValueError, KeyError):
            return None
        return cloud if cloud.answers() else None

    def remember(self, cloud: LocalCloud) -> None:
        """Write down which cloud runs and how a shell reaches it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({"port": cloud.port, "pid": cloud.pid, "region": cloud.region}) + "\n")
        lines = [f"export {name}={value}\n" for name, value in cloud.variables().items()]
        self._environment.write_text("".join(lines))

    def forget(self) -> None:
        """Remove what :meth:`remember` wrote."""
        for file in (self._file, self._environment, self.log_file, self.directory / "outputs.json"):
            file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.directory / "cloud.json"

    @property
    def _environment(self) -> Path:
        return self.directory / "env"
