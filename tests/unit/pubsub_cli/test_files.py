"""Files are written atomically, keep their permissions, and follow no planted links."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pubsub_cli.errors import PreconditionError
from pubsub_cli.files import write_atomically


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_write_does_not_follow_a_planted_link(tmp_path: Path) -> None:
    """In a directory that others write to, such as /tmp, a temporary file with a guessable name could be a link."""
    file, victim = tmp_path / "outputs.json", tmp_path / "victim"
    victim.write_text("precious")
    for guess in (f".outputs.json.{os.getpid()}", ".outputs.json", "outputs.json.tmp", ".outputs.json.tmp"):
        (tmp_path / guess).symlink_to(victim)
    write_atomically("--file", file, "new")
    assert (file.read_text(), victim.read_text()) == ("new", "precious")
    assert not file.is_symlink()


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(("before", "after"), [(None, 0o640), (0o600, 0o600), (0o664, 0o664)])
def test_new_file_follows_the_umask_and_others_keep_their_mode(tmp_path: Path, before: int | None, after: int) -> None:
    file = tmp_path / "outputs.json"
    if before:
        file.write_text("old")
        file.chmod(before)
    write_atomically("--file", file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", after)


def test_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "outputs.json"
    file.write_text("old")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write to all files
    with pytest.raises(PreconditionError, match=r"outputs.json cannot be written: it is read-only"):
        write_atomically("--file", file, "new")
    assert file.read_text() == "old"


def test_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "outputs.json"
    file.write_text("old")
    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(PreconditionError, match=r"--file: .*outputs.json cannot be written: No space left on device"):
        write_atomically("--file", file, "new")
    assert [each.name for each in tmp_path.iterdir()] == ["outputs.json"]
    assert file.read_text() == "old"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY, errno.EROFS])
def test_irreplaceable_file_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    file = tmp_path / "results.xml"
    file.write_text("old and longer")
    monkeypatch.setattr("pathlib.Path.replace", fail)
    write_atomically("--junit", file, "new")
    assert file.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["results.xml"]
    with pytest.raises(PreconditionError, match=r"another.xml cannot be written"):
        write_atomically("--junit", tmp_path / "another.xml", "new")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_atomically("--junit", pipe, "<testsuites/>")
    reader.join(5)
    assert read == ["<testsuites/>"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
