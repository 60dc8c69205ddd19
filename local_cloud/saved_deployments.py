"""Saves clouds with deployed stacks, so that an unchanged stack is not deployed again."""

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
# Older partial states are from a process that was killed while it saved.
_PARTIAL_STATE_SECONDS = 3600


class NotSavedError(Exception):
    """A deployment could not be saved; the message says why. Its cloud is not affected."""


class SavedDeployments:
    """The saved states of a directory, each under a digest of what was deployed.

    Args:
        directory: where they are kept; saving the first one makes it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def start(
        self, digest: str, port: int | None = None, *, region: str, log_file: Path | None = None
    ) -> LocalCloud | None:
        """Start a cloud from a saved deployment; return None if there is none, or if its state cannot be used.

        Args:
            digest: of what was deployed.
            port: the loopback port; None takes a free one.
            region: the region of the cloud that was saved.
            log_file: where the server writes its log; None drops it.

        Raises:
            LocalCloudError: the port is taken.
        """
        state = self._directory / digest
        if not state.is_dir():
            return None
        with suppress(OSError):  # the directory is read-only, or another process has just removed the state
            os.utime(state)
        choose_port(port)  # from here on only the state can be the reason for a failure
        try:
            return LocalCloud.start(port, region=region, saved=state, log_file=log_file)
        except LocalCloudError:
            shutil.rmtree(state, ignore_errors=True)
            return None

    def save(self, digest: str, cloud: LocalCloud) -> None:
        """Save a cloud on which everything is deployed, and remove all but the latest few.

        Raises:
            NotSavedError: the state cannot be saved.
        """
        state = self._directory / digest
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            cloud.save(state)
        except (OSError, ValueError) as error:
            if not state.is_dir():  # otherwise another process has saved the same
                raise NotSavedError(str(error)) from error
        self._remove_old()

    def _remove_old(self) -> None:
        """Remove all but the latest states; other processes may do the same at this moment."""
        found: list[tuple[float, Path]] = []
        with suppress(OSError):
            for each in self._directory.iterdir():
                with suppress(OSError):
                    found.append((each.stat().st_mtime, each))
        complete = [each for each in sorted(found, reverse=True) if "." not in each[1].name]
        begun_before = time.time() - _PARTIAL_STATE_SECONDS
        partial = [each for each in found if "." in each[1].name and each[0] < begun_before]
        for _, old in [*complete[_MAX_SAVED:], *partial]:
            shutil.rmtree(old, ignore_errors=True)


def digest_of(paths: Iterable[Path], *values: object) -> str:
    """Return a digest of files and directories, of other values by their text, and of the local cloud itself.

    Args:
        paths: files, and directories with all files in them.
        values: anything else that decides what is deployed.
    """
    digest = hashlib.sha256(f"{version('ministack')}\0{values}".encode())
    for path in (*paths, Path(__file__).parent):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{path.name}\0{file.relative_to(path)}\0{content}\0".encode())
    return digest.hexdigest()[:32]
