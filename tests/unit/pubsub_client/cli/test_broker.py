"""What `pubsub publish` and `pubsub subscribe` refuse to be told of a broker, before anything is done."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pubsub_client.cli import app

_BY_URL = ["--broker", "ws://broker.example/mqtt"]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize(
    "command", [["publish", "--topic", "t", "1"], ["subscribe", "t"]], ids=lambda command: str(command[0])
)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--header", "A: b"], "--header goes with --broker"),
        (["--ca-file", __file__], "--ca-file goes with --broker"),
        (["--proxy", "http://proxy.example"], "--proxy goes with --broker"),
        (["--user", "ada"], "--user and --password-stdin go together"),
        (["--password-stdin"], "--user and --password-stdin go together"),
        (["--user", "", "--password-stdin"], "--user: no name given"),
        (["--endpoint-url", "nonsense"], "--endpoint-url: 'nonsense' given"),
        ([*_BY_URL, "--stack", "AmplifyPubSub"], "it goes without --stack"),
        ([*_BY_URL, "--environment", "prod"], "it goes without --environment"),
        ([*_BY_URL, "--profile", "acme"], "it goes without --profile"),
        ([*_BY_URL, "--region", "eu-west-1"], "it goes without --region"),
        ([*_BY_URL, "--endpoint-url", "http://127.0.0.1"], "it goes without --endpoint-url"),
        ([*_BY_URL, "--password-stdin"], "--password-stdin goes with --user"),
        ([*_BY_URL, "--ca-file", __file__], "--ca-file goes with a --broker of wss://"),
        ([*_BY_URL, "--ca-file", "/nowhere"], "Invalid value for '--ca-file'"),
        ([*_BY_URL, "--header", "Authorization"], "--header: give a name, a colon and a value"),
        ([*_BY_URL, "--header", ": secret"], "--header: give a name, a colon and a value"),
        ([*_BY_URL, "--header", "A: b", "--header", "a: c"], "--header: a is given twice"),
        ([*_BY_URL, "--header", "Host: other.example"], "--header: headers has 'Host'"),
        (["--broker", "http://broker.example"], "--broker: the url 'http://broker.example' is not that of a WebSocket"),
        ([*_BY_URL, "--proxy", "socks5://proxy.example"], "--proxy: proxy names socks5://proxy.example"),
    ],
)
def test_wrong_usage_is_2_and_names_the_option(command: list[str], arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(app, [*command, *arguments])
    assert told in f"{done.output} {done.exception}".replace("\n", " ")
    assert "secret" not in done.output
