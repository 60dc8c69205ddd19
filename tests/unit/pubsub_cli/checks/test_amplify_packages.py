from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.checks.amplify_packages import FrontEndPackages, PackagesMatch, major_of
from pubsub_cli.checks.options import FrontEndConfig
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Status
from tests.unit.pubsub_cli.checks.stubbed_aws import StubbedAws, run_check

PUBSUB, CORE, AUTH = "@aws-amplify/pubsub", "@aws-amplify/core", "@aws-amplify/auth"
MATCHING = {"aws-amplify": "^6.0.0", PUBSUB: "^6.0.0"}


def packages(directory: Path, requested: dict[str, str], *, dev: dict[str, str] | None = None) -> FrontEndPackages:
    file = directory / "package.json"
    file.write_text(json.dumps({"dependencies": requested, "devDependencies": dev or {}}))
    return FrontEndPackages.read(file)


LOCKS = {
    "yarn": (
        "yarn.lock",
        "# yarn lockfile v1\n",
        '"{0}@^6.0.0", "{0}@6":\n  version "{1}"\n  resolved "https://..."\n',
    ),
    "yarn berry": (
        "yarn.lock",
        "__metadata:\n  version: 8\n",
        '"{0}@npm:^6.0.0":\n  version: {1}\n  resolution: "..."\n',
    ),
    "pnpm": ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n\npackages:\n", "  '{0}@{1}':\n    resolution: {{i: x}}\n"),
    "pnpm 6": ("pnpm-lock.yaml", "packages:\n", "  /{0}@{1}(react@18.0.0):\n    resolution: {{i: x}}\n"),
}
"""The file name, the start of the file, and the entry of a package."""


def write_lock(directory: Path, kind: str, *versions: tuple[str, str]) -> None:
    """Write a lock file. In npm's, each package has its own path."""
    if kind == "npm":
        places = {f"node_modules/{at}/node_modules/{name}": {"version": v} for at, (name, v) in enumerate(versions)}
        document = {"lockfileVersion": 3, "packages": {"": {"version": "1.0.0"}, **places}}
        (directory / "package-lock.json").write_text(json.dumps(document))
    else:
        file, beginning, entry = LOCKS[kind]
        (directory / file).write_text("\n".join([beginning, *(entry.format(*each) for each in versions)]))


@pytest.mark.parametrize(
    ("version", "major"),
    [
        ("6.22.1", 6),
        ("^6.2.1", 6),
        ("~5.3.0", 5),
        ("=6.0.0", 6),
        ("npm:aws-amplify@^5.3.0", 5),
        ("npm:@aws-amplify/pubsub@6.1.0", 6),
        ("npm:aws-amplify", None),
        ("workspace:^6.0.0", 6),
        ("workspace:*", None),
        ("catalog:", None),
        ("v6.0.0", 6),
        ("6", 6),
        ("6.x", 6),
        ("6.2.*", 6),
        ("10.0.0-unstable.a1", 10),
        ("*", None),
        ("latest", None),
        (">=5", None),
        ("5 || 6", None),
        ("workspace:^", None),
        ("github:aws-amplify/amplify-js#6", None),
        ("", None),
    ],
)
def test_major_version_is_known_if_the_range_has_only_one(version: str, major: int | None) -> None:
    assert major_of(version) == major


@given(st.text())
def test_any_text_is_accepted_as_a_version(text: str) -> None:
    assert (major_of(text) or 0) >= 0


@pytest.mark.parametrize(
    ("dependencies", "dev_dependencies", "mismatch"),
    [
        (
            {"aws-amplify": "^6.0.0", PUBSUB: "^5.6.0"},
            {},
            "aws-amplify ^6.0.0 and @aws-amplify/pubsub ^5.6.0, two major versions",
        ),
        ({"aws-amplify": "6.0.0"}, {"aws-amplify": "5.0.0", PUBSUB: "6.0.0"}, None),
        ({}, {"aws-amplify": "5.0.0", PUBSUB: "6.0.0"}, "two major versions"),
        ({"aws-amplify": "5.3.0"}, {}, None),
        ({"aws-amplify": "^4.3.46"}, {}, None),
        ({"aws-amplify": "6.0.0"}, {}, "does not list @aws-amplify/pubsub"),
        ({"aws-amplify": "*"}, {}, "does not list @aws-amplify/pubsub"),
        ({PUBSUB: "6.2.1"}, {}, "does not list aws-amplify"),
        ({CORE: "^5.8.5", AUTH: "^5.6.5", PUBSUB: "^5.5.5"}, {}, None),
        ({CORE: "^5.8.5", PUBSUB: "*"}, {}, None),
        ({CORE: "^6.0.0", AUTH: "^6.0.0", PUBSUB: "^5.5.5"}, {}, "several major versions"),
        ({CORE: "^5.8.5", AUTH: "^5.6.5"}, {}, "does not list @aws-amplify/pubsub"),
    ],
)
def test_packages_in_package_json_must_match(
    tmp_path: Path, dependencies: dict[str, str], dev_dependencies: dict[str, str], mismatch: str | None
) -> None:
    found = packages(tmp_path, dependencies, dev=dev_dependencies).mismatch()
    assert mismatch in found if mismatch and found else found is mismatch


def test_fix_needs_no_prefix_in_the_directory_of_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = packages(tmp_path, {"aws-amplify": "5"})
    assert app.fix == f"npm install --prefix {tmp_path} aws-amplify@5 @aws-amplify/pubsub@5"
    monkeypatch.chdir(tmp_path)
    assert app.fix == "npm install aws-amplify@5 @aws-amplify/pubsub@5"
    assert packages(tmp_path, {PUBSUB: "*"}).fix.endswith("aws-amplify@latest @aws-amplify/pubsub@latest")


@pytest.mark.parametrize("kind", ["npm", *LOCKS])
class TestLockFile:
    def test_matching_versions_are_read(self, tmp_path: Path, kind: str) -> None:
        others = (CORE, "6.19.2"), ("react", "18.0.0")
        write_lock(tmp_path, kind, ("aws-amplify", "6.22.1"), (PUBSUB, "6.2.1"), *others)
        app = packages(tmp_path, MATCHING)
        assert app.mismatch() is None
        assert app.versions == "aws-amplify 6.22.1 and @aws-amplify/pubsub 6.2.1"

    @pytest.mark.parametrize(
        ("locked", "mismatch"),
        [
            ([(PUBSUB, "5.6.0")], "aws-amplify 6.22.1 and @aws-amplify/pubsub 5.6.0 are locked, two major versions"),
            (
                [(PUBSUB, "6.2.1"), (CORE, "6.1.0"), (CORE, "6.19.2")],
                "two versions of @aws-amplify/core, 6.1.0 and 6.19.2",
            ),
            ([], "lists @aws-amplify/pubsub, which the lock file does not contain"),
        ],
        ids=["major versions", "cores", "not locked"],
    )
    def test_mismatch_is_named(self, tmp_path: Path, kind: str, locked: list[tuple[str, str]], mismatch: str) -> None:
        write_lock(tmp_path, kind, ("aws-amplify", "6.22.1"), *locked)
        assert mismatch in str(packages(tmp_path, {"aws-amplify": "*", PUBSUB: "*"}).mismatch())


@pytest.mark.parametrize(
    ("pubsub", "lock", "status"),
    [("^6.2.1", True, Status.PASSED), ("^6.2.1", False, Status.UNKNOWN), ("^5.6.0", False, Status.FAILED)],
)
async def test_packages_pass_only_with_a_lock_file(tmp_path: Path, pubsub: str, lock: bool, status: Status) -> None:
    file = packages(tmp_path, {"aws-amplify": "^6.22.1", PUBSUB: pubsub}).file
    if lock:
        write_lock(tmp_path, "npm", ("aws-amplify", "6.22.1"), (PUBSUB, "6.2.1"))
    finding = await run_check(PackagesMatch, StubbedAws(), front_end=FrontEndConfig(package_json=file))
    assert (finding.status, finding.resource) == (status, None if lock else str(file))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"bun.lock": "{}"}, "bun.lock was not read"),
        ({"bun.lockb": "\0"}, "bun.lockb was not read"),
        ({"yarn.lock": ""}, "yarn.lock was not read"),
        ({"yarn.lock": "<<<<<<< HEAD\n" + LOCKS["yarn"][2].format(CORE, "6.1.0")}, "yarn.lock was not read"),
        ({"package-lock.json": '{"packages": []}'}, "package-lock.json was not read"),
        ({"package-lock.json": '{"packages": {"node_modules/a": "1"}}'}, "package-lock.json was not read"),
        (
            {"package-lock.json": "{}", "bun.lock": "{}"},
            "has package-lock.json and bun.lock, and only one can be in use",
        ),
    ],
)
async def test_lock_file_that_is_not_read_is_named(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    file = packages(tmp_path, MATCHING).file
    finding = await run_check(PackagesMatch, StubbedAws(), front_end=FrontEndConfig(package_json=file))
    assert finding.status is Status.UNKNOWN
    assert reason in str(finding.cause)


@pytest.mark.parametrize(
    ("lock_file", "elsewhere", "here"),
    [
        ("package-lock.json", "npm install --prefix DIRECTORY", "npm install"),
        ("yarn.lock", "yarn --cwd DIRECTORY add", "yarn add"),
        ("pnpm-lock.yaml", "pnpm add --dir DIRECTORY", "pnpm add"),
        ("bun.lock", "bun add --cwd DIRECTORY", "bun add"),
    ],
)
def test_fix_uses_the_package_manager_of_the_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock_file: str, elsewhere: str, here: str
) -> None:
    (tmp_path / lock_file).write_text("{}")
    app = packages(tmp_path, {"aws-amplify": "5"})
    assert app.fix == f"{elsewhere.replace('DIRECTORY', str(tmp_path))} aws-amplify@5 @aws-amplify/pubsub@5"
    monkeypatch.chdir(tmp_path)
    assert app.fix == f"{here} aws-amplify@5 @aws-amplify/pubsub@5"


@pytest.mark.parametrize("section", ["peerDependencies", "optionalDependencies", "devDependencies"])
def test_packages_of_each_section_are_read(tmp_path: Path, section: str) -> None:
    file = tmp_path / "package.json"
    file.write_text(json.dumps({section: MATCHING}))
    assert FrontEndPackages.read(file).mismatch() is None


def test_fix_of_modular_packages_installs_all_three(tmp_path: Path) -> None:
    app = packages(tmp_path, {CORE: "5", PUBSUB: "6"})
    assert app.fix.endswith("@aws-amplify/core@5 @aws-amplify/auth@5 @aws-amplify/pubsub@5")


def test_lock_file_of_npm_6_is_read_with_nested_packages(tmp_path: Path) -> None:
    core = {"version": "6.19.2"}
    pubsub = {"version": "6.2.1", "dependencies": {CORE: {"version": "6.1.0"}}}
    lock = {"lockfileVersion": 1, "dependencies": {"aws-amplify": {"version": "6.22.1"}, CORE: core, PUBSUB: pubsub}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    assert "two versions of @aws-amplify/core, 6.1.0 and 6.19.2" in str(packages(tmp_path, MATCHING).mismatch())


def test_packages_of_an_alias_are_only_for_itself(tmp_path: Path) -> None:
    versions = {"aws-amplify": "6.22.1", PUBSUB: "6.2.1", CORE: "6.19.2", f"amplify5/node_modules/{CORE}": "5.8.0"}
    places = {f"node_modules/{name}": {"version": each} for name, each in versions.items()}
    places["node_modules/amplify5"] = {"name": "aws-amplify", "version": "5.3.0"}
    (tmp_path / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": places}))
    assert packages(tmp_path, {**MATCHING, "amplify5": "npm:aws-amplify@5.3.0"}).mismatch() is None


def test_locked_package_of_a_repository_has_no_major_version(tmp_path: Path) -> None:
    versions = {"aws-amplify": "6.22.1", PUBSUB: "github:aws-amplify/amplify-js#main"}
    lock = {"lockfileVersion": 1, "dependencies": {name: {"version": each} for name, each in versions.items()}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    assert packages(tmp_path, MATCHING).mismatch() is None


@pytest.mark.parametrize("kind", ["npm", *LOCKS])
@pytest.mark.parametrize(
    ("more", "status"),
    [([], Status.PASSED), ([(CORE, "6.1.0"), (CORE, "6.19.2")], Status.UNKNOWN), ([(PUBSUB, "5.6.0")], Status.UNKNOWN)],
    ids=["one version", "two cores", "two versions"],
)
async def test_lock_file_of_a_workspace_is_read_if_it_has_one_version_of_each(
    tmp_path: Path, kind: str, more: list[tuple[str, str]], status: Status
) -> None:
    write_lock(tmp_path, kind, ("aws-amplify", "6.22.1"), (PUBSUB, "6.2.1"), *more)
    (tmp_path / "packages" / "web").mkdir(parents=True)
    if kind.startswith("pnpm"):
        (tmp_path / "pnpm-workspace.yaml").write_text("packages: [packages/*]\n")
    else:
        (tmp_path / "package.json").write_text('{"workspaces": ["packages/*"]}')
    file = packages(tmp_path / "packages" / "web", MATCHING).file
    finding = await run_check(PackagesMatch, StubbedAws(), front_end=FrontEndConfig(package_json=file))
    assert finding.status is status
    assert "was not read" in str(finding.cause) or status is Status.PASSED


def test_lock_file_above_is_read_only_in_a_workspace(tmp_path: Path) -> None:
    write_lock(tmp_path, "npm", ("aws-amplify", "6.22.1"), (PUBSUB, "5.6.0"))
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "app").mkdir()
    assert packages(tmp_path / "app", MATCHING).lock_file is None


@pytest.mark.parametrize(
    "contents", ["", "[]", '{"dependencies": []}', '{"devDependencies": {"aws-amplify": 6}}', None]
)
def test_file_that_is_not_a_package_json_is_rejected(tmp_path: Path, contents: str | None) -> None:
    file = tmp_path / "package.json"
    if contents is not None:
        file.write_text(contents)
    with pytest.raises(PreconditionError, match=r"^--package-json: "):
        FrontEndPackages.read(file)
