"""An attachment that is owed to a user, and the message that keeps it until it is made.

Importing this module imports no SDK.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

_VERSION = 2
# Version 1 had no sub: its proof does not say for which of the users who have had the name it was made.
_WITHOUT_SUB = 1


class UnreadableMessageError(Exception):
    """What is in the queue is none of our messages."""


@dataclass
class Owed:
    """What is owed, as far as it is known: the identity id comes with the work."""

    user_pool_id: str
    user_name: str
    """The user's name exactly as the trigger's event gives it (aliases and letter case then do not matter)."""
    sub: str | None = None
    """The user's unchanging id: a name can be deleted and created again. None if it is not known."""
    identity_id: str | None = None
    mac: bytes | None = None
    """Proves, in a message, that the attachment functions themselves have found the identity id to be this user's."""

    def to_message(self) -> str:
        """Return the message; an identity id goes with its proof or not at all."""
        return json.dumps(
            {
                "version": _VERSION,
                "userPoolId": self.user_pool_id,
                "userName": self.user_name,
                "sub": self.sub,
                "identityId": self.identity_id if self.mac else None,
                "mac": base64.b64encode(self.mac).decode() if self.mac else None,
            }
        )

    @classmethod
    def parse(cls, message: str) -> Owed:
        """Read a message; nothing is verified.

        Of a message of version 1 only the user is read, so that the worker looks for the identity itself.

        Raises:
            UnreadableMessageError: it is not of this form.
        """
        try:
            values = json.loads(message)
            pool, name = _text(values["userPoolId"]), _text(values["userName"])
            if values["version"] == _WITHOUT_SUB:
                return cls(pool, name)
            if values["version"] != _VERSION:
                raise UnreadableMessageError
            sub, identity_id, mac = (_optional_text(values[key]) for key in ("sub", "identityId", "mac"))
            return cls(pool, name, sub, identity_id, None if mac is None else base64.b64decode(mac, validate=True))
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise UnreadableMessageError from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UnreadableMessageError
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)
