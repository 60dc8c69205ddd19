"""Untrusted text is escaped on every path to the terminal."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pubsub_cli.app
import tools.__main__
from pubsub_cli.check_run import CheckRun, Progress, as_junit, show_line
from pubsub_cli.checks.check import Result
from pubsub_cli.checks.identity import PolicyIsAttached
from pubsub_cli.commands.redrive import _Redrive
from pubsub_cli.commands.subscribe import _show_status, as_json, as_text, write_line
from pubsub_cli.finding import Finding, Status, failed, operation_error, passed, skipped
from pubsub_cli.options import RunOptions, log_if
from pubsub_cli.output import CommandResult, TerminalConsole, emit
from pubsub_cli.terminal import EscapedStream, EscapingGroup
from pubsub_client import Message

_HOSTILE = (
    "\x1b[31mred\x1b]8;;https://evil.example\x1b\\link \x9b2J \r\x07\x08\x7f \x85 \u202egnp.exe\u2066\u200f"
    "\u2028PS401 ok\npubsub: all is well\t[red]markup[/red] [link=https://evil.example]x[/link] \ud800 \ufffe"
)
# Characters of untrusted text that must not reach a terminal.
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_OWN_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""The colours and styles of the program's own layout."""
untrusted_text = st.text(st.characters(codec=None)) | st.text(st.sampled_from(sorted({*_HOSTILE})))


def _control_characters(text: str) -> set[str]:
    categories = {"Cc", "Cs", "Zl", "Zp"}
    return {each for each in text if each in _BIDI or unicodedata.category(each) in categories} - {"\n", "\t"}


class Stream(io.TextIOWrapper):
    """A terminal or a pipe that records its text."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def text(self) -> str:
        buffer: Any = self.buffer
        return str(buffer.getvalue().decode("utf-8", "surrogatepass"))


def _on_streams(show: Callable[[str], Any], text: str, *, terminal: bool = False) -> str:
    """Return the text on standard output and standard error."""
    out, error = Stream(terminal=terminal), Stream(terminal=terminal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        patch.setattr(sys, "stdout", EscapedStream(out))
        patch.setattr(sys, "stderr", EscapedStream(error))
        with suppress(typer.Exit):
            show(text)
    return out.text + error.text


def _report(text: str) -> None:
    console = TerminalConsole()
    progress = Progress(console, RunOptions("doctor"))
    for finding in (passed(text), skipped(text), failed(text, resource=text, fix=[text, text])):
        progress.ended(Result(PolicyIsAttached, finding, 0.1))


def _verbose(text: str) -> None:
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        log_if(verbose=True)
        logging.getLogger("pubsub_client").warning("%s", text)
    finally:
        root.handlers = before


_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_PATHS: dict[str, Callable[[str], Any]] = {
    "print": print,
    "report": _report,
    "end of a run": lambda text: show_line(RunOptions("doctor", text), text),
    "lines": lambda text: emit(CommandResult([text], {}), RunOptions("identity", text)),
    "failure": lambda text: emit(
        CommandResult([], {}, failed(text, resource=text, fix=text)), RunOptions("identity", text)
    ),
    "dead letters": lambda text: _Redrive(RunOptions("redrive", text), show_users=True).show(text),
    "error": lambda text: print(operation_error(text, resource=text, fix=text), file=sys.stderr),
    "log": _verbose,
    "state of a subscription": _show_status,
    "message": lambda text: write_line(as_text(Message(text, text.encode(errors="surrogatepass")), _NOW).plain),
    "JSON message": lambda text: write_line(as_json(Message(text, text), _NOW)),
    "document": lambda text: emit(CommandResult([], {"text": text}), RunOptions("identity", text, json=True)),
}


@pytest.mark.parametrize("path", _PATHS)
@settings(max_examples=40)
@given(text=untrusted_text)
@example(text=_HOSTILE)
def test_output_to_a_pipe_has_no_control_characters(path: str, text: str) -> None:
    assert _control_characters(_on_streams(_PATHS[path], text)) == set()


@pytest.mark.parametrize("path", _PATHS)
@settings(max_examples=40)
@given(text=untrusted_text)
@example(text=_HOSTILE)
def test_output_to_a_terminal_is_controlled_only_by_its_own_colours(path: str, text: str) -> None:
    shown = _on_streams(_PATHS[path], text, terminal=True)
    assert _control_characters(_OWN_COLOURS.sub("", shown)) == set()
    assert "\x1b[31" not in shown.replace("\x1b[1;31mFAIL", "")


@pytest.mark.parametrize("path", ["report", "failure", "dead letters", "log", "state of a subscription", "message"])
def test_no_line_of_output_begins_with_untrusted_text(path: str) -> None:
    lines = _on_streams(_PATHS[path], "lost\nPS401 ok\npubsub: all is well").splitlines()
    assert [line for line in lines if line.startswith(("PS401", "pubsub: all"))] == []


def test_report_has_colours_on_a_terminal_or_with_force_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b[1;31mFAIL" in _on_streams(_report, "x", terminal=True)
    assert "\x1b[" not in _on_streams(_report, "x")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;31mFAIL" in _on_streams(_report, "x")


def test_spinner_controls_the_terminal_while_a_check_runs() -> None:
    def run(_: str) -> None:
        progress = Progress(TerminalConsole(), RunOptions("doctor"))
        progress.started(PolicyIsAttached)
        assert progress._spinner
        progress._spinner._live.refresh()
        progress.stop()

    shown = _on_streams(run, "", terminal=True)
    assert "\x1b[2K" in shown
    assert "\\u001b" not in shown


def test_pipe_gets_no_spinner_with_force_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert _on_streams(lambda _: Progress(TerminalConsole(), RunOptions("doctor")).started(PolicyIsAttached), "") == ""


def test_report_does_not_interpret_markup() -> None:
    assert "[red]markup[/red] [link=" in _on_streams(_report, _HOSTILE)


@given(text=untrusted_text)
@example(text=_HOSTILE)
def test_junit_report_is_xml_with_any_text_in_a_finding(text: str) -> None:
    findings = [failed(text, resource=text, fix=text), skipped(text), Finding(Status.UNKNOWN, cause=text)]
    xml = as_junit(
        RunOptions(text, text), CheckRun([Result(PolicyIsAttached, each, 0.1) for each in findings], None, ())
    )
    assert _control_characters(xml) == set()
    (suite,) = ET.fromstring(xml)
    assert len(suite) == len(findings)


def test_traceback_is_escaped() -> None:
    program = "from pubsub_cli.terminal import escape_output as e; e(); raise ValueError('\\x1b[2J\\u202e')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ValueError: \\u001b[2J\\u202e" in done.stderr
    assert _control_characters(done.stderr) == set()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_escaped_stream_escapes_characters_outside_the_encoding(encoding: str) -> None:
    kept = io.BytesIO()
    stream = io.TextIOWrapper(kept, encoding=encoding, write_through=True)
    EscapedStream(stream).write("日\x1b")
    assert kept.getvalue() == rb"\u65e5\u001b"


class TestCommands:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["doctor", "--only", _HOSTILE],
            ["doctor", f"--{_HOSTILE}"],
            [_HOSTILE],
            [f"--{_HOSTILE}"],
            ["subscribe", f"#{_HOSTILE}"],
            ["outputs", "--endpoint-url", _HOSTILE],
        ],
        ids=["a value", "an option", "a command", "an option of the group", "an argument", "an error"],
    )
    @pytest.mark.parametrize("program", [pubsub_cli.app, tools.__main__], ids=["pubsub", "tools"])
    def test_usage_error_is_escaped(self, program: Any, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        error = Stream()
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        monkeypatch.setattr(sys, "stdout", Stream())
        monkeypatch.setattr(sys, "stderr", error)
        with pytest.raises(SystemExit) as end:
            program.main()
        assert end.value.code == 2
        assert error.text
        assert _control_characters(error.text) == set()

    @pytest.mark.parametrize("application", [pubsub_cli.app.app, tools.__main__.app], ids=["pubsub", "tools"])
    def test_program_uses_the_escaping_group(self, application: typer.Typer) -> None:
        assert issubclass(application.info.cls or object, EscapingGroup)
