from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local_cloud.environment import without_aws

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("contents", [None, "{"])
def test_a_file_that_is_no_package_json_is_refused_before_anything_is_asked(
    tmp_path: Path, contents: str | None
) -> None:
    file = tmp_path / "package.json"
    if contents:
        file.write_text(contents)
    command = [sys.executable, "-m", "pubsub_client", "doctor", "--package-json", str(file)]
    done = subprocess.run(command, env=without_aws({}), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"pubsub: --package-json: {file} cannot be read as JSON: ")
    assert done.stderr.count("\n") == 1
