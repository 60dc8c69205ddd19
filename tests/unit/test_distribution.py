"""Versions in pyproject.toml and in the example are those that the tests use. tests/e2e tests the wheel's content."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())["project"]


def test_required_versions_are_those_of_the_tests() -> None:
    direct = "".join((_REPOSITORY / name).read_text() for name in ("requirements.in", "requirements-dev.in"))
    pins = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)$", direct, re.MULTILINE))
    extras = _PROJECT["optional-dependencies"].values()
    for requirement in (each for listed in (_PROJECT["dependencies"], *extras) for each in listed):
        if "[" in requirement:  # an extra of this package
            continue
        name, relation, version = re.split(r"(==|>=)", requirement)[:3]
        assert pins[name] == version, requirement
        assert relation == "==" or name in {"pytest", "pytest-asyncio"}


def test_cdk_example_requires_the_released_version() -> None:
    required = (_REPOSITORY / "examples" / "cdk-app" / "requirements.txt").read_text()
    assert required == f"{_PROJECT['name']}[pytest]=={_PROJECT['version']}\n"
