"""The MQTT client id: as given, or made up."""

from __future__ import annotations

import uuid


class ClientId:
    """A client id; one that is made up begins as the provider demands, which is known when it connects.

    Args:
        given: the client id; None makes one up.
    """

    def __init__(self, given: str | None = None) -> None:
        self._given = given
        self._random = str(uuid.uuid4())
        self.prefix = ""
        """What one that is made up begins with."""

    def __str__(self) -> str:
        return f"{self.prefix}{self._random}" if self._given is None else self._given

    def __repr__(self) -> str:
        return repr(str(self))
