"""The console, the directories and the result files of the benchmarks."""

from __future__ import annotations

import json
import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

REPOSITORY = Path(__file__).parent.parent
_RESULTS = REPOSITORY / ".local" / "bench"

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 120


def empty_directory(name: str) -> Path:
    """Return an empty directory for the logs of a benchmark, without those of its last run."""
    directory = _RESULTS / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def save(name: str, figures: dict[str, Any]) -> None:
    """Write the figures, the date and the machine to a JSON file, and print where."""
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
        f"all figures: {file}"
    )
