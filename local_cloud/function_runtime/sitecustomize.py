"""Has this process ask the local cloud's name server, if its environment names one; see ``local_cloud/name_server.py``.

The GNU C library keeps what it knows of name servers in a structure for each thread, which a program may change
(``man 3 resolver``). So ``getaddrinfo`` itself asks, and hangs as it hangs on AWS: no signal interrupts it.
"""

from __future__ import annotations

import os

if _port := os.environ.get("LOCAL_CLOUD_NAME_SERVER"):
    import ctypes
    import socket
    from typing import Any

    class _Resolver(ctypes.Structure):
        """The beginning of ``struct __res_state`` of ``<resolv.h>``; one name server is 16 bytes of ``sockaddr_in``."""

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

    def _ask_our_name_server(*arguments: Any, **options: Any) -> Any:
        resolver = _libc.__res_state()
        _libc.__res_ninit(resolver)
        # Unlike what is configured, so that the library keeps what it finds; a minute, until it asks again.
        resolver.contents.retrans, resolver.contents.retry, resolver.contents.nscount = 60, 3, 1
        ctypes.memmove(resolver.contents.first, _address.ljust(16, b"\0"), 16)
        return _getaddrinfo(*arguments, **options)

    socket.getaddrinfo = _ask_our_name_server
