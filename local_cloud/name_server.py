"""A name server on loopback that resolves every name to 127.0.0.1, or does not answer.

Without an answer a process waits in the C library, which no signal interrupts. Python processes with
:meth:`NameServer.variables` in their environment use this server, on Linux with the GNU C library.
Protocol: https://www.rfc-editor.org/rfc/rfc1035#section-4
"""

from __future__ import annotations

import socket
import struct
import threading
from typing import Self

from local_cloud.environment import HOST
from local_cloud.function_processes import FUNCTION_RUNTIME

_HEADER = struct.Struct(">HHHHHH")
_RESPONSE = 0x8180  # a response, recursion desired and available, no error
_ADDRESS, _INTERNET = 1, 1
_NAME_OF_QUESTION = 0xC00C


class NameServer:
    """Serves in a thread until the block ends.

    Attributes:
        silent: whether queries get no answer.
        queries: the names in all queries.
    """

    def __init__(self) -> None:
        self.silent = False
        self.queries: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))

    def variables(self) -> dict[str, str]:
        """Return the environment variables of a Python process that uses this name server."""
        return {"LOCAL_CLOUD_NAME_SERVER": str(self._socket.getsockname()[1]), "PYTHONPATH": str(FUNCTION_RUNTIME)}

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
    """Return the name in a query, and the offset of its end."""
    labels, position = [], _HEADER.size
    while length := query[position]:
        labels.append(query[position + 1 : position + 1 + length].decode("ascii"))
        position += 1 + length
    return ".".join(labels), position + 1


def _answer(query: bytes, end_of_name: int) -> bytes:
    """Return the address for an IPv4 query, and no address for others."""
    identifier = _HEADER.unpack_from(query)[0]
    kind = struct.unpack_from(">H", query, end_of_name)[0]
    answers = [struct.pack(">HHHIH4s", _NAME_OF_QUESTION, _ADDRESS, _INTERNET, 0, 4, socket.inet_aton(HOST))]
    given = answers if kind == _ADDRESS else []
    header = _HEADER.pack(identifier, _RESPONSE, 1, len(given), 0, 0)
    return header + query[_HEADER.size : end_of_name + 4] + b"".join(given)
