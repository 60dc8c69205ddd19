"""A clock that is off, for one process alone."""

from __future__ import annotations

from pathlib import Path

# Python runs a module of this name at its start: https://docs.python.org/3/library/site.html#module-sitecustomize
_MODULE = "sitecustomize.py"
_SOURCE = """
import datetime
import time

_now, _shift = time.time, datetime.timedelta(seconds={seconds})


class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + _shift

    @classmethod
    def utcnow(cls):
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)


time.time = lambda: _now() + {seconds}
datetime.datetime = _Datetime
"""


def shifted_clock(directory: Path, *, seconds: float) -> dict[str, str]:
    """Return the variables of a Python process whose clock is so many seconds ahead."""
    own = directory / f"clock-{seconds:g}"
    own.mkdir(exist_ok=True)
    (own / _MODULE).write_text(_SOURCE.format(seconds=seconds))
    return {"PYTHONPATH": str(own)}
