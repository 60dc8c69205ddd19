from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.checks import endpoint as checks
from pubsub_cli.checks.endpoint import ClockAgrees, EndpointIsReached, EndpointIsRight
from pubsub_cli.checks.network_path import ClockOffset, ConnectivityError, NetworkPath, Step
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig
from pubsub_cli.finding import Finding, Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import OUTPUTS, StubbedAws, error, run_check

HOST = "abc-ats.iot.eu-west-1.amazonaws.com"
CUSTOM = "iot.example.com"
DESCRIBED = StubbedAws(DescribeEndpoint={"endpointAddress": HOST})
LISTED = {"domainConfigurations": [{"domainConfigurationName": "own"}]}


async def check_name(endpoint: str = HOST, aws: StubbedAws | None = None) -> Finding:
    outputs = {**OUTPUTS, Output.PUBSUB_ENDPOINT: endpoint}
    return await run_check(EndpointIsRight, aws or StubbedAws(), outputs=outputs, as_operator=aws is not None)


async def test_ats_endpoint_of_the_region_passes_without_the_account() -> None:
    finding = await check_name()
    assert finding.status is Status.PASSED
    assert "only an operator can verify" in str(finding.detail)


async def check_given(endpoint: str, aws: StubbedAws | None = None, region: str | None = None) -> Finding:
    ids = DeploymentIds("eu-west-1", "eu-west-1_AbC", "eu-west-1:1", endpoint)
    options: dict[str, Any] = {"deployment_ids": ids, "front_end": FrontEndConfig(pubsub_region=region)}
    return await run_check(
        EndpointIsRight, aws or StubbedAws(), outputs=ids.outputs(), as_operator=bool(aws), **options
    )


@pytest.mark.parametrize(
    "endpoint", [HOST, f"wss://{HOST}/mqtt", f"wss://{HOST}:443/mqtt", f"wss://{HOST.upper()}/mqtt"]
)
async def test_host_passes_alone_and_in_the_url_for_amplify(endpoint: str) -> None:
    assert (await check_given(endpoint)).status is Status.PASSED
    assert (await check_given(endpoint, DESCRIBED)).status is Status.PASSED


@pytest.mark.parametrize(
    "endpoint",
    [
        f"wss://{HOST}",
        f"https://{HOST}/",
        f"{HOST}/mqtt",
        f"ws://{HOST}/mqtt",
        f"wss:{HOST}/mqtt",
        f"wss:/{HOST}/mqtt",
        f"wss://wss://{HOST}/mqtt",
        f"{HOST}.",
        f'"{HOST}"',
    ],
)
async def test_right_host_in_another_form_is_a_warning_that_names_both_forms(endpoint: str) -> None:
    finding = await check_given(endpoint)
    assert finding.status is Status.WARNING
    assert f"{endpoint} has neither of the two forms" in str(finding.cause)
    assert f"--endpoint {HOST} here, wss://{HOST}/mqtt in Amplify's PubSub" in str(finding.fix)


@pytest.mark.parametrize("form", ["{}", "wss://{}/mqtt", "https://{}/", "wss:{}/mqtt"])
async def test_wrong_host_fails_in_every_form_and_the_fix_does_not_repeat_it(form: str) -> None:
    wrong = "abc.iot.us-east-1.amazonaws.com"
    for aws in (None, DESCRIBED):
        finding = await check_given(form.format(wrong), aws)
        assert finding.status is Status.FAILED
        assert "is not the ATS endpoint" in str(finding.cause)
        assert wrong not in str(finding.fix)


@pytest.mark.parametrize("form", ["{}:8883", "mqtts://{}:8883", "wss://{}:8443/mqtt", "{}:99999"])
async def test_port_other_than_443_fails_and_the_fix_does_not_repeat_it(form: str) -> None:
    for aws in (None, DESCRIBED):
        finding = await check_given(form.format(HOST), aws)
        assert finding.status is Status.FAILED
        assert "AWS IoT accepts WebSockets only on port 443" in str(finding.cause)
        assert f"--endpoint {HOST} here" in str(finding.fix)


async def test_endpoint_of_beijing_passes() -> None:
    host = "abc.ats.iot.cn-north-1.amazonaws.com.cn"
    ids = DeploymentIds("cn-north-1", "cn-north-1_AbC", "cn-north-1:1", host)
    finding = await run_check(
        EndpointIsRight, StubbedAws(), outputs=ids.outputs(), as_operator=False, deployment_ids=ids
    )
    assert finding.status is Status.PASSED


async def test_local_endpoint_without_tls_passes_as_a_url() -> None:
    finding = await check_given("ws://abc-ats.iot.eu-west-1.localhost:4566/mqtt")
    assert finding.status is Status.PASSED


async def test_other_signing_region_of_the_front_end_fails() -> None:
    finding = await check_given(HOST, DESCRIBED, "us-east-1")
    assert finding.status is Status.FAILED
    assert f"signs its connections for region us-east-1, but {HOST} is in eu-west-1" in str(finding.cause)
    assert "Set the region of the front end's PubSub to eu-west-1" in str(finding.fix)
    assert (await check_given(HOST, None, "us-east-1")).status is Status.FAILED
    assert (await check_given(HOST, None, "eu-west-1")).status is Status.PASSED


@pytest.mark.parametrize("as_operator", [False, True])
@pytest.mark.parametrize(
    ("endpoint", "causes"),
    [
        ("abc.iot.eu-west-1.amazonaws.com", ["is not the ATS endpoint"]),
        ("abc-ats.iot.us-east-1.amazonaws.com", ["is in region us-east-1 and the deployment in eu-west-1"]),
        ("abc.iot.us-east-1.amazonaws.com", ["is not the ATS endpoint", "is in region us-east-1"]),
        ("iot.eu-west-1.amazonaws.com", ["does not have the form of an account's endpoint"]),
        ("data-ats.iot.eu-west-1.amazonaws.com", ["does not have the form of an account's endpoint"]),
        ("greengrass-ats.iot.eu-west-1.amazonaws.com", ["does not have the form of an account's endpoint"]),
        ("abc.credentials.iot.eu-west-1.amazonaws.com", ["does not have the form of an account's endpoint"]),
    ],
)
async def test_wrong_name_fails_with_each_problem(endpoint: str, causes: list[str], as_operator: bool) -> None:
    finding = await check_name(endpoint, DESCRIBED if as_operator else None)
    assert finding.status is Status.FAILED
    for cause in causes:
        assert cause in str(finding.cause)
    described = f"--endpoint {HOST} here" if as_operator else "aws iot describe-endpoint --endpoint-type iot:Data-ATS"
    assert described in str(finding.fix)


@pytest.mark.parametrize("aws", [None, DESCRIBED])
@pytest.mark.parametrize(
    ("endpoint", "cause"),
    [
        ("wss://abc.iot.<YOUR-IOT-REGION>.amazonaws.com/mqtt", "contains a placeholder"),
        ("wss://xxxxxxxxxxxxx.iot.eu-west-1.amazonaws.com/mqtt", "contains a placeholder"),
        (f"wss://{HOST}.iot.eu-west-1.amazonaws.com/mqtt", "has the domain twice"),
        ("wss://undefined/mqtt", "setting for the endpoint is empty or not defined"),
        ("wss:///mqtt", "setting for the endpoint is empty or not defined"),
        ("", "The endpoint has no value"),
        ("wss://undefined.iot.undefined.amazonaws.com/mqtt", "setting for the endpoint is empty or not defined"),
        ("abc-ats", "is not a complete host name"),
    ],
)
async def test_endpoint_without_a_real_host_fails(endpoint: str, cause: str, aws: StubbedAws | None) -> None:
    finding = await check_given(endpoint, aws, "<your-iot-region>")
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert "Set the region of the front end's PubSub to eu-west-1." in str(finding.fix)
    assert f"--endpoint {HOST if aws else 'HOST'} here" in str(finding.fix)


async def test_endpoint_of_another_account_fails() -> None:
    finding = await check_name("xyz-ats.iot.eu-west-1.amazonaws.com", DESCRIBED)
    assert finding.status is Status.FAILED
    assert "belongs to another account" in str(finding.cause)
    assert f"--endpoint {HOST} here" in str(finding.fix)


async def _custom_domain(listed: dict[str, Any] = LISTED, status: str = "ENABLED") -> Finding:
    domain = {"domainConfigurationName": "own", "domainName": CUSTOM, "domainConfigurationStatus": status}
    described = {"endpointAddress": HOST}
    aws = StubbedAws(DescribeEndpoint=described, ListDomainConfigurations=listed, DescribeDomainConfiguration=domain)
    return await check_name(CUSTOM, aws)


async def test_custom_domain_of_the_account_passes() -> None:
    finding = await _custom_domain()
    assert (finding.status, finding.detail) == (Status.PASSED, f"{CUSTOM}, a custom domain of this account")


async def test_other_name_is_a_warning_unless_known_as_a_custom_domain() -> None:
    assert (await check_name(CUSTOM)).status is Status.WARNING
    assert (await _custom_domain({"domainConfigurations": []})).status is Status.WARNING
    assert (await _custom_domain(error("AccessDeniedException", 403))).status is Status.WARNING
    assert (await _custom_domain(status="DISABLED")).status is Status.WARNING


@pytest.mark.parametrize("failure", [None, ConnectivityError(Step.TCP, "Connection refused", "Open the port.")])
async def test_endpoint_is_reached_if_no_step_fails(
    monkeypatch: pytest.MonkeyPatch, failure: ConnectivityError | None
) -> None:
    set_path(monkeypatch, failure or NetworkPath(["TCP by IPv4", "HTTP 403"], None))
    finding = await run_check(EndpointIsReached, StubbedAws())
    if failure:
        assert (finding.status, finding.cause, finding.fix) == (Status.FAILED, failure.cause, failure.fix)
        assert finding.resource == f"{HOST} (TCP)"
    else:
        assert (finding.status, finding.detail) == (Status.PASSED, "TCP by IPv4; HTTP 403")


def set_path(monkeypatch: pytest.MonkeyPatch, outcome: NetworkPath | ConnectivityError) -> None:
    """Let the probe of the network path end like this."""

    async def probe(_: object) -> NetworkPath:
        if isinstance(outcome, ConnectivityError):
            raise outcome
        return outcome

    monkeypatch.setattr(checks, "probe_path", probe)


async def check_clock(offset: ClockOffset | None) -> Finding:
    return await run_check(ClockAgrees, StubbedAws(), fields={"network_path": NetworkPath([], offset)})


@pytest.mark.parametrize(
    ("minutes", "status"),
    [(0, Status.PASSED), (2, Status.WARNING), (-2, Status.WARNING), (6, Status.FAILED), (-6, Status.FAILED)],
)
async def test_wrong_clock_is_reported_with_the_command_that_sets_it(minutes: int, status: Status) -> None:
    finding = await check_clock(ClockOffset(timedelta(minutes=minutes), timedelta(seconds=1)))
    assert finding.status is status
    if minutes:
        assert f"{abs(minutes) * 60} s {'ahead' if minutes > 0 else 'behind'}" in str(finding.cause)
        assert "sudo" in str(finding.fix)
    else:
        assert finding.detail == "within a few seconds, by the endpoint's response"


async def test_clock_is_compared_with_aws_if_the_endpoint_sends_no_date(monkeypatch: pytest.MonkeyPatch) -> None:
    set_path(monkeypatch, NetworkPath([], ClockOffset(timedelta(), timedelta(seconds=1))))
    assert "by AWS's response" in str((await check_clock(None)).detail)


async def test_clock_check_is_not_applicable_without_any_date(monkeypatch: pytest.MonkeyPatch) -> None:
    set_path(monkeypatch, ConnectivityError(Step.TCP, "cause", "fix"))
    assert (await check_clock(None)).not_applicable


SERVED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
offsets = st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400))
delays = st.timedeltas(min_value=timedelta(), max_value=timedelta(seconds=10))


@given(moments, offsets, delays, delays)
def test_true_clock_offset_is_within_the_uncertainty(
    served: datetime, true: timedelta, there: timedelta, back: timedelta
) -> None:
    date = format_datetime(served.replace(microsecond=0), usegmt=True)
    offset = ClockOffset.of(date, served - there + true, served + back + true)
    assert offset is not None
    assert abs(offset.ahead - true) <= offset.uncertainty + timedelta(microseconds=1)


@given(st.text())
def test_any_text_as_date_header_gives_an_offset_or_none(text: str) -> None:
    found = ClockOffset.of(text, SERVED_AT, SERVED_AT)
    assert found is None or isinstance(found, ClockOffset)


@pytest.mark.parametrize(
    ("seconds", "exceeded"), [(0, False), (299, False), (300, False), (302, True), (-302, True), (-299, False)]
)
def test_clock_offset_exceeds_a_limit_only_beyond_the_uncertainty(seconds: int, exceeded: bool) -> None:
    assert ClockOffset(timedelta(seconds=seconds), timedelta(seconds=1)).exceeds(timedelta(minutes=5)) is exceeded
