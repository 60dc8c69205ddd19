"""The endpoint's name, as far as it can be told without an operator."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from pubsub_cli.aws import Aws
from pubsub_cli.checks import endpoint as checks
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.endpoint import ClockAgrees, EndpointIsRight
from pubsub_cli.checks.options import DeploymentIds
from pubsub_cli.clock import Offset
from pubsub_cli.finding import Finding, Status

HOST = "abc-ats.iot.eu-west-1.amazonaws.com"


async def find(check: type[Check], endpoint: str = HOST, region: str = "eu-west-1") -> Finding:
    given = DeploymentIds(region, f"{region}_pool", f"{region}:pool", endpoint)
    async with AsyncExitStack() as cleanup:
        context = Context(
            aws=Aws(region=region), stack="s", timeout=0, cleanup=cleanup, deployment_ids=given, as_operator=False
        )
        context.set_outputs(given.outputs())
        return await check().run(context)


async def test_the_ats_endpoint_of_the_region_passes_and_the_account_stays_open() -> None:
    finding = await find(EndpointIsRight)
    assert finding.status is Status.PASSED
    assert "only an operator can tell" in str(finding.detail)


@pytest.mark.parametrize(
    ("endpoint", "cause"),
    [
        (f"wss://{HOST}/mqtt", "is what Amplify's PubSub takes"),
        (f"wss://{HOST}", "has the scheme wss://"),
        (f"https://{HOST}/", "has the scheme https:// and the path /"),
        (f"{HOST}/mqtt", "has the path /mqtt"),
    ],
)
async def test_an_address_in_place_of_the_host_fails_and_the_fix_names_both_forms(endpoint: str, cause: str) -> None:
    finding = await find(EndpointIsRight, endpoint)
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert f"--endpoint {HOST} here, wss://{HOST}/mqtt in Amplify's PubSub" in str(finding.fix)


@pytest.mark.parametrize(
    ("endpoint", "causes"),
    [
        ("abc.iot.eu-west-1.amazonaws.com", ["is not the ATS endpoint"]),
        ("abc-ats.iot.us-east-1.amazonaws.com", ["is in region us-east-1 and the deployment in eu-west-1"]),
        ("abc.iot.us-east-1.amazonaws.com", ["is not the ATS endpoint", "is in region us-east-1"]),
        ("iot.eu-west-1.amazonaws.com", ["is no endpoint for MQTT clients"]),
        ("abc.credentials.iot.eu-west-1.amazonaws.com", ["is no endpoint for MQTT clients"]),
    ],
)
async def test_what_is_wrong_with_the_name_is_told(endpoint: str, causes: list[str]) -> None:
    finding = await find(EndpointIsRight, endpoint)
    assert finding.status is Status.FAILED
    for cause in causes:
        assert cause in str(finding.cause)
    assert "aws iot describe-endpoint --endpoint-type iot:Data-ATS" in str(finding.fix)


async def test_a_domain_of_ones_own_is_a_warning() -> None:
    assert (await find(EndpointIsRight, "iot.example.com")).status is Status.WARNING


@pytest.mark.parametrize(
    ("minutes", "status"),
    [(0, Status.PASSED), (2, Status.WARNING), (-2, Status.WARNING), (6, Status.FAILED), (-6, Status.FAILED)],
)
async def test_a_clock_that_is_off_is_told_with_the_command_that_sets_it(
    monkeypatch: pytest.MonkeyPatch, minutes: int, status: Status
) -> None:
    off = Offset(timedelta(minutes=minutes), timedelta(seconds=1))
    monkeypatch.setattr(checks, "offset_of", lambda _: off)
    finding = await find(ClockAgrees)
    assert finding.status is status
    if minutes:
        assert ("ahead" if minutes > 0 else "behind") in str(finding.cause)
        assert "sudo" in str(finding.fix)


async def test_a_clock_that_nobody_tells_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "offset_of", lambda _: None)
    finding = await find(ClockAgrees)
    assert (finding.status, finding.not_applicable) == (Status.SKIPPED, True)


@pytest.mark.parametrize(("answering", "told"), [(1, "by the endpoint's answer"), (2, "by AWS's answer")])
async def test_it_is_told_whose_answer_had_the_time(monkeypatch: pytest.MonkeyPatch, answering: int, told: str) -> None:
    answers = iter([*[None] * (answering - 1), Offset(timedelta(), timedelta(seconds=1))])
    monkeypatch.setattr(checks, "offset_of", lambda _: next(answers))
    finding = await find(ClockAgrees)
    assert finding.status is Status.PASSED
    assert told in str(finding.detail)
