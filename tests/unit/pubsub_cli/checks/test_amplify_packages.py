"""Whether the Amplify packages of a front end fit together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.checks.amplify_packages import FrontEnd, major_of
from pubsub_cli.errors import PreconditionError

AUTH = "@aws-amplify/auth"
CORE = "@aws-amplify/core"
PUBSUB = "@aws-amplify/pubsub"
# One release, as the registry has it: both ask for exactly the same @aws-amplify/auth.
AMPLIFY_6_22: dict[str, Any] = {"version": "6.22.1", "dependencies": {AUTH: "6.21.1", CORE: "6.19.2"}}
PUBSUB_6_2: dict[str, Any] = {"version": "6.2.1", "dependencies": {AUTH: "6.21.1"}}


def front_end(directory: Path, *, dev: dict[str, str] | None = None, **ranges: str) -> FrontEnd:
    """Write a package.json; ``amplify`` and ``pubsub`` stand for the packages."""
    names = {"amplify": "aws-amplify", "pubsub": PUBSUB}
    document = {"dependencies": {names[short]: each for short, each in ranges.items()}, "devDependencies": dev or {}}
    file = directory / "package.json"
    file.write_text(json.dumps(document))
    return FrontEnd.read(file)


def install(directory: Path, packages: dict[str, dict[str, Any]]) -> None:
    """Lay packages into the directories that npm would."""
    for place, document in packages.items():
        (directory / place).mkdir(parents=True)
        (directory / place / "package.json").write_text(json.dumps(document))


def lock(directory: Path, packages: dict[str, dict[str, Any]]) -> None:
    (directory / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))


@pytest.mark.parametrize(
    ("wanted", "major"),
    [
        ("6.22.1", 6),
        ("^6.2.1", 6),
        ("~5.3.0", 5),
        ("=6.0.0", 6),
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
def test_the_major_version_is_read_from_what_stays_in_one(wanted: str, major: int | None) -> None:
    assert major_of(wanted) == major


@given(
    st.sampled_from(["", "^", "~", "=", "v", "^ "]),
    st.tuples(*[st.integers(min_value=0, max_value=999)] * 3),
    st.sampled_from(["", "-beta.1", "+build"]),
)
def test_every_version_has_its_major(operator: str, version: tuple[int, int, int], rest: str) -> None:
    assert major_of(f"{operator}{'.'.join(map(str, version))}{rest}") == version[0]


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert (major_of(text) or 0) >= 0


def test_two_of_one_major_version_fit(tmp_path: Path) -> None:
    assert front_end(tmp_path, amplify="6.22.1", pubsub="^6.2.1").mismatch() is None


def test_two_major_versions_do_not_fit_and_the_fix_keeps_the_apps(tmp_path: Path) -> None:
    app = front_end(tmp_path, amplify="^6.0.0", pubsub="^5.6.0")
    mismatch = app.mismatch()
    assert mismatch is not None
    assert mismatch.breaks
    assert "aws-amplify ^6.0.0 and @aws-amplify/pubsub ^5.6.0, two major versions" in mismatch.cause
    assert app.fix == f"npm install --prefix {tmp_path} aws-amplify@6 @aws-amplify/pubsub@6"


def test_the_fix_in_the_directory_of_the_app_needs_no_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert front_end(tmp_path, amplify="5").fix == "npm install aws-amplify@5 @aws-amplify/pubsub@5"


def test_without_a_major_version_the_fix_takes_the_newest(tmp_path: Path) -> None:
    assert front_end(tmp_path, pubsub="*").fix.endswith("aws-amplify@latest @aws-amplify/pubsub@latest")


def test_development_dependencies_count_and_the_others_go_before_them(tmp_path: Path) -> None:
    assert front_end(tmp_path, dev={"aws-amplify": "5.0.0", PUBSUB: "6.0.0"}, amplify="6.0.0").mismatch() is None
    assert front_end(tmp_path, dev={"aws-amplify": "5.0.0", PUBSUB: "6.0.0"}).mismatch() is not None


@pytest.mark.parametrize(("amplify", "fits"), [("5.3.0", True), ("^4.3.46", True), ("6.0.0", False), ("*", False)])
def test_pubsub_is_part_of_amplify_before_version_6_only(tmp_path: Path, amplify: str, fits: bool) -> None:
    assert (front_end(tmp_path, amplify=amplify).mismatch() is None) == fits


def test_pubsub_alone_is_not_enough(tmp_path: Path) -> None:
    mismatch = front_end(tmp_path, pubsub="6.2.1").mismatch()
    assert mismatch is not None
    assert "does not ask for aws-amplify" in mismatch.cause


def test_one_release_installed_fits_and_its_versions_are_told(tmp_path: Path) -> None:
    app = front_end(tmp_path, amplify="^6.0.0", pubsub="^6.0.0")
    install(
        tmp_path,
        {
            "node_modules/aws-amplify": AMPLIFY_6_22,
            f"node_modules/{PUBSUB}": PUBSUB_6_2,
            f"node_modules/{CORE}": {"version": "6.19.2"},
        },
    )
    assert app.mismatch() is None
    assert app.told() == "aws-amplify 6.22.1 and @aws-amplify/pubsub 6.2.1"


# What npm installs for these two, seen: the newer core for pubsub's peer, the older one inside aws-amplify.
TWO_CORES: dict[str, dict[str, Any]] = {
    "node_modules/aws-amplify": {"version": "6.0.7", "dependencies": {AUTH: "6.0.7", CORE: "6.0.7"}},
    f"node_modules/aws-amplify/node_modules/{CORE}": {"version": "6.0.7"},
    f"node_modules/{PUBSUB}": PUBSUB_6_2,
    f"node_modules/{CORE}": {"version": "6.19.2"},
}
# And the other way round: one core, and pubsub's own older @aws-amplify/auth.
TWO_RELEASES: dict[str, dict[str, Any]] = {
    "node_modules/aws-amplify": AMPLIFY_6_22,
    f"node_modules/{PUBSUB}": {"version": "6.0.7", "dependencies": {AUTH: "6.0.7"}},
    f"node_modules/{CORE}": {"version": "6.19.2"},
}


@pytest.mark.parametrize("lay", [install, lock])
def test_two_copies_of_the_core_do_not_fit(tmp_path: Path, lay: Any) -> None:
    app = front_end(tmp_path, amplify="6.0.7", pubsub="6.2.1")
    lay(tmp_path, TWO_CORES)
    mismatch = app.mismatch()
    assert mismatch is not None
    assert mismatch.breaks
    assert "two copies of @aws-amplify/core, 6.0.7 and 6.19.2" in mismatch.cause


@pytest.mark.parametrize("lay", [install, lock])
def test_two_releases_with_one_core_may_work(tmp_path: Path, lay: Any) -> None:
    app = front_end(tmp_path, amplify="6.22.1", pubsub="6.0.7")
    lay(tmp_path, TWO_RELEASES)
    mismatch = app.mismatch()
    assert mismatch is not None
    assert not mismatch.breaks
    assert "6.21.1 and 6.0.7" in mismatch.cause


def test_what_is_installed_goes_before_what_is_locked(tmp_path: Path) -> None:
    app = front_end(tmp_path, amplify="6", pubsub="6")
    lock(tmp_path, TWO_CORES)
    install(tmp_path, TWO_RELEASES)
    mismatch = app.mismatch()
    assert mismatch is not None
    assert not mismatch.breaks


def test_packages_above_the_app_are_found_as_node_finds_them(tmp_path: Path) -> None:
    (tmp_path / "apps" / "web").mkdir(parents=True)
    app = front_end(tmp_path / "apps" / "web", amplify="6", pubsub="6")
    install(tmp_path, TWO_CORES)
    assert app.mismatch() is not None


def test_linked_packages_share_the_core_beside_where_they_are_kept(tmp_path: Path) -> None:
    app = front_end(tmp_path, amplify="6", pubsub="6")
    store = "node_modules/.store"
    install(
        tmp_path,
        {
            f"{store}/amplify/node_modules/aws-amplify": AMPLIFY_6_22,
            f"{store}/pubsub/node_modules/{PUBSUB}": PUBSUB_6_2,
            f"{store}/core/node_modules/{CORE}": {"version": "6.19.2"},
        },
    )
    for link, target in {
        f"{store}/amplify/node_modules/{CORE}": f"{store}/core/node_modules/{CORE}",
        f"{store}/pubsub/node_modules/{CORE}": f"{store}/core/node_modules/{CORE}",
        "node_modules/aws-amplify": f"{store}/amplify/node_modules/aws-amplify",
        f"node_modules/{PUBSUB}": f"{store}/pubsub/node_modules/{PUBSUB}",
    }.items():
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).symlink_to(tmp_path / target, target_is_directory=True)
    assert app.mismatch() is None


def test_what_is_asked_for_and_not_installed_is_named(tmp_path: Path) -> None:
    app = front_end(tmp_path, amplify="6", pubsub="6")
    install(tmp_path, {"node_modules/aws-amplify": AMPLIFY_6_22})
    mismatch = app.mismatch()
    assert mismatch is not None
    assert "@aws-amplify/pubsub, which is not installed" in mismatch.cause


@pytest.mark.parametrize("text", ["", "{", "[]", "6", '{"dependencies": []}', '{"dependencies": {"aws-amplify": 6}}'])
def test_what_is_no_package_json_ends_the_run(tmp_path: Path, text: str) -> None:
    file = tmp_path / "package.json"
    file.write_text(text)
    with pytest.raises(PreconditionError, match=r"--package-json: .*package\.json"):
        FrontEnd.read(file)


def test_a_missing_file_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match=r"--package-json: .*missing\.json"):
        FrontEnd.read(tmp_path / "missing.json")
