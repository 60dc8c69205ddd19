"""Renewals that failed while what they were to replace is still good: nobody raises them, so they are logged."""

from __future__ import annotations

import logging

_log = logging.getLogger("pubsub_client")


class Renewals:
    """Logs each cause of failure once until a renewal succeeds, and remembers the last one.

    Args:
        subject: what is renewed, such as ``AWS credentials``.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._logged: set[str] = set()
        self.error: str | None = None
        """Why the last renewal failed; None if it succeeded or there was none."""

    def failed(self, cause: Exception | str) -> None:
        """Log a failure. AWS's errors contain no token, and nothing else of the session is logged."""
        self.error = cause if isinstance(cause, str) else (str(cause) or repr(cause))
        if self.error not in self._logged:
            self._logged.add(self.error)
            _log.warning(
                "the %s were not renewed and are used while they are valid; the next call tries again: %s",
                self._subject,
                self.error,
            )

    def succeeded(self) -> None:
        """Log that renewals work again, if they had failed."""
        if self.error is not None:
            _log.info("the %s were renewed again", self._subject)
        self.reset()

    def reset(self) -> None:
        """Forget the failures: another user signs in, or nobody does."""
        self.error = None
        self._logged.clear()
