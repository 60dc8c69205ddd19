"""A name server on loopback that says 127.0.0.1 to every name, and on request never answers.

What waits for a name resolution that is not answered waits in the C library, where no signal reaches it. Only a process
with :meth:`NameServer.variables` in its environment asks this name server, and only on Linux with the GNU C library.
Protocol: https://www.rfc-editor.org/rfc/rfc1035#section-4
"""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from typing import Self

from local_cloud.environment import HOST

_FUNCTION_RUNTIME = Path(__file__).parent / "function_runtime"
_HEADER = struct.Struct(">HHHHHH")
_ANSWERED = 0x8180  # an answer, recursion desired and available, no error
_ADDRESS, _INTERNET = 1, 1
_NAME_OF_THE_QUESTION = 0xC00C


class NameServer:
    """Serves in a thread of this process until the block ends.

    Attributes:
        silent: whether it leaves queries without an answer.
        queries: the names that were asked for, answered or not.
    """

    def __init__(self) -> None:
        self.silent = False
        self.queries: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))

    def variables(self) -> dict[str, str]:
        """Return what a Python process needs in its environment to ask this name server."""
        return {"LOCAL_CLOUD_NAME_SERVER": str(self._socket.getsockname()[1]), "PYTHONPATH": str(_FUNCTION_RUNTIME)}

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
            name, end = _name(query)
            self.queries.append(name)
            if not self.silent:
                self._socket.sendto(_answer(query, end), sender)


def _name(query: bytes) -> tuple[str, int]:
    """Return the name that is asked for, and where it ends."""
    labels, position = [], _HEADER.size
    while length := query[position]:
        labels.append(query[position + 1 : position + 1 + length].decode("ascii"))
        position += 1 + length
    return ".".join(labels), position + 1


def _answer(query: bytes, end_of_name: int) -> bytes:
    """Return the address for who asks for one of IPv4, and that there is none to all others."""
    identifier = _HEADER.unpack_from(query)[0]
    kind = struct.unpack_from(">H", query, end_of_name)[0]
    answers = [struct.pack(">HHHIH4s", _NAME_OF_THE_QUESTION, _ADDRESS, _INTERNET, 0, 4, socket.inet_aton(HOST))]
    given = answers if kind == _ADDRESS else []
    header = _HEADER.pack(identifier, _ANSWERED, 1, len(given), 0, 0)
    return header + query[_HEADER.size : end_of_name + 4] + b"".join(given)
