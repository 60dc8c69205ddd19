"""A file that a command writes as a whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pubsub_client.checks.check import CouldNotRunError

if TYPE_CHECKING:
    from pathlib import Path


def replace_file(option: str, file: Path, text: str) -> None:
    """Write the file as a whole or not at all; whoever reads it meanwhile reads the old one.

    Args:
        option: the option that names it.
        file: the file.
        text: what is to be in it.

    Raises:
        CouldNotRunError: it cannot be written.
    """
    target = file.resolve()  # what a link leads to is replaced, not the link
    written = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        written.write_text(text)
        written.replace(target)
    except OSError as error:
        with suppress(OSError):
            written.unlink()
        raise CouldNotRunError(f"{option}: {file} cannot be written: {error.strerror}") from error
