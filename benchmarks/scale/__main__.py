"""Simulates, shows the tables, and writes them and the plots to docs/: ``python -m benchmarks.scale``."""

from __future__ import annotations

import typer
from rich.table import Table as RichTable

from benchmarks.report import console
from benchmarks.scale.page import PAGE, PLOTS, with_tables
from benchmarks.scale.tables import Table, plots, tables

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Write docs/scale.md's tables and docs/scale/*.svg anew."""
    found = tables()
    for table in found:
        console.print(_shown(table))
    PAGE.write_text(with_tables(PAGE.read_text(), found))
    for name, text in plots().items():
        (PLOTS / name).write_text(text)
    print(f"written: {PAGE}, and its plots in {PLOTS}")


def _shown(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left")
    for number, column in enumerate(table.columns):
        shown.add_column(_plain(column), justify="right" if number else "left")
    for row in table.rows:
        shown.add_row(*map(_plain, row))
    return shown


def _plain(markdown: str) -> str:
    """Return a cell without the marks of Markdown; of a link its text."""
    return markdown.strip("*`").partition("](")[0].removeprefix("[")


if __name__ == "__main__":
    app()
