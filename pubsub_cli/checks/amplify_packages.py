"""The check of a front end's Amplify packages: their versions in package.json and in the lock file.

Amplify's guide requires matching versions of ``aws-amplify`` and ``@aws-amplify/pubsub``
(https://docs.amplify.aws/react-native/build-a-backend/add-aws-services/pubsub/set-up-pubsub). Since version 6 only
their major versions are equal, such as 6.22.1 and 6.2.1. Both must use the same ``@aws-amplify/core``, which has the
configuration and the credentials.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pubsub_cli.checks.check import BlockingCheck, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, failed, passed, unknown

_AMPLIFY = "aws-amplify"
_PUBSUB = "@aws-amplify/pubsub"
_CORE = "@aws-amplify/core"
_SEPARATE_SINCE = 6
"""The first major version of ``aws-amplify`` without PubSub."""
_ONE_MAJOR = re.compile(r"[\^~=v\s]*([0-9]+)(?:\.[0-9xX*]+){0,2}(?:[-+][0-9A-Za-z.+-]*)?")
_NAME = r"(?P<name>(?:@[^/@\"']+/)?[^@/\"'\s]+)"
# Both versions of the format: https://yarnpkg.com/configuration/yarnrc, https://classic.yarnpkg.com/en/docs/yarn-lock
_YARN_PACKAGE = re.compile(rf'^"?{_NAME}@[^\n]*:\n(?:  [^\n]*\n)*?  version:? "?(?P<version>[^"\n]+)"?$', re.MULTILINE)
# https://github.com/pnpm/spec/tree/master/lockfile
_PNPM_PACKAGE = re.compile(rf"^  '?/?{_NAME}[@/](?P<version>[0-9][^:'(_\n]*)[^\n]*:$", re.MULTILINE)
_UNCONFIGURED = (
    f"PubSub does not have the configuration and credentials of {_AMPLIFY}, so it cannot sign its connection."
)


@dataclass(frozen=True)
class FrontEndPackages:
    """The packages of a front end.

    Args:
        file: the package.json.
        requested: the versions or ranges in package.json, by package name.
        locked: the versions in the lock file, by package name; None without a readable lock file.
    """

    file: Path
    requested: Mapping[str, str]
    locked: Mapping[str, set[str]] | None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read package.json and the lock file in its directory.

        Raises:
            PreconditionError: a file cannot be read.
        """
        document = _read_json(file)
        requested: dict[str, str] = {}
        for section in ("devDependencies", "dependencies"):
            found = document.get(section, {})
            if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
                raise PreconditionError(f"--package-json: {section} in {file} must be an object of names and versions")
            requested |= found
        return cls(file, requested, _locked_versions(file.parent))

    @property
    def fix(self) -> str:
        """The command that installs the newest release of both packages with the app's major version."""
        place = "" if self.file.parent.resolve() == Path.cwd() else f"--prefix {shlex.quote(str(self.file.parent))} "
        major = major_of(self.requested.get(_AMPLIFY, "")) or major_of(self.requested.get(_PUBSUB, ""))
        version = f"@{major}" if major else "@latest"
        return f"npm install {place}{_AMPLIFY}{version} {_PUBSUB}{version}"

    @property
    def versions(self) -> str:
        """The versions in the lock file; without one, those in package.json."""
        locked = self.locked or {}
        versions = {name: sorted(locked.get(name, ())) or [self.requested[name]] for name in self._names}
        return " and ".join(f"{name} {', '.join(each)}" for name, each in versions.items())

    @property
    def _names(self) -> list[str]:
        return [name for name in (_AMPLIFY, _PUBSUB) if name in self.requested]

    def mismatch(self) -> str | None:
        """Return what does not match and why that breaks PubSub; None if everything matches."""
        return self._mismatch_of_requested() or (self._mismatch_of_locked(self.locked) if self.locked else None)

    def _mismatch_of_requested(self) -> str | None:
        amplify, pubsub = self.requested.get(_AMPLIFY), self.requested.get(_PUBSUB)
        if amplify is None:
            return f"{self.file} does not list {_AMPLIFY}, which configures {_PUBSUB} and signs users in."
        major = major_of(amplify)
        if pubsub is None:
            if major is not None and major < _SEPARATE_SINCE:
                return None
            return f"{self.file} does not list {_PUBSUB}, which is not part of {_AMPLIFY} {amplify}."
        pubsub_major = major_of(pubsub)
        if major is not None and pubsub_major is not None and major != pubsub_major:
            return f"{self.file} lists {_AMPLIFY} {amplify} and {_PUBSUB} {pubsub}, two major versions: {_UNCONFIGURED}"
        return None

    def _mismatch_of_locked(self, locked: Mapping[str, set[str]]) -> str | None:
        missing = [name for name in self._names if not locked.get(name)]
        if missing:
            return f"{self.file} lists {' and '.join(missing)}, which the lock file does not contain."
        if len({major_of(each) for name in self._names for each in locked[name]}) > 1:
            return f"{self.versions} are locked, two major versions: {_UNCONFIGURED}"
        cores = sorted(locked.get(_CORE, ()))
        if len(cores) > 1:
            return f"{self.versions} are locked with two versions of {_CORE}, {' and '.join(cores)}: {_UNCONFIGURED}"
        return None


def major_of(version: str) -> int | None:
    """Return the major version of an exact version, or of a caret, tilde or x-range; None for other forms."""
    match = _ONE_MAJOR.fullmatch(version.strip())
    return int(match[1]) if match else None


def _locked_versions(directory: Path) -> dict[str, set[str]] | None:
    """Return the versions in a directory's lock file, by package name; None without one in a known format."""
    versions: defaultdict[str, set[str]] = defaultdict(set)
    npm = directory / "package-lock.json"
    if npm.is_file():
        packages = _read_json(npm).get("packages", {})  # absent in lockfileVersion 1, before npm 7
        for place, package in packages.items():
            if place and (version := package.get("version")):
                versions[place.rpartition("node_modules/")[2]].add(str(version))
        return versions or None
    for name, pattern in (("yarn.lock", _YARN_PACKAGE), ("pnpm-lock.yaml", _PNPM_PACKAGE)):
        if (directory / name).is_file():
            for match in pattern.finditer(_read(directory / name)):
                versions[match["name"]].add(match["version"])
            break
    return versions or None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(file))
    except ValueError as error:
        raise PreconditionError(f"--package-json: {file} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise PreconditionError(f"--package-json: {file} is not a JSON object")
    return document


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PreconditionError(f"--package-json: {file} cannot be read: {error}") from error


class PackagesMatch(BlockingCheck):
    """If the major versions differ, PubSub has neither configuration nor credentials.

    Amplify's [guide](https://docs.amplify.aws/react-native/build-a-backend/add-aws-services/pubsub/set-up-pubsub)
    requires matching versions. Both packages must also use the same version of `@aws-amplify/core`. The check also
    reads the lock file beside `package.json`: `package-lock.json` (npm 7 or newer), `yarn.lock` or `pnpm-lock.yaml`.
    Without a lock file it is unknown.
    """

    id = "PS105"
    group = Group.CONFIGURATION
    title = "@aws-amplify/pubsub matches aws-amplify"
    requirements = frozenset({Requirement.PACKAGE_JSON})

    def examine(self, context: Context) -> Finding:
        file = context.front_end.package_json
        if file is None:
            raise TypeError("needs a package.json")
        packages = FrontEndPackages.read(file)
        if mismatch := packages.mismatch():
            return failed(mismatch, resource=str(file), fix=packages.fix)
        if packages.locked is None:
            return unknown(
                f"{packages.versions} match in {file}, but the installed versions are not known: the directory has no "
                "package-lock.json of npm 7 or newer, yarn.lock or pnpm-lock.yaml.",
                resource=str(file),
                fix="Give the package.json in the directory of the lock file, or compare the versions yourself: "
                "npm ls aws-amplify @aws-amplify/pubsub @aws-amplify/core",
            )
        return passed(packages.versions)
