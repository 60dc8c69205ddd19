"""docs/scale.md, whose tables are written between markers by ``python -m benchmarks.scale``."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.report import REPOSITORY
from benchmarks.scale.tables import Table

PAGE = REPOSITORY / "docs" / "scale.md"
PLOTS = REPOSITORY / "docs" / "scale"


class PageError(Exception):
    """The page has no place for a table, or more than one."""


def with_tables(text: str, tables: Iterable[Table]) -> str:
    """Return the page with these tables in their places.

    Raises:
        PageError: a table has no pair of markers of its own.
    """
    for table in tables:
        begin, end = f"<!-- {table.name} -->\n", f"<!-- /{table.name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise PageError(
                f"{PAGE}: {begin.strip()} and {end.strip()} must stand there once each, on lines of their own"
            )
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{table.markdown}\n{end}{rest.partition(end)[2]}"
    return text
