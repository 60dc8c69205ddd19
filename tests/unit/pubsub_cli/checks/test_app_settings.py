"""Topics, figures and packages of a front end, as the checks tell them."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pubsub_cli.aws import Aws
from pubsub_cli.checks.app_settings import FiguresFit, PackagesMatch, TopicsAreUsable
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig
from pubsub_cli.finding import Finding, Status

GIVEN = DeploymentIds("eu-west-1", "eu-west-1_pool", "eu-west-1:pool", "abc-ats.iot.eu-west-1.amazonaws.com")


async def find(check: type[Check], app: FrontEndConfig) -> Finding:
    async with AsyncExitStack() as cleanup:
        context = Context(
            aws=Aws(region="eu-west-1"),
            stack="s",
            timeout=0,
            cleanup=cleanup,
            front_end=app,
            deployment_ids=GIVEN,
            as_operator=False,
        )
        context.set_outputs(GIVEN.outputs())
        return await check().run(context)


@pytest.mark.parametrize("topics", [(), ("orders/1",), ("orders/1", "$aws/things/lamp/shadow/update"), ("a" * 256,)])
async def test_topics_within_the_limits_pass(topics: tuple[str, ...]) -> None:
    assert (await find(TopicsAreUsable, FrontEndConfig(topics=topics))).status is Status.PASSED


@pytest.mark.parametrize(
    ("topic", "cause"),
    [
        ("a/b/c/d/e/f/g/h/i", "has 8 slashes; AWS IoT takes 7"),
        ("a" * 257, "has 257 bytes; AWS IoT takes 256"),
        ("a/#/b", "not well-formed"),
        ("$aws/orders", "is reserved"),
        ("$orders", "is reserved"),
        ("$share/group/orders", "shared subscription"),
        ("", "is empty"),
    ],
)
async def test_a_topic_that_aws_iot_does_not_take_fails(topic: str, cause: str) -> None:
    finding = await find(TopicsAreUsable, FrontEndConfig(topics=("orders/1", "orders/#", topic)))
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert "closes the connection" in str(finding.cause)


@pytest.mark.parametrize(
    ("topic", "use"),
    [
        ("orders/#", "to subscribe to"),
        ("orders/+/new", "to subscribe to"),
        ("$aws/rules/a_rule", "to publish to"),
        ("$aws/events/presence/connected/me", "to subscribe to"),
    ],
)
async def test_what_a_topic_of_one_use_is_for_is_told(topic: str, use: str) -> None:
    finding = await find(TopicsAreUsable, FrontEndConfig(topics=("orders/1", topic)))
    assert finding.status is Status.PASSED
    assert finding.detail == f"orders/1, {topic} ({use})"


@pytest.mark.parametrize(
    ("app", "told"),
    [
        (
            FrontEndConfig(payload_bytes=131072, subscriptions=50, keep_alive_seconds=30),
            "131072 bytes, 50 subscriptions, 30 s",
        ),
        (FrontEndConfig(keep_alive_seconds=1200), "1200 s keep-alive"),
    ],
)
async def test_figures_at_the_limits_pass(app: FrontEndConfig, told: str) -> None:
    finding = await find(FiguresFit, app)
    assert finding.status is Status.PASSED
    assert told in str(finding.detail)


@pytest.mark.parametrize(
    ("app", "status", "resource", "cause"),
    [
        (FrontEndConfig(payload_bytes=131073), Status.FAILED, "--payload-bytes", "131072 that AWS IoT takes"),
        (FrontEndConfig(subscriptions=51), Status.FAILED, "--subscriptions", "more than the 50"),
        (FrontEndConfig(keep_alive_seconds=1201), Status.FAILED, "--keep-alive", "makes 1200"),
        (FrontEndConfig(keep_alive_seconds=0), Status.FAILED, "--keep-alive", "makes 1200"),
        (FrontEndConfig(keep_alive_seconds=29), Status.WARNING, "--keep-alive", "makes 30"),
        (
            FrontEndConfig(keep_alive_seconds=29, subscriptions=51),
            Status.FAILED,
            "--subscriptions, --keep-alive",
            "makes 30",
        ),
    ],
)
async def test_a_figure_beyond_a_limit_is_told_with_its_option(
    app: FrontEndConfig, status: Status, resource: str, cause: str
) -> None:
    finding = await find(FiguresFit, app)
    assert (finding.status, finding.resource) == (status, resource)
    assert cause in str(finding.cause)


@pytest.mark.parametrize(("pubsub", "status"), [("^6.2.1", Status.PASSED), ("^5.6.0", Status.FAILED)])
async def test_the_packages_of_a_front_end_are_compared(tmp_path: Path, pubsub: str, status: Status) -> None:
    file = tmp_path / "package.json"
    file.write_text(json.dumps({"dependencies": {"aws-amplify": "^6.22.1", "@aws-amplify/pubsub": pubsub}}))
    finding = await find(PackagesMatch, FrontEndConfig(package_json=file))
    assert finding.status is status
    if status is Status.FAILED:
        assert finding.resource == str(file)
        assert str(finding.fix).startswith("npm install ")
