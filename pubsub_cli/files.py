"""Reads and writes the files that options name."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from pubsub_cli.errors import PreconditionError

_MODE = 0o666
_IRREPLACEABLE = {errno.EACCES, errno.EBUSY, errno.EROFS}
"""The errors for a file that can be written but not replaced: in a read-only directory, or a mount point."""


def read_text(option: str, file: Path) -> str:
    """Read a file of UTF-8 text, without its byte order mark.

    Args:
        option: the option that names the file, for the error message.
        file: the file.

    Raises:
        PreconditionError: the file cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PreconditionError(f"{option}: {file} cannot be read: {reason}") from error


def write_atomically(option: str, file: Path, text: str) -> None:
    """Write a file as a whole or not at all.

    An existing file keeps its permissions. Special files, such as pipes, and files that cannot be replaced are written
    in place.

    Args:
        option: the option that names the file, for the error message.
        file: the file.
        text: the new content.

    Raises:
        PreconditionError: the file cannot be written.
    """
    target = file.resolve()  # replaces the target of a link, not the link
    try:
        mode = _file_mode(file)
        if mode is None:
            file.write_text(text, encoding="utf-8")
            return
        if target.exists() and not os.access(target, os.W_OK):  # replacing a file needs no permission to write it
            raise PermissionError(errno.EACCES, "it is read-only")
        try:
            _replace(target, text, mode)
        except OSError as error:
            if error.errno not in _IRREPLACEABLE or not target.exists():
                raise
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PreconditionError(f"{option}: {file} cannot be written: {error.strerror}") from error


def _file_mode(file: Path) -> int | None:
    """Return the permissions for the new file; None if the existing one is a special file."""
    try:
        found = file.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return _MODE & ~mask
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else None


def _replace(target: Path, text: str, mode: int) -> None:
    # The random name prevents that another user places a link there first.
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    written = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(text)
        written.chmod(mode)
        written.replace(target)
    except BaseException:
        with suppress(OSError):
            written.unlink()
        raise
