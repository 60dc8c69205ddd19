"""The functions that attach policies: as the stack's template deploys them, and as Lambda describes them now."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pubsub_cli.aws import Aws

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

_MAX_THREADS = 8


class Function(StrEnum):
    """The stack's functions, by their handlers in the template; a test of the stack compares them with it."""

    TRIGGER = "post_authentication.handler"
    CHALLENGE = "auth_challenge.handler"
    WORKER = "attachment_retry.handler"
    SELF_ATTACH = "self_attach.handler"
    SWEEP = "sweep.handler"
    DETACH_ALL = "detach_all.handler"
    DRIFT_DETECTOR = "drift_detector.handler"


SIGN_IN_FUNCTIONS = frozenset({Function.TRIGGER, Function.CHALLENGE})
"""The functions that a sign-in invokes; it fails if one of them fails."""

_IMPACT: dict[Function, str] = {
    Function.TRIGGER: "every sign-in fails",
    Function.CHALLENGE: "no sign-in attaches the policy",
    Function.WORKER: "pending attachments stay in the retry queue",
    Function.SELF_ATTACH: "self-attach fails",
    Function.SWEEP: "the sweep attaches nothing",
    Function.DETACH_ALL: "`pubsub detach --all` and the deletion of the stack fail",
    Function.DRIFT_DETECTOR: "changed triggers of an adopted pool are not detected",
}


def log_group_of(configuration: FunctionConfigurationResponseTypeDef) -> str:
    """Return a function's log group; Lambda's default if the configuration names none."""
    return configuration.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{configuration['FunctionName']}")


@dataclass(frozen=True)
class DeployedFunction:
    """A function of the stack.

    Args:
        function: which one it is.
        name: its name.
        template: its properties in the stack's template.
        configuration: its configuration in Lambda; None if it was deleted.
        reserved_concurrency: the executions reserved for it; None if it shares those of the account.
    """

    function: Function
    name: str
    template: Mapping[str, Any]
    configuration: FunctionConfigurationResponseTypeDef | None
    reserved_concurrency: int | None

    @property
    def impact(self) -> str:
        """What does not work while this function does not run."""
        return _IMPACT[self.function]

    @property
    def arn(self) -> str:
        """Its ARN; empty if it was deleted."""
        return self.configuration["FunctionArn"] if self.configuration else ""

    @property
    def log_group(self) -> str:
        """Its log group; empty if the function was deleted."""
        return log_group_of(self.configuration) if self.configuration else ""

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables."""
        return {**self.configuration.get("Environment", {}).get("Variables", {})} if self.configuration else {}


def read_functions(aws: Aws, template: Mapping[str, Any], names: Mapping[str, str]) -> list[DeployedFunction]:
    """Read the stack's functions, several at once.

    Args:
        aws: the operator's clients.
        template: the stack's template.
        names: the functions' names, by their logical ids.

    Raises:
        botocore.exceptions.ClientError: a function cannot be read.
    """
    handlers = {function.value: function for function in Function}
    client = aws.functions

    def read(logical_id: str) -> DeployedFunction | None:
        properties = template["Resources"].get(logical_id, {}).get("Properties", {})
        function = handlers.get(properties.get("Handler"))
        if function is None:
            return None  # a function of the app that contains the constructs, or of a custom resource
        name = names[logical_id]
        try:
            configuration = client.get_function_configuration(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            return DeployedFunction(function, name, properties, None, None)
        reserved = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        return DeployedFunction(function, name, properties, configuration, reserved)

    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        return [each for each in threads.map(read, names) if each]
