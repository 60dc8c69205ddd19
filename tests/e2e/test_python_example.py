"""examples/python-pubsub runs as its README describes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import PASSWORD, Deployment
from tests.processes import ended

_REPOSITORY = Path(__file__).parents[2]


def test_python_example_shows_a_message_sent_by_another_module(deployment: Deployment) -> None:
    running = subprocess.Popen(
        [sys.executable, "examples/python-pubsub/main.py", deployment.make_user()],
        cwd=_REPOSITORY,
        env=deployment.cloud.environment()
        | {
            "PUBSUB_OUTPUTS": str(deployment.app.outputs_file),
            "PUBSUB_PASSWORD": PASSWORD,
            "PYTHONPATH": str(_REPOSITORY),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(running):
        assert running.stdin
        assert running.stdout
        assert running.stdout.readline() == "subscribed to messages\n"
        for text in ("Hello to all subscribers!", "And again"):
            running.stdin.write(f"{text}\n")
            running.stdin.flush()
            assert running.stdout.readline() == f"latest message: {text}\n"
        shown, errors = running.communicate(timeout=30)
    assert (running.returncode, shown, errors) == (0, "", "")
