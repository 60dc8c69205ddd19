"""The stack's outputs, which describe the deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError

from pubsub_cli.aws import Aws
from pubsub_cli.errors import PreconditionError
from pubsub_client.outputs import OPTIONAL_OUTPUTS, SIGN_IN_OUTPUTS, Output, attaches_at_sign_in

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackTypeDef


def describe_stack(aws: Aws, stack: str) -> StackTypeDef | None:
    """Return CloudFormation's description of a stack; None if it does not exist.

    Raises:
        PreconditionError: AWS cannot be reached.
        botocore.exceptions.ClientError: DescribeStacks failed.
    """
    cloudformation = aws.cloudformation
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        # CloudFormation has no error code of its own for a stack that does not exist.
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
    """Return the stack's outputs by name, and require all outputs of the contract.

    Raises:
        PreconditionError: the stack does not exist, it lacks an output, or AWS cannot be reached.
    """
    outputs = read_outputs(aws, stack)
    if missing := missing_outputs(outputs):
        raise PreconditionError(
            f"stack {stack} does not have the outputs {', '.join(missing)}: deploy it again with this version"
        )
    return outputs


def missing_outputs(outputs: Mapping[str, str]) -> list[Output]:
    """Return the outputs of the contract that are missing or empty."""
    optional = OPTIONAL_OUTPUTS if attaches_at_sign_in(outputs) else OPTIONAL_OUTPUTS | SIGN_IN_OUTPUTS
    return [name for name in Output if name not in optional and not outputs.get(name)]
