"""How far this machine's clock is off, by the ``Date`` header of an answer."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from pubsub_client._endpoint import Endpoint

TOLERATED = timedelta(minutes=5)
"""AWS denies a request that it gets more than five minutes from the time in its signature.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

SUSPICIOUS = timedelta(minutes=1)
"""A clock that is set by NTP is off by less than a second, so a minute says that it runs freely."""

_PATH = "/mqtt"
_RESOLUTION = timedelta(seconds=1)
_SET_CLOCK = {
    "darwin": "sudo sntp -sS time.apple.com",
    "win32": "w32tm /resync /force",
}


@dataclass(frozen=True)
class Offset:
    """How far the clock is ahead of the server's; negative if it is behind.

    Args:
        ahead: the best guess.
        uncertain: how far the guess may be off either way: half the time to ask, and the second that the header
            is cut to.
    """

    ahead: timedelta
    uncertain: timedelta

    def __str__(self) -> str:
        """Say it in the precision there is."""
        return f"{abs(self.ahead).total_seconds():.0f} s {'ahead' if self.ahead >= timedelta() else 'behind'}"

    def surely_beyond(self, limit: timedelta) -> bool:
        """Tell whether it is off by more than a limit however the guess may err."""
        return abs(self.ahead) - self.uncertain > limit


def offset_from(date: str, sent: datetime, received: datetime) -> Offset | None:
    """Compare a ``Date`` header with this machine's time when the request went out and when the answer came.

    Returns:
        The offset; None if the header is no date.
    """
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    half = (received - sent) / 2
    return Offset(sent + half - (theirs + _RESOLUTION / 2), half + _RESOLUTION / 2)


def offset_of(endpoint: Endpoint) -> Offset | None:
    """Ask an endpoint; blocks for ten seconds at most.

    Returns:
        The offset; None if the answer has no date.

    Raises:
        OSError: there is no answer.
        ConfigurationError: the environment names a proxy or authorities that cannot be used.
    """
    sent = datetime.now(UTC)
    date = endpoint.request_http("GET", _PATH).headers.get("Date")
    received = datetime.now(UTC)
    return offset_from(date, sent, received) if date else None


def set_clock_command() -> str:
    """Return the command that sets this machine's clock by NTP."""
    return _SET_CLOCK.get(sys.platform, "sudo timedatectl set-ntp true && sudo systemctl restart systemd-timesyncd")
