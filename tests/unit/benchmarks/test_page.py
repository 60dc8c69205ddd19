from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from benchmarks.scale import __main__ as scale
from benchmarks.scale.page import PAGE, PLOTS, PageError, with_tables
from benchmarks.scale.tables import Table, plots


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the benchmark writes: a page and plots."""
    directory = tmp_path_factory.mktemp("scale")
    # Without its tables, so that each of them has to be written.
    (directory / PAGE.name).write_text(
        re.sub(r"(<!-- (\S+) -->\n).*?(<!-- /\2 -->)", r"\1\3", PAGE.read_text(), flags=re.DOTALL)
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scale, "PAGE", directory / PAGE.name)
        patched.setattr(scale, "PLOTS", directory)
        assert CliRunner().invoke(scale.app, []).exit_code == 0
    return directory


def test_page_has_the_figures_of_the_simulation(written: Path) -> None:
    assert PAGE.read_text() == (written / PAGE.name).read_text(), "python -m benchmarks.scale writes them anew"


def test_plots_are_those_of_the_simulation(written: Path) -> None:
    committed = {file.name: file.read_text() for file in PLOTS.iterdir()}
    assert committed == {file.name: file.read_text() for file in written.glob("*.svg")}


def test_plots_follow_the_readers_colour_scheme() -> None:
    for text in plots().values():
        ET.fromstring(text)
        assert "prefers-color-scheme: dark" in text


def test_every_plot_is_on_the_page() -> None:
    text = PAGE.read_text()
    assert all(f"](scale/{name})" in text for name in plots())


def test_a_table_stands_between_its_markers_and_nothing_else_changes() -> None:
    table = Table("a", "title", ["", "x"], [["1", "2"]])
    written = with_tables("before\n<!-- a -->\nold\n<!-- /a -->\nafter", [table])
    assert with_tables("before\n<!-- a -->\n<!-- /a -->\nafter", [table]) == written
    assert written == "before\n<!-- a -->\n|  | x |\n| --- | ---: |\n| 1 | 2 |\n<!-- /a -->\nafter"
    assert with_tables(written, [table]) == written


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(PageError, match=r"<!-- a -->"):
        with_tables("nothing", [Table("a", "title", ["x"], [])])
