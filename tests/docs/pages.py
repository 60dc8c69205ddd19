"""Pages of the documentation, and the shell commands in them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).parents[2]
SHELLS = {"bash", "sh", "console"}
OTHERS = {"ini", "json", "mermaid", "python", "ts", "yaml", ""}
"""Languages of code blocks without shell commands. An empty language is output."""

_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Command:
    """A shell command of a page.

    Args:
        page: the page's path in the repository.
        line: the number of the first line of its block.
        text: the command, with comments and line breaks.
    """

    page: str
    line: int
    text: str

    @property
    def key(self) -> str:
        """The command on one line, without comments."""
        lines = (re.sub(r"(^|\s+)# .*$", "", line) for line in self.text.splitlines())
        return " ".join("\n".join(lines).replace("\\\n", " ").split())


def pages() -> list[str]:
    """Return the paths of README.md, docs/ and the examples' READMEs."""
    found = [REPOSITORY / "README.md", *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("examples/*/README.md")]
    return sorted(str(each.relative_to(REPOSITORY)) for each in found)


def text_of(page: str) -> str:
    """Return the text of a page."""
    return (REPOSITORY / page).read_text()


def blocks(page: str) -> Iterator[Token]:
    """Yield the code blocks of a page, fenced or indented."""
    yield from (each for each in _MARKDOWN.parse(text_of(page)) if each.type in {"fence", "code_block"})


def code_spans(page: str) -> Iterator[str]:
    """Yield the code spans of a page."""
    for block in _MARKDOWN.parse(text_of(page)):
        yield from (each.content for each in block.children or () if each.type == "code_inline")


def prose(page: str) -> Iterator[str]:
    """Yield the paragraphs, list items and table cells of a page, as readers see them."""
    for block in _MARKDOWN.parse(text_of(page)):
        if block.type == "inline":
            words = (each.content for each in block.children or () if each.type in {"text", "code_inline", "softbreak"})
            yield "".join(each or " " for each in words)


def commands(page: str) -> list[Command]:
    """Return the commands in a page's shell blocks and indented blocks."""
    return [
        Command(page, block.map[0] + 1 if block.map else 0, text)
        for block in blocks(page)
        if block.type == "code_block" or block.info in SHELLS
        for text in _split(block.content)
    ]


def _split(block: str) -> Iterator[str]:
    """Yield the commands of a block, which may have several lines."""
    pending: list[str] = []
    for line in block.splitlines():
        pending.append(line)
        text = "\n".join(pending)
        if line.endswith("\\") or not _is_whole(text):
            continue
        if Command("", 0, text).key:
            yield text
        pending = []
    assert not pending, f"no whole command: {block}"


def _is_whole(text: str) -> bool:
    command = ["bash", "-n"]
    return subprocess.run(command, input=text, text=True, capture_output=True, check=False).returncode == 0
