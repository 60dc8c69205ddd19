"""Calls a local cloud's own addresses, those below ``/_local_cloud``."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from local_cloud.faults.fault import FaultError

_SECONDS = 5.0
# Loopback is never reached through a proxy, even if the environment has one.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(
    url: str,
    method: str = "GET",
    document: object = None,
    *,
    refusal_error: type[ValueError] = FaultError,
    seconds: float = _SECONDS,
) -> Any:
    """Send a document as JSON, if one is given, and return the answer.

    Raises:
        OSError: nothing answers at that address within the given time.
        ValueError: the answer is not that of a local cloud.
        refusal_error: the cloud rejects the request; the message is the cloud's.
    """
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, method=method)  # noqa: S310 - the address of a local cloud
    try:
        with _DIRECT.open(request, timeout=seconds) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            if refusal.code != 400:
                raise
            raise refusal_error(json.load(refusal)["message"]) from None
