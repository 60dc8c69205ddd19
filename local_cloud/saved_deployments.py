"""Saves the states of clouds with deployed stacks, so that an unchanged stack is not deployed again."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from local_cloud.process import LocalCloud, LocalCloudError, choose_port

_MAX_SAVED = 4
# Older incomplete states are from a process that was killed.
_INCOMPLETE_SECONDS = 3600


class NotSavedError(Exception):
    """A deployment could not be saved; the message gives the reason. Its cloud is not affected."""


class SavedDeployments:
    """The saved states in a directory, each under a digest of what was deployed.

    Args:
        directory: the directory; it is created when needed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def start(
        self, digest: str, port: int | None = None, *, region: str, log_file: Path | None = None
    ) -> LocalCloud | None:
        """Start a cloud from a saved state; return None if there is none, or if it cannot be used.

        Args:
            digest: the digest of what was deployed.
            port: the loopback port; None for a free one.
            region: the region of the saved cloud.
            log_file: the server's log; None for no log.

        Raises:
            LocalCloudError: the port is in use.
        """
        state = self._directory / digest
        if not state.is_dir():
            return None
        with suppress(OSError):  # read-only directory, or another process has just removed the state
            os.utime(state)
        choose_port(port)  # so that a failure below is due to the state
        try:
            return LocalCloud.start(port, region=region, saved=state, log_file=log_file)
        except LocalCloudError:
            shutil.rmtree(state, ignore_errors=True)
            return None

    def latest(self) -> str | None:
        """Return the digest of the state that was saved or used last."""
        complete = [each for each in self._found() if "." not in each[1].name]
        return max(complete)[1].name if complete else None

    def save(self, digest: str, cloud: LocalCloud) -> None:
        """Save a cloud after the deployment, and remove old states.

        Raises:
            NotSavedError: the state cannot be saved.
        """
        state = self._directory / digest
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            cloud.save(state)
        except (OSError, ValueError) as error:
            if not state.is_dir():  # otherwise another process has saved the same state
                raise NotSavedError(str(error)) from error
        self._remove_old()

    def _remove_old(self) -> None:
        """Remove all but the latest states. Other processes can do the same concurrently."""
        found = self._found()
        complete = [each for each in sorted(found, reverse=True) if "." not in each[1].name]
        begun_before = time.time() - _INCOMPLETE_SECONDS
        incomplete = [each for each in found if "." in each[1].name and each[0] < begun_before]
        for _, old in [*complete[_MAX_SAVED:], *incomplete]:
            shutil.rmtree(old, ignore_errors=True)

    def _found(self) -> list[tuple[float, Path]]:
        """Return the states, complete or not, with their times; skip those that another process removes."""
        found: list[tuple[float, Path]] = []
        with suppress(OSError):
            for each in self._directory.iterdir():
                with suppress(OSError):
                    found.append((each.stat().st_mtime, each))
        return found


def digest_of(paths: Iterable[Path], *values: object) -> str:
    """Return a digest of files and directories, of other values, and of the local cloud itself.

    Args:
        paths: files, and directories with all their files.
        values: other values that decide what is deployed.
    """
    digest = hashlib.sha256(f"{version('ministack')}\0{values}".encode())
    for path in (*paths, Path(__file__).parent):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{path.name}\0{file.relative_to(path)}\0{content}\0".encode())
    return digest.hexdigest()[:32]
