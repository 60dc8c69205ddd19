"""The functions of the attachment chain: as the stack's template deploys them, and as Lambda describes them now."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pubsub_cli.aws import Aws

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

_CALLS_AT_ONCE = 8


class Part(StrEnum):
    """What a function does in the chain, by the handler that the template gives it."""

    TRIGGER = "post_authentication.handler"
    CHALLENGE = "auth_challenge.handler"
    WORKER = "attachment_retry.handler"
    SELF_ATTACH = "self_attach.handler"
    SWEEP = "sweep.handler"
    DETACH_ALL = "detach_all.handler"
    DRIFT_DETECTOR = "drift_detector.handler"


SIGN_IN_PARTS = frozenset({Part.TRIGGER, Part.CHALLENGE})
"""A sign-in invokes these two; it fails if one of them does."""

_WITHOUT: dict[Part, str] = {
    Part.TRIGGER: "every sign-in fails",
    Part.CHALLENGE: "no sign-in attaches the policy",
    Part.WORKER: "pending attachments stay in the retry queue",
    Part.SELF_ATTACH: "self-attach fails",
    Part.SWEEP: "the sweep attaches nothing",
    Part.DETACH_ALL: "`pubsub detach --all` and the deletion of the stack fail",
    Part.DRIFT_DETECTOR: "nobody notices when an adopted pool loses its triggers",
}


@dataclass(frozen=True)
class DeployedFunction:
    """A function of the chain.

    Args:
        part: what it does in the chain.
        name: its name.
        template: its properties in the stack's template.
        configuration: what Lambda says of it; None if it was deleted.
        reserved_concurrency: the executions reserved for it; None if it shares those of the account.
    """

    part: Part
    name: str
    template: Mapping[str, Any]
    configuration: FunctionConfigurationResponseTypeDef | None
    reserved_concurrency: int | None

    @property
    def without(self) -> str:
        """What does not work while this function does not run."""
        return _WITHOUT[self.part]

    @property
    def arn(self) -> str:
        """Its ARN; empty if it was deleted."""
        return self.configuration["FunctionArn"] if self.configuration else ""

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables."""
        return {**self.configuration.get("Environment", {}).get("Variables", {})} if self.configuration else {}


def read_functions(aws: Aws, template: Mapping[str, Any], names: Mapping[str, str]) -> list[DeployedFunction]:
    """Read every function of the chain, several at once.

    Args:
        aws: the operator's way to AWS.
        template: the stack's template.
        names: the functions' names, by their logical ids.

    Raises:
        botocore.exceptions.ClientError: they may not be read.
    """
    handlers = {part.value: part for part in Part}
    client = aws.functions

    def read(logical_id: str) -> DeployedFunction | None:
        properties = template["Resources"].get(logical_id, {}).get("Properties", {})
        part = handlers.get(properties.get("Handler"))
        if part is None:
            return None  # a function of the app whose stack this is, or of a custom resource
        name = names[logical_id]
        try:
            configuration = client.get_function_configuration(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            return DeployedFunction(part, name, properties, None, None)
        reserved = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        return DeployedFunction(part, name, properties, configuration, reserved)

    with ThreadPoolExecutor(_CALLS_AT_ONCE) as threads:
        return [each for each in threads.map(read, names) if each]
