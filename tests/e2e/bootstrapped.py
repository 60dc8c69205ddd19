"""An account that the real CDK CLI has bootstrapped, for tests that deploy with the CDK CLI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_cloud.process import LocalCloud
from tests.e2e.stack_app import shared
from tools.cdk_cli import CdkCli


@contextmanager
def bootstrapped(directory: Path) -> Iterator[LocalCloud]:
    """Start a cloud that stops at the end of the block. A test run bootstraps only once."""
    log_file = directory / "cloud.log"
    with shared("bootstrap", directory) as state:
        if not state.exists():
            with LocalCloud.start(log_file=log_file) as first:
                CdkCli(first, directory).bootstrap()
                first.save(state)
    with LocalCloud.start(saved=state, log_file=log_file) as cloud:
        yield cloud
