"""Lambda functions with least privilege, their log groups and roles, and custom resources. Used by all constructs."""

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
# In the package when installed, next to it in the repository.
_CODE = next(each for each in (_HERE / "lambdas", _HERE.parent / "lambdas") if each.is_dir())

CUSTOM_RESOURCE_TIMEOUT = Duration.minutes(3)
"""Of a function behind custom resources, which waits up to 75 s for its permissions (lambdas/iam_propagation.py)."""

SERVICE_TIMEOUT = Duration.minutes(20)
"""After which CloudFormation fails a custom resource whose function was stopped before it could answer."""


class PubSubFunction(lambda_.Function):
    """A Python function from ``lambdas/`` on arm64, with its own log group and a role that may only write to it.

    Grant it more by attaching an ``iam.Policy`` to :attr:`execution_role`.
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
            construct_id: its id there.
            settings: retention and encryption of the logs.
            handler: ``module.function`` in ``lambdas/``.
            description: one line for the account's list of functions.
            environment: its environment variables.
            timeout: after which Lambda stops it.
            memory_size: in MB; one vCPU comes with 1,769
                (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
        """
        log_group = function_log_group(scope, f"{construct_id}Logs", settings)
        # Lambda's managed policy would also let the function create the log group again after the stack is gone.
        role = iam.Role(
            scope,
            f"{construct_id}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=description,
        )
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
            self, {"AwsSolutions-L1": "Supported until 2029; updated when the local cloud runs the newer version too."}
        )
        self.execution_role: iam.Role = role
        """The role, to attach policies to."""


def suppress_nag(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Suppress findings of cdk-nag on a construct.

    Args:
        construct: the construct that the findings are about.
        reasons: why each finding is accepted, by its id.
    """
    findings = [Acknowledgment(id=finding, reason=reason) for finding, reason in reasons.items()]
    Validations.of(construct).acknowledge(*findings)


def fingerprint(scope: IConstruct, reference: str) -> str:
    """Return 12 characters for an id or ARN, or for the reference to it: another one for another resource."""
    return hashlib.sha256(json.dumps(Stack.of(scope).resolve(reference)).encode()).hexdigest()[:12]


def service_principal(scope: Construct, service: str, source_arn: str) -> iam.ServicePrincipal:
    """Return a service that may assume a role only for resources of this account and ARN.

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
    """Create a log group with the retention and encryption of the settings. It is deleted with the stack.

    Args:
        scope: the parent construct.
        construct_id: its id there.
        settings: retention and encryption.
        name: its name; CloudFormation generates one if omitted.
    """
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
    """Create a log group to which an AWS service delivers logs without a role of ours.

    For a log group of another name the service adds a statement to the account's resource policy of CloudWatch Logs,
    which is limited to 5,120 characters and keeps the statement when the log group is deleted:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html,
    https://github.com/anomalyco/sst/issues/125. Each creation of the stack has a new name, so that a log group that was
    left behind does not block it.
    """
    stack = Stack.of(scope)
    unique = Fn.select(4, Fn.split("-", Fn.select(2, Fn.split("/", stack.stack_id))))
    return function_log_group(
        scope, construct_id, settings, name=f"/aws/vendedlogs/apis/{stack.stack_name}-{construct_id}-{unique}"
    )
