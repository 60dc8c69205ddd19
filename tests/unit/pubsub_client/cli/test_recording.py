from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pubsub_client.checks.aws import Aws
from pubsub_client.checks.catalogue import CHECKS
from pubsub_client.checks.check import CouldNotRunError, failed
from pubsub_client.checks.check import passed as found
from pubsub_client.checks.runner import Result
from pubsub_client.cli import app
from pubsub_client.cli.recording import check_record, record_run
from pubsub_client.first_live.record import Record
from tests.unit.pubsub_client.first_live.answers import HEALTHY

if TYPE_CHECKING:
    from pathlib import Path

    from pubsub_client.checks.check import Finding

_IDENTITY_ID = "eu-west-1:01234567-89ab-cdef-0123-456789012345"


@pytest.fixture(autouse=True)
def aws_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing leads elsewhere, and nothing is asked either."""
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def _record(file: Path, endpoint_url: str | None = None, **findings: Finding) -> tuple[Any, list[str]]:
    said = {check: found(answer.text) for check, answer in HEALTHY.items()} | findings
    results = [Result(check, said[check.id], 0.1) for check in CHECKS if check.id in said]
    written = io.StringIO()
    record_run(file, results, Aws(region="eu-west-1", endpoint_url=endpoint_url), "S", Console(file=written, width=80))
    return json.loads(file.read_text()), written.getvalue().splitlines()


def test_aws_confirms_and_the_terminal_tells_when_and_where(tmp_path: Path) -> None:
    document, lines = _record(tmp_path / "record.json")
    observation = document["assumptions"][0]["observations"][0]
    where = [observation[name] for name in ("cloud", "region", "partition", "stack", "version")]
    assert where == ["AWS", "eu-west-1", "aws", "S", "0.1.0"]
    assert lines[1].startswith(f"    1  confirmed   {observation['date']} in eu-west-1: PS112 passed")
    assert lines[-1].startswith("assumptions about AWS: 12 confirmed, 0 refuted, 0 rehearsed, 78 not tested; ")


def test_what_only_something_else_can_tell_is_shown_with_it(tmp_path: Path) -> None:
    _, lines = _record(tmp_path / "record.json")
    (destroy,) = (line for line in lines if line.startswith("    9  "))
    assert destroy == ("    9  not tested  no check of the smoke test tells; what tells: `cdk destroy` ends clean")
    (groups,) = (line for line in lines if line.startswith("   20  "))
    assert "what tells, only with `groups`: PS303 names the groups" in groups


def test_where_an_endpoint_leads_elsewhere_nothing_is_confirmed_and_both_say_so(tmp_path: Path) -> None:
    document, lines = _record(tmp_path / "record.json", "http://127.0.0.1:4566")
    assert (document["counts"]["confirmed"], document["counts"]["refuted"]) == (0, 0)
    assert document["assumptions"][0]["observations"][0]["cloud"] == "the embedded cloud"
    assert lines[-2] == ("This run was made on the embedded cloud (http://127.0.0.1:4566/): it says nothing about AWS.")


def test_identity_and_account_ids_are_masked_in_both(tmp_path: Path) -> None:
    cause = f"arn:aws:iam::123456789012:role/R may not, so {_IDENTITY_ID} has none"
    document, lines = _record(tmp_path / "record.json", PS203=failed(cause, resource=_IDENTITY_ID, fix="f"))
    told = json.dumps(document) + "\n".join(lines)
    assert "arn:aws:iam::<account id>:role/R may not, so <identity id> has none" in told
    assert "123456789012" not in told
    assert _IDENTITY_ID not in told


def test_a_second_run_adds_to_the_first(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    before, _ = _record(file)
    after, _ = _record(file, PS203=failed("no network", resource="r", fix="f"))
    assert after["assumptions"][0]["observations"][0] == before["assumptions"][0]["observations"][0]
    assert after["assumptions"][0]["state"] == "confirmed"
    assert [each.name for each in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize("contents", ["", "notes", "{}", "\0\xff"])
def test_a_file_that_is_something_else_is_refused_before_anything_is_asked(tmp_path: Path, contents: str) -> None:
    file = tmp_path / "notes.json"
    file.write_bytes(contents.encode("latin-1"))
    done = CliRunner().invoke(app, ["smoke", "--record", str(file)])
    assert isinstance(done.exception, CouldNotRunError)
    assert str(done.exception).startswith(f"--record: {file} is there and is no record, ")
    assert file.read_bytes() == contents.encode("latin-1")


def test_what_cannot_be_written_is_refused_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(CouldNotRunError, match=r"^--record: .* cannot be written: No such file or directory"):
        check_record(tmp_path / "none" / "record.json")
    with pytest.raises(CouldNotRunError, match=r"^--record: /dev/null is no file"):
        check_record(tmp_path.joinpath("/dev/null"))


def test_a_read_only_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "record.json"
    file.write_text(Record().text())
    check_record(file)
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs the tests may be root, who may write anything
    with pytest.raises(CouldNotRunError, match="cannot be written: it is read-only"):
        check_record(file)


def test_a_user_of_before_is_no_witness(tmp_path: Path) -> None:
    arguments = ["smoke", "--record", str(tmp_path / "r.json"), "--user", "ada", "--password-stdin"]
    done = CliRunner().invoke(app, arguments, env={"TERM": "dumb", "COLUMNS": "200"})
    assert done.exit_code == 2
    assert "--record goes without --user" in done.output
