"""What ``--record`` does: a run's word on every assumption about AWS is shown, and kept with those of before."""

from __future__ import annotations

import os
import re
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from rich.text import Text

from pubsub_client.checks.check import CouldNotRunError, Status
from pubsub_client.cli.replacing import replace_file
from pubsub_client.cli.report import redacted
from pubsub_client.first_live.assumption import assumptions
from pubsub_client.first_live.record import NotARecordError, Occasion, Record
from pubsub_client.first_live.verdict import Answer, State, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from pubsub_client.checks.aws import Aws
    from pubsub_client.checks.runner import Result
    from pubsub_client.first_live.verdict import Verdict

_OPTION = "--record"
_ACCOUNT_ID = re.compile(r"(?<![\w-])\d{12}(?![\w-])")
_STYLES = {State.CONFIRMED: "green", State.REFUTED: "bold red", State.REHEARSED: "dim", State.NOT_TESTED: "dim"}


def check_record(file: Path) -> None:
    """Check, before anything is run, that the file can be written, and is a record if it is there.

    Raises:
        CouldNotRunError: it cannot, or it is something else.
    """
    _read(file)
    try:
        if file.exists() and not os.access(file, os.W_OK):
            raise CouldNotRunError(f"{_OPTION}: {file} cannot be written: it is read-only")
        with tempfile.TemporaryFile(dir=file.resolve().parent):
            pass
    except OSError as error:
        raise CouldNotRunError(f"{_OPTION}: {file} cannot be written: {error.strerror}") from error


def record_run(file: Path, results: Sequence[Result], aws: Aws, stack: str, console: Console) -> None:
    """Add what a run says to the record, and show what is known now.

    Args:
        file: the record; what somebody else has added to it meanwhile is kept.
        results: what the checks found.
        aws: where they asked.
        stack: the stack they looked at.
        console: where it is shown.

    Raises:
        CouldNotRunError: the file cannot be written any more.
    """
    on_aws = aws.leads_elsewhere is None
    answers = {each.check.id: _answer(each) for each in results}
    verdicts = {each.number: judge(each, answers, on_aws=on_aws) for each in assumptions()}
    occasion = Occasion(
        date=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        cloud="AWS" if on_aws else "the embedded cloud",
        region=str(aws.region),
        partition=aws.partition,
        stack=stack,
        version=version("amplify-pubsub"),
    )
    record = _read(file).with_run(occasion, verdicts)
    replace_file(_OPTION, file, record.text())
    for line in _lines(record, verdicts):
        console.print(line, soft_wrap=True)
    if not on_aws:
        where = f"This run was made on the embedded cloud ({aws.leads_elsewhere}): it says nothing about AWS."
        console.print(Text(where, style="yellow"), soft_wrap=True)
    counts = ", ".join(f"{count} {state}" for state, count in record.counts.items())
    console.print(Text(f"assumptions about AWS: {counts}; {file} has when, where and why"), soft_wrap=True)


def _read(file: Path) -> Record:
    try:
        if not file.exists():
            return Record()
        if not file.is_file():
            raise CouldNotRunError(f"{_OPTION}: {file} is no file: name one, or one that is not there yet")
        return Record.parse(file.read_text())
    except OSError as error:
        raise CouldNotRunError(f"{_OPTION}: {file} cannot be read: {error.strerror}") from error
    except (NotARecordError, UnicodeDecodeError) as error:
        why = error if isinstance(error, NotARecordError) else "it is no text"
        raise CouldNotRunError(f"{_OPTION}: {file} is there and is no record, {why}: name another file") from error


def _answer(result: Result) -> Answer:
    finding = result.finding
    text = finding.detail if finding.status is Status.PASSED else finding.cause
    return Answer(finding.status, _ACCOUNT_ID.sub("<account id>", redacted(text or "")))


def _lines(record: Record, verdicts: Mapping[int, Verdict]) -> Iterator[Text]:
    """Yield a line for each assumption, with everything that has confirmed or refuted it, or what would tell."""
    yield Text("What is assumed of AWS, by the numbers of docs/first-live-deploy.md:")
    for assumption in assumptions():
        state, verdict = record.state(assumption.number), verdicts[assumption.number]
        line = Text(f"  {assumption.number:>3}  ")
        line.append(f"{state:<10}", style=_STYLES[state])
        if telling := record.telling(assumption.number):
            told = [
                f"{'' if each.state is state else f'{each.state} '}{each.date} in {each.region}: {each.reason}"
                for each in telling
            ]
        else:
            told = [verdict.reason]
        if state is State.NOT_TESTED:
            only_with = f", only with {assumption.only_with}" if assumption.only_with else ""
            told.append(f"what tells{only_with}: {assumption.told_by}")
        yield line.append(f"  {'; '.join(told)}")
