from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.check import Check
from pubsub_cli.checks.configuration import LimitsAreKept, TopicsAreValid
from pubsub_cli.checks.options import FrontEndConfig
from pubsub_cli.finding import Finding, Status
from pubsub_cli.stack import missing_outputs
from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output
from tests.unit.pubsub_cli.checks.stubbed_aws import StubbedAws, run_check


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        (dict.fromkeys(SIGN_IN_OUTPUTS), []),
        (dict.fromkeys({*SIGN_IN_OUTPUTS, Output.SELF_ATTACH_URL}), [Output.SELF_ATTACH_URL]),
        ({Output.RETRY_QUEUE_URL: None}, [Output.RETRY_QUEUE_URL]),
        ({Output.PUBSUB_ENDPOINT: ""}, [Output.PUBSUB_ENDPOINT]),
    ],
    ids=["only self-attach", "self-attach without its URL", "sign-in without the queue", "empty"],
)
def test_missing_outputs_depend_on_how_policies_are_attached(
    changes: dict[Output, str | None], missing: list[Output]
) -> None:
    values = {**dict.fromkeys(Output, "a value"), **changes}
    assert missing_outputs({name.value: value for name, value in values.items() if value is not None}) == missing


async def check_front_end(check: type[Check], **config: Any) -> Finding:
    return await run_check(check, StubbedAws(), front_end=FrontEndConfig(**config))


@pytest.mark.parametrize("topics", [(), ("orders/1",), ("orders/1", "$aws/things/lamp/shadow/update"), ("a" * 256,)])
async def test_topics_within_the_limits_pass(topics: tuple[str, ...]) -> None:
    assert (await check_front_end(TopicsAreValid, topics=topics)).status is Status.PASSED


@pytest.mark.parametrize(
    ("topic", "cause"),
    [
        ("a/b/c/d/e/f/g/h/i", "has 8 slashes; AWS IoT allows 7"),
        ("a" * 257, "has 257 bytes; AWS IoT allows 256"),
        ("a/#/b", "not well-formed"),
        ("$aws/orders", "is reserved"),
        ("$orders", "is reserved"),
        ("$share/group", "is not well-formed"),
        ("$share/a+b/orders", "is not well-formed"),
        ("$share/group/a/#/b", "not well-formed"),
        ("$share/group/a/b/c/d/e/f/g/h/i", "has 8 slashes; AWS IoT allows 7"),
        ("$share/group/$aws/rules/a", "is reserved"),
        ("", "is empty"),
    ],
)
async def test_invalid_topic_fails(topic: str, cause: str) -> None:
    finding = await check_front_end(TopicsAreValid, topics=("orders/1", "orders/#", topic))
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert "closes the connection" in str(finding.cause)


@pytest.mark.parametrize("topic", ["room*", "rooms/*"])
async def test_wildcard_of_policies_in_a_topic_is_a_warning(topic: str) -> None:
    finding = await check_front_end(TopicsAreValid, topics=("orders/1", topic))
    assert finding.status is Status.WARNING
    assert f"{topic}: * is an ordinary character in MQTT" in str(finding.cause)
    assert "# for all levels that follow" in str(finding.fix)


@pytest.mark.parametrize("topic", ["$share/workers/jobs/#", "$share/workers/a/b/c/d/e/f/g/h"])
async def test_shared_subscription_is_a_warning_that_names_the_clients_without_support(topic: str) -> None:
    finding = await check_front_end(TopicsAreValid, topics=("orders/1", topic))
    assert finding.status is Status.WARNING
    assert f"AWS IoT accepts the shared subscription {topic}" in str(finding.cause)
    assert "Amplify PubSub does not deliver" in str(finding.cause)
    assert "pubsub_client and `pubsub subscribe` do not support it" in str(finding.cause)
    assert "closes" not in str(finding.cause)


@pytest.mark.parametrize(
    ("topic", "use"),
    [
        ("orders/#", "only to subscribe"),
        ("orders/+/new", "only to subscribe"),
        ("$aws/rules/a_rule", "only to publish"),
        ("$aws/things/lamp/shadow/#", "only to subscribe"),
        ("$aws/events/presence/connected/me", "only to subscribe"),
    ],
)
async def test_topic_with_one_use_is_shown_with_it(topic: str, use: str) -> None:
    finding = await check_front_end(TopicsAreValid, topics=("orders/1", topic))
    assert (finding.status, finding.detail) == (Status.PASSED, f"orders/1, {topic} ({use})")


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        (
            {"payload_bytes": 131072, "subscriptions": 50, "keep_alive_seconds": 30},
            "131072 bytes, 50 subscriptions, 30 s keep-alive",
        ),
        ({"keep_alive_seconds": 1200}, "1200 s keep-alive"),
    ],
)
async def test_values_at_the_limits_pass(limits: dict[str, int], detail: str) -> None:
    finding = await check_front_end(LimitsAreKept, **limits)
    assert (finding.status, finding.detail) == (Status.PASSED, detail)


@pytest.mark.parametrize(
    ("limits", "status", "resource", "cause"),
    [
        ({"payload_bytes": 131073}, Status.FAILED, "--payload-bytes", "131072 that AWS IoT accepts"),
        ({"subscriptions": 51}, Status.FAILED, "--subscriptions", "more than the 50"),
        ({"keep_alive_seconds": 1201}, Status.FAILED, "--keep-alive", "uses 1200 s"),
        ({"keep_alive_seconds": 0}, Status.FAILED, "--keep-alive", "uses 1200 s"),
        ({"keep_alive_seconds": 29}, Status.WARNING, "--keep-alive", "uses 30 s"),
        ({"keep_alive_seconds": 29, "subscriptions": 51}, Status.FAILED, "--subscriptions, --keep-alive", "uses 30 s"),
    ],
)
async def test_exceeded_limit_is_reported_with_its_option(
    limits: dict[str, int], status: Status, resource: str, cause: str
) -> None:
    finding = await check_front_end(LimitsAreKept, **limits)
    assert (finding.status, finding.resource) == (status, resource)
    assert cause in str(finding.cause)
