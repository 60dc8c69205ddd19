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
from pubsub_cli.files import read_text
from pubsub_cli.finding import Finding, failed, passed, unknown

_OPTION = "--package-json"
_AMPLIFY = "aws-amplify"
_PUBSUB = "@aws-amplify/pubsub"
_CORE = "@aws-amplify/core"
_AUTH = "@aws-amplify/auth"
_LOCK_FILES = {
    "npm-shrinkwrap.json": "npm install --prefix",
    "package-lock.json": "npm install --prefix",
    "yarn.lock": "yarn --cwd",
    "pnpm-lock.yaml": "pnpm add --dir",
    "bun.lock": "bun add --cwd",
    "bun.lockb": "bun add --cwd",
}
"""The lock files, with the command that installs into a directory."""
_NOT_READ = {"bun.lock", "bun.lockb"}
_CONFLICT = "<<<<<<< "
_SECTIONS = ("peerDependencies", "optionalDependencies", "devDependencies", "dependencies")
"""The sections of package.json, the most important last."""
_SEPARATE_SINCE = 6
"""The first major version of ``aws-amplify`` without PubSub."""
# https://github.com/npm/cli/blob/latest/docs/lib/content/using-npm/package-spec.md (aliases)
# https://pnpm.io/workspaces#workspace-protocol-workspace
_PROTOCOL = re.compile(r"(?:npm:(?:@?[^@]+@)?|workspace:)")
_ONE_MAJOR = re.compile(r"[\^~=v\s]*([0-9]+)(?:\.[0-9xX*]+){0,2}(?:[-+][0-9A-Za-z.+-]*)?")
_NAME = r"(?P<name>(?:@[^/@\"']+/)?[^@/\"'\s]+)"
# Both versions of the format: https://yarnpkg.com/configuration/yarnrc, https://classic.yarnpkg.com/en/docs/yarn-lock
_YARN_PACKAGE = re.compile(rf'^"?{_NAME}@[^\n]*:\n(?:  [^\n]*\n)*?  version:? "?(?P<version>[^"\n]+)"?$', re.MULTILINE)
# https://github.com/pnpm/spec/tree/master/lockfile
_PNPM_PACKAGE = re.compile(rf"^  '?/?{_NAME}[@/](?P<version>[0-9][^:'(_\n]*)[^\n]*:$", re.MULTILINE)
_UNCONFIGURED = (
    "PubSub does not have the configuration and credentials of the other packages, so it cannot sign its connection."
)


@dataclass(frozen=True)
class FrontEndPackages:
    """The packages of a front end.

    Args:
        file: the package.json.
        requested: the versions or ranges in package.json, by package name.
        lock_file: the lock file of the package, or of its workspace; None if there is none.
        locked: the versions in the lock file, by package name; None without a readable lock file.
        unread: why there is no readable lock file.
    """

    file: Path
    requested: Mapping[str, str]
    lock_file: Path | None
    locked: Mapping[str, set[str]] | None
    unread: str = "there is no lock file"

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read package.json, and the lock file in its directory or at the root of its workspace.

        Raises:
            PreconditionError: a file cannot be read.
        """
        document = _read_json(file)
        requested: dict[str, str] = {}
        for section in _SECTIONS:
            found = document.get(section, {})
            if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
                raise PreconditionError(f"--package-json: {section} in {file} must be an object of names and versions")
            requested |= found
        lock_files = _find_lock_files(file)
        if not lock_files:
            return cls(file, requested, None, None)
        lock_file = lock_files[0]
        if len(lock_files) > 1:
            names = " and ".join(each.name for each in lock_files)
            return cls(file, requested, lock_file, None, f"{lock_file.parent} has {names}, and only one can be in use")
        return cls(file, requested, lock_file, _locked_versions(lock_file), f"{lock_file} was not read")

    @property
    def fix(self) -> str:
        """The command that installs the newest release of both packages with the app's major version."""
        install, _, option = _LOCK_FILES[self.lock_file.name if self.lock_file else "package-lock.json"].rpartition(" ")
        if self.file.parent.resolve() != Path.cwd():
            install += f" {option} {shlex.quote(str(self.file.parent))}"
        add = " add" if install.startswith("yarn") else ""
        majors = [major_of(self.requested[name]) for name in self._names]
        version = next((f"@{each}" for each in majors if each), "@latest")
        names = [_CORE, _AUTH, _PUBSUB] if self._is_modular else [_AMPLIFY, _PUBSUB]
        return f"{install}{add} {' '.join(name + version for name in names)}"

    @property
    def versions(self) -> str:
        """The versions in the lock file; without one, those in package.json."""
        locked = self.locked or {}
        versions = {name: sorted(locked.get(name, ())) or [self.requested[name]] for name in self._names}
        return " and ".join(f"{name} {', '.join(each)}" for name, each in versions.items())

    @property
    def _is_modular(self) -> bool:
        """Whether the app uses the packages of the categories without the package of all."""
        return _AMPLIFY not in self.requested and bool({_CORE, _AUTH} & self.requested.keys())

    @property
    def _names(self) -> list[str]:
        return [name for name in (_AMPLIFY, _CORE, _AUTH, _PUBSUB) if name in self.requested and self._compares(name)]

    def _compares(self, name: str) -> bool:
        return name in (_AMPLIFY, _PUBSUB) or self._is_modular

    @property
    def in_workspace(self) -> bool:
        """Whether the lock file belongs to a directory above, so that it also has packages of other apps."""
        return self.lock_file is not None and self.lock_file.parent != self.file.resolve().parent

    @property
    def ambiguous(self) -> list[str]:
        """The packages of which a workspace's lock file has several versions, of which the app uses one."""
        locked = self.locked or {}
        return [name for name in (*self._names, _CORE) if self.in_workspace and len(locked.get(name, ())) > 1]

    def mismatch(self) -> str | None:
        """Return what does not match and why that breaks PubSub; None if everything matches."""
        wrong = self._mismatch_of_requested()
        return wrong or (self._mismatch_of_locked(self.locked) if self.locked and not self.ambiguous else None)

    def _mismatch_of_requested(self) -> str | None:
        amplify, pubsub = self.requested.get(_AMPLIFY), self.requested.get(_PUBSUB)
        if self._is_modular and pubsub is not None:
            majors = {each for name in self._names if (each := major_of(self.requested[name])) is not None}
            listed = ", ".join(f"{name} {self.requested[name]}" for name in self._names)
            return f"{self.file} lists {listed}, several major versions: {_UNCONFIGURED}" if len(majors) > 1 else None
        if amplify is None and not self._is_modular:
            return f"{self.file} does not list {_AMPLIFY}, which configures {_PUBSUB} and signs users in."
        if amplify is None:
            return f"{self.file} does not list {_PUBSUB}."
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
        if len({major for name in self._names for each in locked[name] if (major := major_of(each)) is not None}) > 1:
            return f"{self.versions} are locked, two major versions: {_UNCONFIGURED}"
        cores = sorted(locked.get(_CORE, ()))
        if len(cores) > 1:
            return f"{self.versions} are locked with two versions of {_CORE}, {' and '.join(cores)}: {_UNCONFIGURED}"
        return None


def major_of(version: str) -> int | None:
    """Return the major version of an exact version, or of a caret, tilde or x-range; None for other forms."""
    match = _ONE_MAJOR.fullmatch(_PROTOCOL.sub("", version.strip(), count=1))
    return int(match[1]) if match else None


def _find_lock_files(file: Path) -> list[Path]:
    """Return the lock files next to package.json, or those of its workspace's root.

    https://github.com/npm/cli/blob/latest/docs/lib/content/using-npm/workspaces.md and https://pnpm.io/workspaces
    """
    own, *above = file.resolve().parents
    for directory in (own, *(each for each in above if _is_workspace_root(each))):
        if found := [directory / name for name in _LOCK_FILES if (directory / name).is_file()]:
            return found
    return []


def _is_workspace_root(directory: Path) -> bool:
    package = directory / "package.json"
    return (directory / "pnpm-workspace.yaml").is_file() or (package.is_file() and "workspaces" in _read_json(package))


def _locked_versions(lock_file: Path) -> dict[str, set[str]] | None:
    """Return the versions in a lock file, by package name; None if its format is unknown."""
    if lock_file.name in _NOT_READ:
        return None
    versions: defaultdict[str, set[str]] = defaultdict(set)
    if lock_file.suffix == ".json":
        document = _read_json(lock_file)
        try:
            places = document.get("packages", {})
            # The packages of an alias, such as of an older version next to the current one, are only for itself.
            aliases = tuple(f"{place}/" for place, package in places.items() if _is_alias(place, package))
            for place, package in places.items():
                if place and not place.startswith(aliases) and (version := package.get("version")):
                    versions[_name_of(place)].add(str(version))
            if "packages" not in document:  # lockfileVersion 1, before npm 7
                _add_dependencies(document, versions)
        except AttributeError:  # a part is not an object
            return None
    else:
        text = read_text(_OPTION, lock_file)
        if _CONFLICT in text:
            return None
        pattern = _YARN_PACKAGE if lock_file.name == "yarn.lock" else _PNPM_PACKAGE
        for match in pattern.finditer(text):
            versions[match["name"]].add(match["version"])
    return versions or None


def _name_of(place: str) -> str:
    """Return the name with which a package is imported, from its place in package-lock.json."""
    return place.rpartition("node_modules/")[2]


def _is_alias(place: str, package: Mapping[str, Any]) -> bool:
    return "node_modules/" in place and package.get("name", _name_of(place)) != _name_of(place)


def _add_dependencies(package: Mapping[str, Any], versions: defaultdict[str, set[str]]) -> None:
    """Add the versions of a lock file's nested dependencies.

    https://github.com/npm/cli/blob/release/v6/docs/content/configuring-npm/package-lock-json.md
    """
    for name, dependency in package.get("dependencies", {}).items():
        versions[name].add(str(dependency.get("version")))
        _add_dependencies(dependency, versions)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_text(_OPTION, file))
    except ValueError as error:
        raise PreconditionError(f"{_OPTION}: {file} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise PreconditionError(f"{_OPTION}: {file} is not a JSON object")
    return document


class PackagesMatch(BlockingCheck):
    """If the major versions differ, PubSub has neither configuration nor credentials.

    Amplify's [guide](https://docs.amplify.aws/react-native/build-a-backend/add-aws-services/pubsub/set-up-pubsub)
    requires matching versions. Both packages must also use the same version of `@aws-amplify/core`. The check also
    reads the lock file in the same directory or at the workspace's root: `package-lock.json`, `yarn.lock` or
    `pnpm-lock.yaml`. Without a lock file it is unknown.
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
        if packages.ambiguous:
            return unknown(
                f"{packages.lock_file} has several versions of {' and '.join(packages.ambiguous)}. It is the lock file "
                f"of a workspace, and which of them {file} uses was not read.",
                resource=str(file),
                fix="Compare the versions yourself: npm ls aws-amplify @aws-amplify/pubsub @aws-amplify/core",
            )
        if packages.locked is None:
            return unknown(
                f"{file} lists {packages.versions}, but the installed versions are not known: {packages.unread}. The "
                "check reads package-lock.json, yarn.lock and pnpm-lock.yaml.",
                resource=str(file),
                fix="Give the package.json in the directory of the lock file, or compare the versions yourself: "
                "npm ls aws-amplify @aws-amplify/pubsub @aws-amplify/core",
            )
        return passed(packages.versions)
