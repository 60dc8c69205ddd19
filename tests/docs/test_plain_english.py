"""Texts are plain English: no rejected words, no long sentences, no wide help."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import REPOSITORY, prose

_WORDS = Path(__file__).with_name("rejected_words.txt")
_SUFFIXES = {".css", ".html", ".json", ".md", ".py", ".toml", ".ts", ".tsx", ".yaml", ".yml", ""}
_PAGES_FOR_NEWCOMERS = [
    "README.md",
    *sorted(str(each.relative_to(REPOSITORY)) for each in REPOSITORY.glob("docs/how-to/*.md")),
]
_LONGEST_SENTENCE = 35
"""In words."""


def _rejected() -> dict[str, str]:
    """Return the rejected expressions, each with what to write instead."""
    lines = (line for line in _WORDS.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("\t") for line in lines)


@cache
def _texts() -> dict[str, str]:
    """Return the repository's own text files, by path. In code, ``_`` separates words."""
    command = ["git", "ls-files"]
    tracked = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    paths = [path for path in tracked.stdout.splitlines() if Path(path).suffix in _SUFFIXES and "lock" not in path]
    return {path: (REPOSITORY / path).read_text().replace("_", " ") for path in paths if (REPOSITORY / path).is_file()}


@pytest.mark.parametrize("expression", _rejected())
def test_texts_use_no_rejected_word(expression: str) -> None:
    pattern = re.compile(rf"\b(?:{expression})\b".replace(" ", r"\s+(?:#\s+)?"), re.IGNORECASE)
    own = str(_WORDS.relative_to(REPOSITORY))
    found = [
        f"{path}:{text[: match.start()].count(chr(10)) + 1}: {match[0]}"
        for path, text in _texts().items()
        if path != own
        for match in pattern.finditer(text)
    ]
    assert not found, f"write: {_rejected()[expression]}"


@pytest.mark.parametrize("page", _PAGES_FOR_NEWCOMERS)
def test_sentences_are_short(page: str) -> None:
    sentences = [each for text in prose(page) for each in re.split(r"(?<=[.!?:;])\s+", text)]
    assert not [each for each in sentences if len(each.split()) > _LONGEST_SENTENCE]
