"""Lets this process use the name server of ``name_server.py`` if its environment contains the port.

The GNU C library stores its name servers for each thread in a structure that programs may change (``man 3 resolver``).
So the library's own ``getaddrinfo`` sends the query, and a missing answer blocks it as on AWS.
"""

from __future__ import annotations

import os

if _port := os.environ.get("NAME_SERVER"):
    import ctypes
    import socket
    from typing import Any

    class _Resolver(ctypes.Structure):
        """The beginning of ``struct __res_state`` in ``<resolv.h>``; ``first`` is a name server as ``sockaddr_in``."""

        _fields_ = (
            ("retrans", ctypes.c_int),
            ("retry", ctypes.c_int),
            ("options", ctypes.c_ulong),
            ("nscount", ctypes.c_int),
            ("first", ctypes.c_ubyte * 16),
        )

    _libc = ctypes.CDLL(None)
    _libc.__res_state.restype = ctypes.POINTER(_Resolver)
    _address = socket.AF_INET.to_bytes(2, "little") + int(_port).to_bytes(2, "big") + socket.inet_aton("127.0.0.1")
    _getaddrinfo = socket.getaddrinfo

    def _resolve(*arguments: Any, **options: Any) -> Any:
        resolver = _libc.__res_state()
        _libc.__res_ninit(resolver)
        # They differ from the configuration, so that the library keeps them. It repeats a query after a minute.
        resolver.contents.retrans, resolver.contents.retry, resolver.contents.nscount = 60, 3, 1
        ctypes.memmove(resolver.contents.first, _address.ljust(16, b"\0"), 16)
        return _getaddrinfo(*arguments, **options)

    socket.getaddrinfo = _resolve
