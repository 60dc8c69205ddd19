"""The Amplify packages of a front end: what its package.json asks for, and what is installed.

Amplify's guide asks for "the same version number" of ``@aws-amplify/pubsub`` and ``aws-amplify``
(https://docs.amplify.aws/react-native/build-a-backend/add-aws-services/pubsub/set-up-pubsub). Since version 6 the two
are numbered apart, 6.22.1 and 6.2.1 in one release; what ties them together is that both ask for exactly one version
of ``@aws-amplify/auth``, and share the one ``@aws-amplify/core`` that holds configuration and credentials.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, Self

from pubsub_cli.errors import PreconditionError

AMPLIFY = "aws-amplify"
PUBSUB = "@aws-amplify/pubsub"
_AUTH = "@aws-amplify/auth"
_CORE = "@aws-amplify/core"
_PARTED = 6
"""The major version from which PubSub is not part of ``aws-amplify`` any more."""
_ONE_MAJOR = re.compile(r"[\^~=v\s]*([0-9]+)(?:\.[0-9xX*]+){0,2}(?:[-+][0-9A-Za-z.+-]*)?")

_UNSIGNED = (
    f"PubSub does not see the configuration and the credentials that {AMPLIFY} holds, so it cannot sign its connection."
)


@dataclass(frozen=True)
class Package:
    """An installed package.

    Args:
        place: the directory it lies in.
        version: its version.
        dependencies: the versions or ranges it asks for, by name.
    """

    place: PurePosixPath | Path
    version: str
    dependencies: Mapping[str, str]


class Tree(Protocol):
    """Installed packages, found as Node finds them: in the nearest ``node_modules`` upwards."""

    def find(self, name: str, seen_from: Package | None = None) -> Package | None:
        """Return the package that the app, or another package, gets by a name; None if there is none."""
        ...


@dataclass(frozen=True)
class Mismatch:
    """What does not fit together.

    Args:
        cause: what is wrong, and why that breaks PubSub.
        breaks: whether it keeps PubSub from working; it may still work if not.
    """

    cause: str
    breaks: bool = True


@dataclass(frozen=True)
class FrontEnd:
    """A front end's package.json.

    Args:
        file: the file.
        ranges: the versions or ranges it asks for, by the package's name.
    """

    file: Path
    ranges: Mapping[str, str]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read it.

        Raises:
            PreconditionError: it cannot be read or is no package.json.
        """
        document = _read_json(file)
        ranges: dict[str, str] = {}
        for section in ("devDependencies", "dependencies"):
            found = document.get(section, {})
            if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
                raise PreconditionError(f"--package-json: {section} in {file} is no object of names and versions")
            ranges |= found
        return cls(file, ranges)

    @property
    def fix(self) -> str:
        """The command that brings both packages to the newest release of the major version that the app is of."""
        place = "" if self.file.parent.resolve() == Path.cwd() else f"--prefix {shlex.quote(str(self.file.parent))} "
        major = major_of(self.ranges.get(AMPLIFY, "")) or major_of(self.ranges.get(PUBSUB, ""))
        version = f"@{major}" if major else "@latest"
        return f"npm install {place}{AMPLIFY}{version} {PUBSUB}{version}"

    def mismatch(self) -> Mismatch | None:
        """Say what does not fit in what is asked for, and then in what is installed; None if all fits."""
        return self._asked_for() or self._installed()

    def told(self) -> str:
        """Return the versions, to show that they fit."""
        tree = self._tree()
        names = [name for name in (AMPLIFY, PUBSUB) if name in self.ranges]
        if tree is None:
            return " and ".join(f"{name} {self.ranges[name]}" for name in names) + "; none is installed"
        found = {name: tree.find(name) for name in names}
        return " and ".join(f"{name} {package.version}" for name, package in found.items() if package)

    def _asked_for(self) -> Mismatch | None:
        amplify, pubsub = self.ranges.get(AMPLIFY), self.ranges.get(PUBSUB)
        if amplify is None:
            return Mismatch(
                f"{self.file} does not ask for {AMPLIFY}, which configures and signs in what {PUBSUB} uses."
            )
        major = major_of(amplify)
        if pubsub is None:
            if major is not None and major < _PARTED:
                return None
            return Mismatch(f"{self.file} does not ask for {PUBSUB}, and {AMPLIFY} {amplify} does not contain PubSub.")
        of_pubsub = major_of(pubsub)
        if major is not None and of_pubsub is not None and major != of_pubsub:
            return Mismatch(
                f"{self.file} asks for {AMPLIFY} {amplify} and {PUBSUB} {pubsub}, two major versions: {_UNSIGNED}"
            )
        return None

    def _installed(self) -> Mismatch | None:
        tree = self._tree()
        if tree is None:
            return None
        amplify, pubsub = tree.find(AMPLIFY), tree.find(PUBSUB)
        missing = [name for name, found in ((AMPLIFY, amplify), (PUBSUB, pubsub)) if not found and name in self.ranges]
        if missing:
            return Mismatch(f"{self.file} asks for {' and '.join(missing)}, which is not installed.")
        if amplify is None or pubsub is None:
            return None
        together = f"{AMPLIFY} {amplify.version} and {PUBSUB} {pubsub.version}"
        cores = {core.place: core for each in (amplify, pubsub) if (core := tree.find(_CORE, each))}
        if len(cores) > 1:
            versions = " and ".join(core.version for core in cores.values())
            return Mismatch(f"{together} are installed with two copies of {_CORE}, {versions}: {_UNSIGNED}")
        if _two_releases(amplify, pubsub):
            return Mismatch(
                f"{together} are installed, which are of two releases: they ask for {_AUTH} "
                f"{amplify.dependencies[_AUTH]} and {pubsub.dependencies[_AUTH]}. Amplify's guide wants one release; "
                "two were never tested together.",
                breaks=False,
            )
        return None

    def _tree(self) -> Tree | None:
        beside = self.file.parent
        if any((directory / "node_modules" / AMPLIFY).is_dir() for directory in _upwards(beside)):
            return _OnDisk(beside)
        lock = beside / "package-lock.json"
        if lock.is_file() and isinstance(packages := _read_json(lock).get("packages"), dict):
            return _Locked(packages)
        return None


def major_of(wanted: str) -> int | None:
    """Return the major version that an exact, caret, tilde or x-range stays in; None if it is another form."""
    match = _ONE_MAJOR.fullmatch(wanted.strip())
    return int(match[1]) if match else None


class _OnDisk:
    """What lies in ``node_modules``; a package manager may link it to where it keeps it."""

    def __init__(self, app: Path) -> None:
        self._app = app.resolve()

    def find(self, name: str, seen_from: Package | None = None) -> Package | None:
        for directory in _upwards(Path(seen_from.place) if seen_from else self._app):
            place = directory / "node_modules" / name
            if (place / "package.json").is_file():
                document = _read_json(place / "package.json")
                return Package(place.resolve(), str(document.get("version", "")), document.get("dependencies", {}))
        return None


class _Locked:
    """What npm's lock file, since version 7, says to install."""

    def __init__(self, packages: Mapping[str, Any]) -> None:
        self._packages = packages

    def find(self, name: str, seen_from: Package | None = None) -> Package | None:
        start = PurePosixPath(seen_from.place) if seen_from else PurePosixPath()
        for directory in (start, *start.parents):
            place = directory / "node_modules" / name
            if found := self._packages.get(str(place)):
                return Package(place, str(found.get("version", "")), found.get("dependencies", {}))
        return None


def _upwards(directory: Path) -> Iterator[Path]:
    resolved = directory.resolve()
    yield from (resolved, *resolved.parents)


def _two_releases(amplify: Package, pubsub: Package) -> bool:
    """Tell whether the two ask for different versions of what each release pins."""
    wanted = amplify.dependencies.get(_AUTH), pubsub.dependencies.get(_AUTH)
    return None not in wanted and wanted[0] != wanted[1]


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise PreconditionError(f"--package-json: {file} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise PreconditionError(f"--package-json: {file} is no JSON object")
    return document
