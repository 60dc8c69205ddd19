"""A file that a command writes as a whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from pubsub_cli.errors import PreconditionError

_MODE = 0o666
_CANNOT_BE_REPLACED = {errno.EACCES, errno.EBUSY, errno.EROFS}
"""The directory accepts no new file, or the file is a mount point, such as a single file mounted into a container."""


def replace_file(option: str, file: Path, text: str) -> None:
    """Write the file as a whole or not at all; whoever reads it meanwhile reads the old one.

    A file that is there keeps its permissions. A pipe and other special files are written to, and so is a file that
    cannot be replaced.

    Args:
        option: the option that names it.
        file: the file.
        text: what is to be in it.

    Raises:
        PreconditionError: it cannot be written.
    """
    target = file.resolve()  # what a link leads to is replaced, not the link
    try:
        mode = _mode(file)
        if mode is None:
            file.write_text(text, encoding="utf-8")
        else:
            _replace_or_overwrite(target, text, mode)
    except OSError as error:
        raise PreconditionError(f"{option}: {file} cannot be written: {error.strerror}") from error


def _mode(file: Path) -> int | None:
    """Return the permissions that the file is to have; None if what is there cannot be replaced."""
    try:
        there = file.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return _MODE & ~mask
    return stat.S_IMODE(there.st_mode) if stat.S_ISREG(there.st_mode) else None


def _replace_or_overwrite(target: Path, text: str, mode: int) -> None:
    try:
        _replace(target, text, mode)
    except OSError as error:
        if error.errno not in _CANNOT_BE_REPLACED or not target.exists():
            raise
        target.write_text(text, encoding="utf-8")


def _replace(target: Path, text: str, mode: int) -> None:
    # Nobody can guess the name, and what somebody has put there is not written to.
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
