"""Pages, checks, tests, commands and options that the pages mention exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pubsub_cli.app import COMMANDS, load_command
from pubsub_cli.checks.catalogue import CHECKS
from tests.docs.pages import REPOSITORY, code_spans, commands, pages, text_of

_OTHER_PAGES = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md"]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_OPTIONS = {
    name: {option for each in load_command(name).params for option in each.opts + each.secondary_opts} | {"--help"}
    for summaries in COMMANDS.values()
    for name in summaries
}


@pytest.mark.parametrize("page", [*pages(), *_OTHER_PAGES])
def test_links_within_the_repository_exist(page: str) -> None:
    for target in _LINK.findall(text_of(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = ((REPOSITORY / page).parent / path).resolve() if path else REPOSITORY / page
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file), target


@pytest.mark.parametrize("page", pages())
def test_named_checks_exist(page: str) -> None:
    assert set(re.findall(r"\bPS\d{3}\b", text_of(page))) <= {check.id for check in CHECKS}


def test_files_named_in_contributing_exist() -> None:
    named = re.findall(r"`((?:\w+/)+\w*(?:\.\w+)?)`", text_of("CONTRIBUTING.md"))
    roots = {path.name for path in REPOSITORY.iterdir()}
    assert [each for each in named if each.partition("/")[0] in roots and not (REPOSITORY / each).exists()] == []


@pytest.mark.parametrize("page", pages())
def test_named_tests_exist(page: str) -> None:
    named = {span for span in code_spans(page) if re.fullmatch(r"test(_\w+?){2,}", span)}
    assert named <= set(_tests())


@pytest.mark.parametrize("page", pages())
def test_named_commands_exist_with_their_options(page: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for span in code_spans(page):
        match span.split(" ", maxsplit=2):
            case ["pubsub", command, *rest] if re.fullmatch(r"[a-z]+", command):
                assert command in _OPTIONS, span
                given = {word for word in shlex.split(" ".join(rest)) if re.fullmatch(r"--[a-z-]+", word)}
                assert given <= _OPTIONS[command], span
            case ["make", target, *_] if re.fullmatch(r"[a-z-]+", target):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), span
            case ["python", "-m", rest]:
                assert importlib.util.find_spec(rest.split()[0]), span


def _anchors(file: Path) -> Iterator[str]:
    """Yield the anchors of a page's headings, as GitHub creates them."""
    seen: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = seen.setdefault(slug, 0)
        seen[slug] += 1
        yield f"{slug}-{count}" if count else slug


def _tests() -> Iterator[str]:
    for file in (REPOSITORY / "tests").rglob("test_*.py"):
        yield from re.findall(r"def (test_\w+)", file.read_text())


def test_tutorial_says_that_it_needs_the_aws_cli() -> None:
    """``make setup`` does not install it, but the test environment has it."""
    installed = (REPOSITORY / "requirements.txt").read_text()
    assert any(each.text.startswith("aws ") for each in commands("docs/tutorial.md"))
    assert "awscli==" in installed or "AWS CLI" in text_of("docs/tutorial.md").partition("## 1.")[0]
