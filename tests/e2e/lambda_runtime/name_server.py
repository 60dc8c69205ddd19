"""A name server on loopback that resolves every name to 127.0.0.1, or does not answer.

Without an answer a process waits in the C library, which no signal interrupts. Python processes with
:meth:`NameServer.variables` in their environment use this server, on Linux with the GNU C library.
Protocol: https://www.rfc-editor.org/rfc/rfc1035#section-4
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from pathlib import Path
from typing import Self

from local_cloud.environment import HOST
from local_cloud.function_processes import FUNCTION_RUNTIME

_HEADER = struct.Struct(">HHHHHH")
_RESPONSE = 0x8180  # a response, recursion desired and available, no error
_ADDRESS, _INTERNET = 1, 1
_NAME_OF_QUESTION = 0xC00C
_PYTHONPATH = (FUNCTION_RUNTIME, Path(__file__).parent / "resolver")


class NameServer:
    """Serves in a thread until the block ends.

    Attributes:
        silent: whether queries get no answer.
    """

    def __init__(self) -> None:
        self.silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))

    def variables(self) -> dict[str, str]:
        """Return the environment variables of a Python process that uses this name server."""
        return {
            "NAME_SERVER": str(self._socket.getsockname()[1]),
            "PYTHONPATH": os.pathsep.join(map(str, _PYTHONPATH)),
        }

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, name="name server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A closed socket would not wake the thread.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, sender = self._socket.recvfrom(512)
            if not query:
                return
            if not self.silent:
                self._socket.sendto(_answer(query), sender)


def _answer(query: bytes) -> bytes:
    """Return the address for an IPv4 query, and no address for others."""
    identifier = _HEADER.unpack_from(query)[0]
    end_of_name = query.index(b"\0", _HEADER.size) + 1
    kind = struct.unpack_from(">H", query, end_of_name)[0]
    answers = [struct.pack(">HHHIH4s", _NAME_OF_QUESTION, _ADDRESS, _INTERNET, 0, 4, socket.inet_aton(HOST))]
    given = answers if kind == _ADDRESS else []
    header = _HEADER.pack(identifier, _RESPONSE, 1, len(given), 0, 0)
    return header + query[_HEADER.size : end_of_name + 4] + b"".join(given)
