"""Options that several commands take, and how they find the cloud that `up` started."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from local_cloud.process import LocalCloud, LocalCloudError
from local_cloud.state import State

Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Loopback port; a free one unless given.")]
Region = Annotated[str, typer.Option(help="Region of what is made without naming one.")]
StateDirectory = Annotated[Path, typer.Option("--state-dir", help="Remembers the cloud that runs in the background.")]
DEFAULT_STATE = Path(".local")


def running(state_dir: Path) -> LocalCloud:
    """Return the cloud of a state directory.

    Raises:
        LocalCloudError: none runs.
    """
    cloud = State(state_dir).running()
    if cloud is None:
        raise LocalCloudError("no local cloud runs: start one with `up`")
    return cloud
