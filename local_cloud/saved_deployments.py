"""Keeps deployed clouds from one run to the next, so that an unchanged stack is not deployed again."""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud.process import LocalCloud, LocalCloudError, choose_port

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_KEPT = 4


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
        """Start a cloud with a deployment on it; None if it was not saved, or if its state is of no use any more.

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
        state.touch()
        choose_port(port)  # so that only the state can be the reason of what fails now
        try:
            return LocalCloud.start(port, region=region, saved=state, log_file=log_file)
        except LocalCloudError:
            shutil.rmtree(state, ignore_errors=True)
            return None

    def save(self, digest: str, cloud: LocalCloud) -> None:
        """Save a cloud on which everything is deployed, and remove all but the latest few.

        Raises:
            ValueError: the state cannot be saved.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        state = self._directory / digest
        try:
            cloud.save(state)
        except ValueError:
            if not state.is_dir():  # otherwise another process has saved the same
                raise
        whole = [each for each in self._directory.iterdir() if "." not in each.name]
        states = sorted(whole, key=lambda each: each.stat().st_mtime, reverse=True)
        for old in states[_MOST_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)


def digest_of(paths: Iterable[Path], *values: object) -> str:
    """Return a digest of files and directories, of other values by their text, and of the local cloud itself.

    Args:
        paths: files, and directories with all files in them.
        values: whatever else decides what is deployed.
    """
    digest = hashlib.sha256(f"{version('ministack')}\0{values}".encode())
    for path in (*paths, Path(__file__).parent):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{path.name}\0{file.relative_to(path)}\0{content}\0".encode())
    return digest.hexdigest()[:32]
