from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_MAKEFILE = Path(__file__).parents[2] / "Makefile"
_UV = """#!/bin/sh
case "$*" in *--offline*) [ -e cached ] || exit 1 ;; esac
echo "index=$UV_DEFAULT_INDEX further=$UV_INDEX certificates=$SSL_CERT_FILE" \\
  "bytecode_off=$PYTHONDONTWRITEBYTECODE arguments=$*"
"""
_SETTINGS = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "PIP_INDEX_URL",
    "PIP_CERT",
    "SSL_CERT_FILE",
    "PIP_CONFIG_FILE",
    "MAKEFLAGS",
)

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout after `make setup` and before `make test`, with a uv that shows how it was called."""
    shutil.copy(_MAKEFILE, tmp_path)
    uv = tmp_path / ".venv" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(_UV)
    uv.chmod(0o755)
    (uv.parent / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (uv.parent / "python").chmod(0o755)
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml", "package-lock.json"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".venv" / ".setup-done").touch()
    return tmp_path


def _install(project: Path, settings: dict[str, str]) -> str:
    """Return how uv was called."""
    base = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    environment = base | {"PIP_CONFIG_FILE": os.devnull} | settings
    made = subprocess.run(
        ["/usr/bin/env", "make", ".venv/.dev-done"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout


def test_uv_uses_the_index_of_pip_and_no_argument_has_its_password(project: Path) -> None:
    called = _install(project, {"PIP_INDEX_URL": "https://user:password@index.example/python"})
    assert "index=https://user:password@index.example/python " in called
    assert "password" not in called.partition("arguments=")[2]


def test_uv_uses_index_and_certificates_of_pips_configuration(project: Path) -> None:
    configuration = project / "pip.conf"
    configuration.write_text("[global]\nindex-url = https://index.example/python\ncert = /etc/company.pem\n")
    called = _install(project, {"PIP_CONFIG_FILE": str(configuration)})
    assert "index=https://index.example/python " in called
    assert "certificates=/etc/company.pem " in called


def test_settings_of_uv_itself_come_first(project: Path) -> None:
    own = {"UV_DEFAULT_INDEX": "https://own.example/python", "UV_INDEX": "https://further.example/python"}
    called = _install(project, {**own, "PIP_INDEX_URL": "https://index.example/python"})
    assert "index=https://own.example/python further=https://further.example/python " in called


@pytest.mark.parametrize("is_cached", [True, False])
def test_the_network_is_used_only_for_what_is_not_cached(project: Path, is_cached: bool) -> None:
    if is_cached:
        (project / "cached").touch()
    calls = [each for each in _install(project, {}).splitlines() if "arguments=" in each]
    assert ["--offline" in each for each in calls] == [is_cached]


def test_bytecode_is_kept_even_where_the_environment_forbids_it(project: Path) -> None:
    assert "bytecode_off= " in _install(project, {"PYTHONDONTWRITEBYTECODE": "1"})


def test_environment_whose_python_is_gone_is_made_again(project: Path) -> None:
    shutil.rmtree(project / ".venv")
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/nowhere/python3")
    # It ends where pip should install uv, for pip takes seconds to install and is left out.
    without_pip = project / "python-without-pip"
    without_pip.write_text(
        f'#!/bin/sh\nif [ "$2" = venv ]; then set -- "$@" --without-pip; fi\nexec {sys.executable} "$@"\n'
    )
    without_pip.chmod(0o755)
    made = ["/usr/bin/env", "make", ".venv/.setup-done", f"PYTHON={without_pip}"]
    subprocess.run(made, cwd=project, capture_output=True, check=False)
    assert python.exists()
