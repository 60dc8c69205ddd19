"""Shared by all constructs: Lambda functions with their log groups and roles, and timeouts of custom resources."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from aws_cdk import Acknowledgment, Duration, Fn, RemovalPolicy, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct

from .settings import Settings

_HERE = Path(__file__).parent
# Inside the installed package, but beside this package in the repository.
_CODE = next(each for each in (_HERE / "lambdas", _HERE.parent / "lambdas") if each.is_dir())

CUSTOM_RESOURCE_TIMEOUT = Duration.minutes(3)
"""Of a function that handles custom resources. It waits up to 75 s for its permissions (lambdas/iam_propagation.py)."""

SERVICE_TIMEOUT = Duration.minutes(20)
"""After this time CloudFormation fails a custom resource whose function has not responded."""


IDENTITY_TARGETS = {
    "AwsSolutions-IAM5[Resource::*]": (
        "IAM authorizes AttachPolicy, DetachPolicy and ListAttachedPolicies on the target, and an identity has no ARN."
    )
}
"""The finding of cdk-nag for permissions to attach and detach IoT policies, and why it is accepted."""


class PubSubFunction(lambda_.Function):
    """A Python function from ``lambdas/`` on arm64, with its own log group and a role that can only write to the logs.

    Attach an ``iam.Policy`` to :attr:`execution_role` for more permissions.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        handler: str,
        description: str,
        environment: Mapping[str, str] | None = None,
        timeout: Duration,
        memory_size: int = 256,
    ) -> None:
        """Create the function.

        Args:
            scope: the parent construct.
            construct_id: the function's id in its scope.
            settings: retention and encryption of the logs.
            handler: ``module.function`` in ``lambdas/``.
            description: one line for the list of functions in the AWS console.
            environment: the environment variables.
            timeout: the time after which Lambda stops the function.
            memory_size: in MB; one vCPU comes with 1,769
                (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
        """
        log_group = function_log_group(scope, f"{construct_id}Logs", settings)
        # Lambda's managed policy would let the function create its log group again after the stack was deleted.
        role = iam.Role(scope, f"{construct_id}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        super().__init__(
            scope,
            construct_id,
            code=lambda_.Code.from_asset(str(_CODE), exclude=["**/__pycache__", "**/*.pyc"]),
            handler=handler,
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            role=role,
            log_group=log_group,
            environment=dict(environment or {}),
            timeout=timeout,
            memory_size=memory_size,
        )
        suppress_nag(
            self, {"AwsSolutions-L1": "Python 3.13 is supported until 2029, and the local cloud runs no newer version."}
        )
        self.execution_role: iam.Role = role


def suppress_nag(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Suppress findings of cdk-nag on a construct.

    Args:
        construct: the construct with the findings.
        reasons: why each finding is accepted, by finding id.
    """
    findings = [Acknowledgment(id=finding, reason=reason) for finding, reason in reasons.items()]
    Validations.of(construct).acknowledge(*findings)


def fingerprint(scope: IConstruct, reference: str) -> str:
    """Return 12 characters that identify a resource by its id or ARN, which may be a token."""
    return hashlib.sha256(json.dumps(Stack.of(scope).resolve(reference)).encode()).hexdigest()[:12]


def service_principal(scope: Construct, service: str, source_arn: str) -> iam.ServicePrincipal:
    """Return a service principal that can assume a role only for resources of this account and ARN.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    return iam.ServicePrincipal(
        f"{service}.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
            "ArnLike": {"aws:SourceArn": source_arn},
        },
    )


def function_log_group(
    scope: Construct, construct_id: str, settings: Settings, *, name: str | None = None
) -> logs.LogGroup:
    """Create a log group with the retention and encryption of the settings. It is deleted with the stack."""
    key_arn = settings.log_group_key_arn
    log_group = logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        retention=logs.RetentionDays.INFINITE,
        removal_policy=RemovalPolicy.DESTROY,
        encryption_key=kms.Key.from_key_arn(scope, f"{construct_id}Key", key_arn) if key_arn else None,
    )
    resource = cast("logs.CfnLogGroup", log_group.node.default_child)
    resource.retention_in_days = settings.log_retention_days
    return log_group


def vended_log_group(scope: Construct, construct_id: str, settings: Settings) -> logs.LogGroup:
    """Create a log group to which an AWS service delivers logs directly.

    The name begins with ``/aws/vendedlogs/``. For other names the service adds a statement to the account's resource
    policy of CloudWatch Logs, which has at most 5,120 characters and keeps the statement when the log group is deleted:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html,
    https://github.com/anomalyco/sst/issues/125. The name is new for each created stack, so that a log group that was
    left behind does not block the deployment.
    """
    stack = Stack.of(scope)
    unique = Fn.select(4, Fn.split("-", Fn.select(2, Fn.split("/", stack.stack_id))))
    return function_log_group(
        scope, construct_id, settings, name=f"/aws/vendedlogs/apis/{stack.stack_name}-{construct_id}-{unique}"
    )
