from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from local_cloud import saved_state
from local_cloud.process import LocalCloud, LocalCloudError
from local_cloud.saved_deployments import NotSavedError, SavedDeployments, digest_of
from local_cloud.saved_state import SavedStateError


class Cloud(LocalCloud):
    """Saves an empty directory, or calls the given function."""

    def __init__(self, saving: Callable[[Path], Any] = Path.mkdir) -> None:
        super().__init__(port=1, pid=1)
        self._saving = saving

    def save(self, directory: Path) -> None:
        self._saving(directory)


def _raise(error: Exception) -> Callable[[Path], Any]:
    def saving(_: Path) -> None:
        raise error

    return saving


def _names(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The states from which a cloud was started."""
    states: list[Path] = []

    def start(_port: int | None, *, saved: Path, **_: Any) -> Cloud:
        states.append(saved)
        if not (saved / "good").exists():
            raise LocalCloudError("it did not start")
        return Cloud()

    monkeypatch.setattr(LocalCloud, "start", start)
    return states


class TestSave:
    def test_save_removes_all_but_the_latest_four(self, tmp_path: Path) -> None:
        saved = SavedDeployments(tmp_path / "deployments")
        for number in range(6):
            saved.save(str(number), Cloud())
            _age(tmp_path / "deployments" / str(number), 100 - number)
        saved.save("last", Cloud())
        assert _names(tmp_path / "deployments") == {"3", "4", "5", "last"}

    def test_save_ignores_the_same_state_of_another_process(self, tmp_path: Path) -> None:
        (tmp_path / "same").mkdir()
        SavedDeployments(tmp_path).save("same", Cloud(_raise(ValueError("there is one"))))
        assert _names(tmp_path) == {"same"}

    @pytest.mark.parametrize("error", [ValueError("no space"), TimeoutError("no answer"), PermissionError("read-only")])
    def test_save_reports_every_failure_as_one_error(self, tmp_path: Path, error: Exception) -> None:
        with pytest.raises(NotSavedError, match=str(error)):
            SavedDeployments(tmp_path).save("digest", Cloud(_raise(error)))
        (tmp_path / "file").touch()
        with pytest.raises(NotSavedError):
            SavedDeployments(tmp_path / "file" / "deployments").save("digest", Cloud())

    def test_save_ignores_states_that_another_process_removes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = tmp_path / "gone"
        there = [*map(tmp_path.joinpath, "abc")]
        for each in there:
            each.mkdir()
        monkeypatch.setattr(Path, "iterdir", lambda _: iter([gone, *there]))
        SavedDeployments(tmp_path).save("new", Cloud())

    def test_save_removes_old_incomplete_states(self, tmp_path: Path) -> None:
        old, new = tmp_path / "digest.1", tmp_path / "digest.2"
        old.mkdir()
        new.mkdir()
        _age(old, 7200)
        SavedDeployments(tmp_path).save("digest", Cloud())
        assert _names(tmp_path) == {"digest", "digest.2"}


def test_latest_is_the_complete_state_that_was_used_last(tmp_path: Path) -> None:
    saved = SavedDeployments(tmp_path / "deployments")
    assert saved.latest() is None
    for number, name in enumerate(("old", "new", "incomplete.1")):
        state = tmp_path / "deployments" / name
        state.mkdir(parents=True)
        _age(state, 100 - number)
    assert saved.latest() == "new"


class TestStart:
    def test_start_without_a_state_returns_none(self, tmp_path: Path, started: list[Path]) -> None:
        assert SavedDeployments(tmp_path).start("digest", region="eu-west-1") is None
        assert started == []

    def test_start_uses_the_state_and_updates_its_time(self, tmp_path: Path, started: list[Path]) -> None:
        state = tmp_path / "digest"
        state.mkdir()
        (state / "good").touch()
        _age(state, 7200)
        assert SavedDeployments(tmp_path).start("digest", region="eu-west-1")
        assert started == [state]
        assert time.time() - state.stat().st_mtime < 3600

    @pytest.mark.usefixtures("started")
    def test_start_removes_an_unusable_state(self, tmp_path: Path) -> None:
        (tmp_path / "digest").mkdir()
        assert SavedDeployments(tmp_path).start("digest", region="eu-west-1") is None
        assert _names(tmp_path) == set()

    @pytest.mark.usefixtures("started")
    def test_start_ignores_a_state_that_another_process_removes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Path, "is_dir", lambda _: True)
        assert SavedDeployments(tmp_path).start("digest", region="eu-west-1") is None
        assert _names(tmp_path) == set()


class TestDigest:
    def test_digest_depends_on_contents_names_and_values(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("one")
        digests = [digest_of([tmp_path]), digest_of([tmp_path], "value")]
        file.write_text("two")
        digests.append(digest_of([tmp_path]))
        file.rename(tmp_path / "other")
        digests.append(digest_of([tmp_path]))
        assert len(set(digests)) == 4

    def test_digest_ignores_compiled_modules(self, tmp_path: Path) -> None:
        before = digest_of([tmp_path])
        (tmp_path / "__pycache__").mkdir()
        (tmp_path / "__pycache__" / "module.pyc").touch()
        assert digest_of([tmp_path]) == before


@pytest.mark.parametrize(
    "about",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff",
        json.dumps({"port": 1}).encode(),
        json.dumps({"ministack": version("ministack"), "digest": ""}).encode(),
        json.dumps({"ministack": version("ministack"), "port": "x", "digest": hashlib.sha256().hexdigest()}).encode(),
    ],
)
def test_invalid_saved_state_is_rejected(tmp_path: Path, about: bytes) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "saved-by.json").write_bytes(about)
    with pytest.raises(SavedStateError, match="state: "):
        saved_state.restore(state, tmp_path / "scratch", 2)
