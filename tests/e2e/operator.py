"""An IAM user with exactly the permissions in docs/reference/iam-permissions.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.integration.local_cloud.account import make_iam_user

Statements = list[dict[str, Any]]

_DOCUMENT = (Path(__file__).parents[2] / "docs" / "reference" / "iam-permissions.md").read_text()


def policies(command: str) -> list[Statements]:
    """Return the statements of each JSON block in a command's section."""
    (section,) = re.findall(rf"^## {command}\n(.*?)(?=^## |\Z)", _DOCUMENT, re.MULTILINE | re.DOTALL)
    return [json.loads(block)["Statement"] for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]


def without_each(statements: Statements) -> Iterator[tuple[str, Statements]]:
    """Yield each action, and the statements without it."""
    for number, statement in enumerate(statements):
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        for action in actions:
            left = [each for each in actions if each != action]
            others = [*statements[:number], *statements[number + 1 :]]
            yield action, [*others, statement | {"Action": left}] if left else others


def unused_actions(cloud: LocalCloud, keys: Mapping[str, str], statements: Statements) -> set[str]:
    """Return the actions of the statements that no call with these keys used."""
    signed = {name.lower(): value for name, value in keys.items()}
    sts = boto3.client("sts", region_name=cloud.region, endpoint_url=cloud.endpoint_url, **signed)  # type: ignore[call-overload]
    actions = {action for action, _ in without_each(statements)}
    return actions - cloud.permissions_of(sts.get_caller_identity()["Arn"])


@contextmanager
def operator(
    cloud: LocalCloud, outputs: Mapping[str, str], statements: Statements, **values: str
) -> Iterator[dict[str, str]]:
    """Create an IAM user with these permissions, and yield the environment variables with its keys."""
    text = json.dumps(statements)
    trigger: dict[str, Any] = {}
    if name := outputs.get(Output.POST_AUTHENTICATION_FUNCTION_NAME):
        trigger = dict(cloud.client("lambda").get_function_configuration(FunctionName=name))
    values = {
        "ACCOUNT": cloud.account_id,
        "REGION": cloud.region,
        "STACK": "AmplifyPubSub",
        "USER_POOL_ID": outputs.get(Output.USER_POOL_ID, "*"),
        "POLICY_NAME": "myIoTPolicy",
        "TRIGGER": outputs.get(Output.POST_AUTHENTICATION_FUNCTION_NAME, "*"),
        "RETRY_QUEUE": outputs.get(Output.RETRY_QUEUE_URL, "*").rpartition("/")[2],
        "DEAD_LETTER_QUEUE": outputs.get(Output.DEAD_LETTER_QUEUE_URL, "*").rpartition("/")[2],
        "LOG_GROUP": trigger["LoggingConfig"]["LogGroup"] if trigger else "*",
        "MAC_KEY": trigger["Environment"]["Variables"]["MAC_KEY_ID"] if trigger else "*",
        "API_ID": (urlsplit(outputs.get(Output.SELF_ATTACH_URL, "")).hostname or "*").partition(".")[0],
    } | values
    document = re.sub("|".join(values), lambda found: values[found[0]], text)
    yield make_iam_user(cloud, *json.loads(document)).environment
