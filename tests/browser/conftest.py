"""The web example, built for the deployed stack, in the system's Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from local_cloud.environment import NODE
from tests.browser.app import App
from tests.e2e.conftest import Deployment
from tools.demo import EXAMPLE

_ARTEFACTS = Path(os.environ.get("ARTEFACTS", ".local/artefacts"))
"""Where screenshots are kept."""
_FLAGS = (
    "--no-sandbox",  # root has none, and CI often runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--in-process-gpu",
    # Only loopback names are resolved.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
)


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a directory on a free loopback port and yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(directory))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def build(outputs: str, directory: Path) -> Path:
    """Build the example with this outputs file."""
    vite = Path("node_modules", "vite", "bin", "vite.js")
    assert (EXAMPLE / vite).exists(), f"the web example's packages are missing: make test, or npm ci in {EXAMPLE}"
    shutil.copytree(EXAMPLE, directory, ignore=shutil.ignore_patterns("node_modules", "dist", "amplify_outputs.json"))
    (directory / "node_modules").symlink_to(EXAMPLE / "node_modules")
    (directory / "amplify_outputs.json").write_text(outputs)
    done = subprocess.run(
        [str(NODE), str(vite), "build"], cwd=directory, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "dist"


@contextmanager
def served_with(web: Path, directory: Path, old: str, new: str) -> Iterator[str]:
    """Serve the built example with another value of the outputs file, and yield its address."""
    changed = shutil.copytree(web, directory)
    (script,) = changed.glob("assets/*.js")
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new))
    with served(changed) as address:
        yield address


@pytest.fixture(scope="package")
def outputs(deployment: Deployment) -> str:
    """The outputs file of the front end."""
    done = deployment.pubsub("outputs", "--format", "amplify-outputs")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="package")
def web(outputs: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built example."""
    return build(outputs, tmp_path_factory.mktemp("web") / "example")


@pytest.fixture(scope="package")
def address(web: Path) -> Iterator[str]:
    with served(web) as url:
        yield url


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Chromium of the system, because Playwright's download needs a network."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        missing = "no Chromium: install it (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program, args=_FLAGS) as browser:
        yield browser


@pytest.fixture(scope="package")
def windows(chromium: Browser) -> App:
    _ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return App(chromium, _ARTEFACTS)


@pytest.fixture
def app(windows: App, address: str) -> Iterator[App]:
    windows.begin(address)
    yield windows
    windows.leave()
    windows.assert_no_unexpected_errors()
