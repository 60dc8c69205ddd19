"""Errors of wrong options and arguments name them without their secrets, before any AWS call or connection."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app
from pubsub_cli.errors import PreconditionError
from pubsub_client.exceptions import ConfigurationError

_IDENTITY_ID = "us-east-1:00000000-0000-0000-0000-000000000000"
_BY_URL = "--broker ws://broker.example/mqtt"
_BROKER = shlex.split(_BY_URL)
_IDS = "--user-pool-id eu-west-1_p --identity-pool-id eu-west-1:1 --endpoint e-ats.iot.eu-west-1.amazonaws.com"


@pytest.mark.usefixtures("no_credentials")
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("identity", "give one of --user, --identity-id and --id-token"),
        (f"attach --user ada --identity-id {_IDENTITY_ID}", "give one of --user, --identity-id and"),
        ("detach --user ada --id-token -", "give one of --user, --identity-id and --id-token"),
        ("identity --user ''", "--user: no name given"),
        ("identity --identity-id ada", "--identity-id: 'ada' given; allowed: REGION:UUID"),
        ("detach --per-second 5", "--per-second goes with --all"),
        ("outputs --prefix VITE_", "--prefix goes with --format env"),
        ("outputs --format env --prefix '1 '", "--prefix: '1 ' given; allowed: letters"),
        ("outputs --json --format env", "--json cannot be combined with --format"),
        ("outputs --force", "--force goes with --file"),
        ("outputs --format yaml", "Invalid value for '--format': 'yaml' is not one of 'json', "),
        ("outputs --file /no/such/directory/outputs.json", "--file: there is no directory /no/such/directory"),
        ("adopt --chained-trigger PreSignUp", "--chained-trigger: 'PreSignUp' given; allowed: "),
        ("adopt --chained-trigger PostAuthentication", "--chained-trigger goes with --attachment sign-in"),
        ("adopt --identity-pool-id eu-west-1_p", "--identity-pool-id: 'eu-west-1_p' is not an identity pool id"),
        ("adopt --identity-pool-id eu-west-1:1 --group admins", "--group goes with --user-pool-id"),
        ("redrive", "cannot ask for confirmation (no terminal, or CI is set): give --yes, or --dry-run"),
        ("redrive --dry-run --wait", "--dry-run cannot be combined with --wait and --timeout"),
        ("redrive --dry-run --timeout 9", "--dry-run cannot be combined with --wait and --timeout"),
        ("sweep --yes", "--yes goes with --users"),
        ("sweep --users", "cannot ask for confirmation"),
        ("detach --user ada", "cannot ask for confirmation"),
        ("detach --all", "cannot ask for confirmation"),
        ("detach --all --yes --stack Other --environment prod", "--stack cannot be combined with --environment"),
        ("doctor --stack AmplifyPubSub --environment prod", "--stack cannot be combined with --environment"),
        ("outputs --stack Other --environment default", "--stack cannot be combined with --environment"),
        ("detach --all --user ada", "--all cannot be combined with --user"),
        ("doctor --id-token /no/such/file", "--id-token: /no/such/file cannot be read: "),
        ("doctor", "--id-token, --identity-pool-id, --endpoint and --region"),
        (f"doctor --stack Shop {_IDS}", "--stack and --environment cannot be combined with --config or the"),
        ("doctor --environment prod --config a.json", "--stack and --environment cannot be combined with --config"),
        (f"doctor --region eu-west-1 {_IDS}", "give them, or --id-token of a front end's user"),
        ("doctor --fix", "give --yes"),
        ("doctor --package-json /no/such/file", "--package-json: /no/such/file cannot be read"),
        (f"doctor --package-json {__file__}", f"--package-json: {__file__} cannot be read"),
        ("publish --topic t --bytes-from /no/such/file", "--bytes-from: /no/such/file cannot be read: No"),
        ("doctor --user a --identity-id eu-west-1:1", "give one of --user, --identity-id and --id-token"),
        ("doctor --user ''", "--user: no name given"),
        ("doctor --password-stdin", "--password-stdin goes with --user"),
        ("doctor --identity-id nonsense", "--identity-id: 'nonsense' given"),
        ("smoke --user ada", "--user and --password-stdin go together"),
        ("smoke --password-stdin", "--user and --password-stdin go together"),
        ("smoke --timeout soon", "--timeout"),
        ("smoke --timeout 0", "--timeout"),
        ("smoke --nonsense", "No such option: --nonsense"),
        ("smoke --endpoint-url localhost:1", "--endpoint-url: 'localhost:1' given"),
        ("smoke --only PS999", "--only: there is no check PS999"),
        ("explain PS999", "ID: there is no check PS999"),
        ("doctor --only PS999", "--only: there is no check PS999"),
        ("doctor --skip PS999", "--skip: there is no check PS999"),
        ("doctor --yes", "--yes goes with --fix"),
        ("doctor --junit /nowhere/at/all.xml", "--junit: there is no directory"),
        ("doctor --keep-alive -1", "--keep-alive"),
        (
            "doctor --region eu-west-2 --identity-pool-id eu-west-1:1",
            "--region is eu-west-2, but identity pool eu-west-1:1 is in eu-west-1",
        ),
        ("outputs --format yaml", "Invalid value for '--format': 'yaml' is not one of 'json', 'amplify-outputs'"),
        ("publish --topic t", "give one of PAYLOAD, --text and --bytes-from"),
        ("publish --topic t 1 --text one", "give one of PAYLOAD, --text and --bytes-from"),
        ("publish --topic t --text one --bytes-from -", "give one of PAYLOAD, --text and --bytes-from"),
        ("publish 1", "Missing option '--topic'"),
        ("publish --topic t --topic t/+ 1", "--topic: the topic 't/+' has a wildcard"),
        ("publish --topic '' 1", "--topic: the topic is empty"),
        ("publish --topic t 1 --qos 2", "--qos"),
        ("publish --topic t packed", "PAYLOAD is not JSON: line 1, column 1: Expecting value. To publish text"),
        ('publish --topic t \'{"a": 1,\n "b": }\'', "PAYLOAD is not JSON: line 2, column 7"),
        ("publish --topic t '[NaN]'", "PAYLOAD is not JSON: NaN is not allowed"),
        (
            "publish --topic t - --user ada --password-stdin",
            "--password-stdin and PAYLOAD - would both read standard input",
        ),
        (
            "publish --topic t --bytes-from - --user ada --password-stdin",
            "--password-stdin and --bytes-from - would both read standard input",
        ),
        ("subscribe", "Missing argument 'FILTER'"),
        ("subscribe a 'b/#/c'", "FILTER: the topic filter 'b/#/c' is not well-formed"),
        ("subscribe a --qos 2", "--qos"),
        ("subscribe a --count 0", "--count"),
        ("subscribe a --timeout 0", "--timeout"),
        (
            "adopt --access-mode least-privilege --topic news --topic '????-*/x'",
            "--topic: 'news', '????-*/x' given; ????-*/x has * and ? before its first slash",
        ),
        ("adopt --topic 'chat/#'", "--topic: 'chat/#' given; # is not a wildcard in an IoT policy"),
        ("adopt --topic orders", "--topic: 'orders' given; at least one must end in *"),
        ("subscribe t --header 'A: b'", "--header goes with --broker"),
        (f"subscribe t --ca-file {__file__}", "--ca-file goes with --broker"),
        ("subscribe t --proxy http://proxy.example", "--proxy goes with --broker"),
        ("subscribe t --user ada", "--user and --password-stdin go together"),
        ("subscribe t --password-stdin", "--user and --password-stdin go together"),
        ("subscribe t --user '' --password-stdin", "--user: no name given"),
        ("subscribe t --endpoint-url nonsense", "--endpoint-url: 'nonsense' given"),
        (f"subscribe t {_BY_URL} --stack AmplifyPubSub", "cannot be combined with --stack"),
        (f"subscribe t {_BY_URL} --endpoint-url http://127.0.0.1", "cannot be combined with --endpoint-url"),
        (f"subscribe t {_BY_URL} --password-stdin", "--password-stdin goes with --user"),
        (f"subscribe t {_BY_URL} --ca-file {__file__}", "--ca-file goes with a --broker of wss://"),
        (f"subscribe t {_BY_URL} --ca-file /nowhere", "Invalid value for '--ca-file'"),
        (f"subscribe t {_BY_URL} --header Authorization", "--header: give a name, a colon and a value"),
        (f"subscribe t {_BY_URL} --header ': secret'", "--header: give a name, a colon and a value"),
        (f"subscribe t {_BY_URL} --header 'A: b' --header 'a: c'", "--header: a is given twice"),
        (f"subscribe t {_BY_URL} --header 'Host: other.example'", "--header: headers contains 'Host'"),
        (
            "subscribe t --broker http://broker.example",
            "--broker: the url 'http://broker.example' is not a WebSocket URL",
        ),
        (f"subscribe t {_BY_URL} --proxy socks5://proxy.example", "--proxy: proxy is socks5://proxy.example"),
        (f"subscribe t {_BY_URL} --proxy 'http://me:secret[@proxy.example'", "--proxy: proxy is not a URL"),
        (f"subscribe t {_BY_URL} --proxy @/nowhere", "--proxy: /nowhere cannot be read: No such file"),
        (f"subscribe t {_BY_URL} --header @/nowhere", "--header: /nowhere cannot be read: No such file"),
        ("subscribe t --broker @/nowhere", "--broker: /nowhere cannot be read: No such file"),
        (
            "subscribe t --broker 'http://broker.example?token=secret'",
            "the url 'http://broker.example?...' is not a WebSocket URL",
        ),
        (
            "subscribe t --broker 'ws://a:secret@broker.example?key=secret'",
            "the url 'ws://...@broker.example?...' contains a user name or password",
        ),
    ],
)
def test_wrong_usage_names_the_option(command: str, message: str) -> None:
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 2 or isinstance(done.exception, PreconditionError | ConfigurationError)
    assert done.stdout == ""
    error = f"{done.stderr} {done.exception}"
    assert message in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        (["--header", "X-Trace: 1"], None),
        (["--header", f"@{__file__}.key"], None),
        (["--header", "authorization: Bearer s3cret"], "--header contains the header authorization"),
        (["--header", "X-Api-Key: s3cret"], "--header contains the header X-Api-Key"),
        (["--header", "Cookie: s3cret"], "--header contains the header Cookie"),
        (["--proxy", "http://proxy.example:3128"], None),
        (["--proxy", "http://me@proxy.example:3128"], None),
        (["--proxy", "http://me:s3cret@proxy.example:3128"], "--proxy contains a password"),
        (["--proxy", "me:s3cret@proxy.example:3128"], "--proxy contains a password"),
        (["--broker", "ws://127.0.0.1:1/mqtt?room=1"], None),
        (
            ["--broker", "ws://127.0.0.1:1/mqtt?room=1&access_token=s3cret"],
            "--broker contains access_token in the query",
        ),
    ],
)
def test_secret_in_an_argument_causes_a_warning_without_it(arguments: list[str], warning: str | None) -> None:
    # The missing file ends the command after the warnings.
    done = CliRunner().invoke(app, ["subscribe", "t", *_BROKER, *arguments, "--header", "@/nowhere"])
    assert isinstance(done.exception, PreconditionError)
    assert ("warning" in done.stderr) is (warning is not None)
    assert warning is None or f"pubsub: warning: {warning}, which other users of this machine can see" in done.stderr
    assert "s3cret" not in done.output


def test_error_of_a_malformed_header_file_does_not_quote_it(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("A: b\n\nsecret\n")
    done = CliRunner().invoke(app, ["subscribe", "t", *_BROKER, "--header", f"@{file}"])
    assert "--header: give a name, a colon and a value" in done.output
    assert "secret" not in done.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b'{"a": 1}}', "line 1, column 9: Extra data"),
        (b"", "line 1, column 1: Expecting value"),
        (b'"\xff"', "can't decode byte 0xff"),
        (b"[" * 100_000, "recursion"),
        (b"1" * 5_000, "limit"),
    ],
    ids=["more than one", "nothing", "no UTF-8", "too deep", "too long a number"],
)
def test_publish_rejects_a_payload_on_stdin_that_is_not_json(given: bytes, message: str) -> None:
    done = CliRunner().invoke(app, ["publish", "--topic", "t", "-"], input=given)
    assert done.exit_code == 2
    assert "PAYLOAD is not JSON: " in done.output
    assert message in done.output
