"""What pyproject.toml releases: every folder of code, and the pins of requirements.in and requirements-dev.in."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())
_SETUPTOOLS = _PROJECT["tool"]["setuptools"]
_FOLDERS = {
    "amplify_pubsub": "stacks",
    "amplify_pubsub.lambdas": "lambdas",
    "local_cloud": "local_cloud",
    "pubsub_cli": "pubsub_cli",
    "pubsub_client": "pubsub_client",
    "pubsub_testing": "pubsub_testing",
}


def _folder(package: str) -> Path:
    root = max((each for each in _FOLDERS if f"{package}.".startswith(f"{each}.")), key=len)
    inner = package.removeprefix(root).strip(".").replace(".", "/")
    return _REPOSITORY / _FOLDERS[root] / inner


def _files(folder: Path) -> list[Path]:
    return [each for each in sorted(folder.rglob("*")) if each.is_file() and "__pycache__" not in each.parts]


def test_every_folder_with_code_is_a_package_of_the_wheel() -> None:
    folders = {_REPOSITORY / each for each in _FOLDERS.values()}
    with_code = {file.parent for folder in folders for file in _files(folder) if file.suffix == ".py"}
    assert {_folder(package) for package in _SETUPTOOLS["packages"]} == with_code
    assert {name: path for name, path in _FOLDERS.items() if name != path} == _SETUPTOOLS["package-dir"]


def test_every_file_that_is_no_code_is_in_the_wheel() -> None:
    data = _SETUPTOOLS["package-data"]
    shipped = {
        file
        for package in _SETUPTOOLS["packages"]
        for file in _files(_folder(package))
        for pattern in (*data["*"], *data.get(package, ()))
        if fnmatch(str(file.relative_to(_folder(package))), pattern)
    }
    other = {file for folder in _FOLDERS.values() for file in _files(_REPOSITORY / folder) if file.suffix != ".py"}
    assert other <= shipped


def test_what_is_installed_with_it_is_what_is_tested_with() -> None:
    direct = "".join((_REPOSITORY / name).read_text() for name in ("requirements.in", "requirements-dev.in"))
    pins = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)$", direct, re.MULTILINE))
    extras = _PROJECT["project"]["optional-dependencies"].values()
    for requirement in (each for listed in (_PROJECT["project"]["dependencies"], *extras) for each in listed):
        name, relation, version = re.split(r"(==|>=)", requirement)[:3] if "[" not in requirement else ("", "", "")
        assert not name or pins[name] == version, requirement
        assert relation in {"", "=="} or name in {"pytest", "pytest-asyncio"}


def test_the_examples_ask_for_the_version_that_is_released() -> None:
    asked = (_REPOSITORY / "examples" / "cdk-app" / "requirements.txt").read_text()
    assert asked == f"{_PROJECT['project']['name']}[pytest]=={_PROJECT['project']['version']}\n"
