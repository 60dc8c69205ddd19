"""Standard output as a stream of lines: each is out at once, and a reader that goes away is noticed."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def write_line(line: str) -> None:
    """Write a line; what the encoding does not have is escaped.

    Raises:
        BrokenPipeError: nobody reads any more; what is still buffered goes nowhere, without another error.
    """
    try:
        sys.stdout.buffer.write(f"{line}\n".encode(sys.stdout.encoding, "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise


@contextmanager
def reader_watched(gone: Callable[[], None]) -> Iterator[None]:
    """Be told in this block, once, that the reader of a pipe has gone, which otherwise the next line would find out."""
    loop, number = asyncio.get_running_loop(), sys.stdout.fileno()
    if not _is_end_of_a_pipe(number):
        yield
        return

    def found_out() -> None:
        loop.remove_reader(number)
        gone()

    # Nothing is ever read at a pipe's writing end, so that it can be read means that it is broken.
    loop.add_reader(number, found_out)
    try:
        yield
    finally:
        loop.remove_reader(number)


def _is_end_of_a_pipe(number: int) -> bool:
    if sys.platform == "win32" or not stat.S_ISFIFO(os.fstat(number).st_mode):
        return False
    import fcntl  # not there on Windows

    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
