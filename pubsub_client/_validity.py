"""How long something from AWS is good, and when to ask for the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_LONGEST_MARGIN = timedelta(minutes=5)
_SHARE_OF_LIFE = 5


@dataclass(frozen=True)
class Validity:
    """The time that tokens or credentials are good for, by this machine's clock.

    Args:
        since: when they were given.
        until: when they end; None if nobody says.
    """

    since: datetime
    until: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Tell whether they are known to be good.

        Before they were given nothing is known: then the clock has been set back.
        """
        return self.until is not None and self.since <= now < self.until

    def is_due(self, now: datetime) -> bool:
        """Tell whether to renew them: they have five minutes left, or a fifth of their life if that is less.

        So what is handed out is still good when AWS looks at it, and even what lives shortly is handed out again.
        """
        if self.until is None or not self.is_good(now):
            return True
        return self.until - now <= min(_LONGEST_MARGIN, (self.until - self.since) / _SHARE_OF_LIFE)
