"""A deployed stack: its outputs, the resources that the checks find in it, and its functions."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError

from pubsub_cli.aws import Aws
from pubsub_cli.errors import PreconditionError
from pubsub_client.outputs import OPTIONAL_OUTPUTS, SIGN_IN_OUTPUTS, Output, attaches_at_sign_in

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackTypeDef
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef


def describe_stack(aws: Aws, stack: str) -> StackTypeDef | None:
    """Return CloudFormation's description of a stack; None if the stack does not exist.

    Raises:
        PreconditionError: AWS cannot be reached.
        botocore.exceptions.ClientError: DescribeStacks failed.
    """
    cloudformation = aws.cloudformation
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        # CloudFormation has no specific error code for a stack that does not exist.
        if "does not exist" in error.response["Error"].get("Message", ""):
            return None
        raise
    except (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError) as error:
        raise PreconditionError(f"AWS cannot be reached: {error}") from error


def outputs_of(stack: StackTypeDef) -> dict[str, str]:
    """Return a stack's outputs by name."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def read_outputs(aws: Aws, stack: str) -> dict[str, str]:
    """Return a stack's outputs by name.

    Raises:
        PreconditionError: the stack does not exist, or AWS cannot be reached.
        botocore.exceptions.ClientError: DescribeStacks failed.
    """
    found = describe_stack(aws, stack)
    if found is None:
        raise PreconditionError(
            f"there is no stack {stack} in {aws.region}: deploy it with `cdk deploy`, "
            "or name another with --stack, --environment, --region or --profile"
        )
    return outputs_of(found)


def read_complete_outputs(aws: Aws, stack: str) -> dict[str, str]:
    """Return a stack's outputs by name.

    Raises:
        PreconditionError: the stack does not exist or lacks a required output, or AWS cannot be reached.
    """
    outputs = read_outputs(aws, stack)
    if missing := missing_outputs(outputs):
        raise PreconditionError(
            f"stack {stack} does not have the outputs {', '.join(missing)}: deploy it again with this version"
        )
    return outputs


def missing_outputs(outputs: Mapping[str, str]) -> list[Output]:
    """Return the required outputs that are missing or empty."""
    optional = OPTIONAL_OUTPUTS if attaches_at_sign_in(outputs) else OPTIONAL_OUTPUTS | SIGN_IN_OUTPUTS
    return [name for name in Output if name not in optional and not outputs.get(name)]


DEPLOY_AGAIN = "Deploy it again with this version: cdk deploy"
RESTORE = (
    "Restore it from the template: cdk deploy --revert-drift. Without that option, `cdk deploy` does not detect that a "
    "resource was deleted."
)
"""With the option, CloudFormation compares the template with the resources, not with the previous template.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html"""


class StackResource(NamedTuple):
    """A resource that the checks find in the stack by its type and by a part of its logical id."""

    type: str
    construct_id: str


MAC_KEY = StackResource("AWS::KMS::Key", "MacKey")
PAUSE_FLAG = StackResource("AWS::SSM::Parameter", "AttachmentPause")
SIGN_IN_CONFIGURATION = StackResource("AWS::SSM::Parameter", "SignInAttachmentConfiguration")
INTERNAL_CLIENT = StackResource("AWS::Cognito::UserPoolClient", "InternalClient")
SELF_ATTACH_API = StackResource("AWS::ApiGatewayV2::Api", "SelfAttachApi")
SWEEP_SCHEDULE = StackResource("AWS::Events::Rule", "SweepSchedule")
SWEEP_SCHEDULE_ROLE = StackResource("AWS::IAM::Role", "SweepStarter")
BOUNDARY = StackResource("AWS::IAM::ManagedPolicy", "SignedInBoundary")
RESOURCES = (
    MAC_KEY,
    PAUSE_FLAG,
    SIGN_IN_CONFIGURATION,
    INTERNAL_CLIENT,
    SELF_ATTACH_API,
    SWEEP_SCHEDULE,
    SWEEP_SCHEDULE_ROLE,
    BOUNDARY,
)
"""The resources of every stack; a test compares them with the stack's template."""
DRIFT_SCHEDULE = StackResource("AWS::Events::Rule", "DriftDetectorSchedule")
"""Only in stacks that adopt pools."""
CONTROL_PLANE_DENY = StackResource("AWS::IAM::ManagedPolicy", "ControlPlaneDeny")
"""Only in stacks that adopt an identity pool. It replaces the boundary."""

_MAX_THREADS = 8


class Function(StrEnum):
    """The stack's functions, by their handlers; a test compares them with the stack's template."""

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
    """Return a function's log group, which is Lambda's default if the configuration names none."""
    return configuration.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{configuration['FunctionName']}")


@dataclass(frozen=True)
class DeployedFunction:
    """A function of the stack.

    Args:
        function: the kind of function.
        name: its name.
        template: its properties in the stack's template.
        configuration: its configuration in Lambda; None if it was deleted.
        reserved_concurrency: its reserved concurrency; None if it shares the account's.
    """

    function: Function
    name: str
    template: Mapping[str, Any]
    configuration: FunctionConfigurationResponseTypeDef | None
    reserved_concurrency: int | None

    @property
    def impact(self) -> str:
        """The failure if the function does not run."""
        return _IMPACT[self.function]

    @property
    def arn(self) -> str:
        """Its ARN; empty if the function was deleted."""
        return self.configuration["FunctionArn"] if self.configuration else ""

    @property
    def log_group(self) -> str:
        """Its log group; empty if the function was deleted."""
        return log_group_of(self.configuration) if self.configuration else ""

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables; none if the function was deleted."""
        return {**self.configuration.get("Environment", {}).get("Variables", {})} if self.configuration else {}


def read_functions(aws: Aws, template: Mapping[str, Any], names: Mapping[str, str]) -> list[DeployedFunction]:
    """Read the stack's functions, in parallel.

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
            return None  # a function of a custom resource, or of the CDK app that uses the constructs
        name = names[logical_id]
        try:
            configuration = client.get_function_configuration(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            return DeployedFunction(function, name, properties, None, None)
        reserved = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        return DeployedFunction(function, name, properties, configuration, reserved)

    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        return [each for each in threads.map(read, names) if each]
