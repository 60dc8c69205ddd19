"""Logs, metrics, messages and configuration contain no user names, tokens or secrets, whatever a sign-in's outcome."""

from __future__ import annotations

import json

import pytest

from local_cloud.faults import Fail, Fault
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment
from tests.integration.local_cloud.account import wait_until
from tests.tokens import claims


@pytest.fixture(scope="module")
def secrets(deployment: Deployment) -> dict[str, str]:
    """Values that must not appear anywhere, after sign-ins with every outcome."""
    deployment.drain_queues()
    secrets = {"password": PASSWORD}
    for number, faults in enumerate(
        [[], ["ThrottlingException"], ["AccessDeniedException"], ["ThrottlingException", "sqs:SendMessage"]]
    ):
        user = deployment.make_user()
        tokens = _sign_in_with_faults(deployment, user, faults)
        deployment.sign_in(user)
        identity_id = deployment.identity_id(tokens)
        deployment.wait_until_attached(identity_id)
        credentials = deployment.credentials(tokens)
        deployment.self_attach(credentials)
        secrets |= {
            f"user name {number}": user,
            f"sub {number}": str(claims(tokens["IdToken"])["sub"]),
            f"e-mail address {number}": f"{user}@example.com",
            f"identity id {number}": identity_id,
            f"id token {number}": tokens["IdToken"].split(".")[2],
            f"access token {number}": tokens["AccessToken"].split(".")[2],
            f"refresh token {number}": tokens["RefreshToken"],
            f"secret access key {number}": credentials.secret_access_key,
            f"session token {number}": credentials.session_token,
        }
    return secrets


def _sign_in_with_faults(deployment: Deployment, user: str, faults: list[str]) -> dict[str, str]:
    """Sign in while AttachPolicy or the queue answers with errors that quote the user."""
    try:
        for fault in faults:
            operation = fault if ":" in fault else "iot:AttachPolicy"
            code = "ServiceUnavailable" if ":" in fault else fault
            deployment.cloud.set_faults([Fault((operation,), Fail(code, message=f"an error about {user}"))])
        tokens = deployment.sign_in(user)
        if faults == ["AccessDeniedException"]:
            wait_until(lambda: deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) > 0)
        return tokens
    finally:
        deployment.cloud.clear_faults()


def _found(secrets: dict[str, str], text: str) -> list[str]:
    return [name for name, value in secrets.items() if value in text]


def test_logs_contain_no_secrets(deployment: Deployment, secrets: dict[str, str]) -> None:
    logs = deployment.cloud.client("logs")
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    ]
    pages = logs.get_paginator("filter_log_events")
    written = {
        group: "".join(event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"])
        for group in groups
    }
    for function in ("PostAuthentication", "AuthChallenge", "Worker", "SelfAttachFunction"):
        assert any(function in group and text for group, text in written.items()), f"{function} has logged nothing"
    assert {group: found for group, text in written.items() if (found := _found(secrets, text))} == {}


def test_metrics_contain_no_secrets(deployment: Deployment, secrets: dict[str, str]) -> None:
    lines = [line for line in deployment.trigger_lines() if "_aws" in line]
    assert lines
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        dimensions = {name: line[name] for names in directive["Dimensions"] for name in names}
        assert dimensions == {"Stack": deployment.app.stack_name, "Source": "sign-in"}
    assert _found(secrets, json.dumps(deployment.cloud.client("cloudwatch").list_metrics()["Metrics"])) == []


def test_messages_contain_only_what_the_worker_needs(deployment: Deployment, secrets: dict[str, str]) -> None:
    """They contain the user's name and sub, and the identity id with its MAC."""
    queue, url = deployment.cloud.client("sqs"), deployment.outputs[Output.DEAD_LETTER_QUEUE_URL]
    (message,) = queue.receive_message(QueueUrl=url, VisibilityTimeout=0, MessageAttributeNames=["All"])["Messages"]
    kinds = {name.rpartition(" ")[0] for name in _found(secrets, json.dumps(message))}
    assert kinds == {"user name", "sub", "identity id"}
    assert set(json.loads(message["Body"])) == {"version", "userPoolId", "userName", "sub", "identityId", "mac"}
    assert _found(secrets, json.dumps(message["MessageAttributes"])) == []
    queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_stack_functions_and_parameters_contain_no_secrets(deployment: Deployment, secrets: dict[str, str]) -> None:
    stacks, stack = deployment.cloud.client("cloudformation"), deployment.app.stack_name
    parameter = deployment.cloud.client("ssm").get_parameter(Name=f"/{stack}/sign-in-attachment")
    functions = deployment.cloud.client("lambda").list_functions()["Functions"]
    configuration = [
        stacks.describe_stacks(StackName=stack)["Stacks"],
        stacks.get_template(StackName=stack)["TemplateBody"],
        [each.get("Environment") for each in functions],
        parameter["Parameter"]["Value"],
    ]
    assert _found(secrets, json.dumps(configuration, default=str)) == []
