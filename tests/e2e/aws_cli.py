"""Runs commands of the AWS CLI in one process, because loading its modules takes most of the time.

The AWS CLI needs another version of botocore than the tests, so this is not the process of the tests.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any


def run_aws(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command with only these environment variables."""
    process = _process()
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps([arguments, dict(environment)]) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    assert answer, "the process of the AWS CLI has ended"
    return subprocess.CompletedProcess(list(arguments), *json.loads(answer))


@functools.cache
def _process() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.communicate)  # closes its standard input, which ends it
    return process


def _serve() -> None:
    """Run the commands from standard input."""
    from awscli.clidriver import create_clidriver  # type: ignore[import-untyped]  # installs its own botocore
    from botocore import session
    from botocore.loaders import create_loader

    session.create_loader = functools.cache(create_loader)
    data = {"AWS_DATA_PATH": os.environ["AWS_DATA_PATH"]}  # the AWS CLI sets it when it is imported
    for line in sys.stdin:
        arguments, environment = json.loads(line)
        os.environ.clear()
        os.environ.update(environment | data)
        output, errors = StringIO(), StringIO()
        code: Any
        with redirect_stdout(output), redirect_stderr(errors):
            try:
                code = create_clidriver().main(arguments)
            except SystemExit as end:
                code = end.code
        print(json.dumps([code or 0, output.getvalue(), errors.getvalue()]), flush=True)


if __name__ == "__main__":
    _serve()
