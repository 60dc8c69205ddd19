"""What every benchmark needs: a deployment, a directory for its logs, and a file for its figures."""

from __future__ import annotations

import json
import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from local_cloud.process import LocalCloud
from local_cloud.provisioning import CdkApp

REPOSITORY = Path(__file__).parent.parent
_RESULTS = REPOSITORY / ".local" / "bench"

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 120


def deploy(
    cloud: LocalCloud, directory: Path, settings: dict[str, Any], environment: str | None = None
) -> dict[str, str]:
    """Deploy this repository's stack with other settings, and return its outputs by name."""
    context = {"amplify-pubsub": settings} | ({"environment": environment} if environment else {})
    return CdkApp.in_directory(REPOSITORY, context).synthesize(directory / "cdk.out").deploy(cloud)


def empty_directory(name: str) -> Path:
    """Return a directory for the logs of a benchmark's local cloud; those of its last run are gone."""
    directory = _RESULTS / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def save(name: str, figures: dict[str, Any]) -> None:
    """Write the figures with machine and date as JSON, and say where and on which machine."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = {
        "cores": os.cpu_count(),
        "memoryGiB": round(gib),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    date = datetime.now(UTC).isoformat(timespec="seconds")
    file = _RESULTS / f"{name}.json"
    file.write_text(json.dumps({"date": date, "machine": machine, **figures}, indent=2) + "\n")
    print(
        f"{machine['cores']} cores, {machine['memoryGiB']} GiB, {machine['system']}, Python {machine['python']}; "
        f"every figure is in {file}"
    )
