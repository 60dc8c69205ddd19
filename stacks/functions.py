"""The one form of our Lambda functions: Python, arm64, own log group, and a role that may write to it alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from aws_cdk import Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from .acknowledgements import acknowledge
from .settings import Settings

_HERE = Path(__file__).parent
# Inside the installed package, beside it in the repository.
_CODE = next(each for each in (_HERE / "lambdas", _HERE.parent / "lambdas") if each.is_dir())


class PubSubFunction(lambda_.Function):
    """A function from ``lambdas/``. Grant it more by attaching an ``iam.Policy`` to its role."""

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
        """Make the function.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: for the log retention.
            handler: ``module.function`` in ``lambdas/``.
            description: one line for whoever reads the account's list of functions.
            environment: its environment variables.
            timeout: when Lambda gives up.
            memory_size: in MB; one vCPU comes with 1,769
                (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
        """
        log_group = function_log_group(scope, f"{construct_id}Logs", settings)
        role = log_writer_role(scope, f"{construct_id}Role", log_group, description)
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
        acknowledge(
            self,
            {"AwsSolutions-L1": "Supported until 2029; moved on when the local cloud runs the newer one too."},
        )
        self.execution_role: iam.Role = role
        """The role, to attach policies to."""


def service_principal(scope: Construct, service: str, source_arn: str) -> iam.ServicePrincipal:
    """Return a service that may assume a role only on behalf of this account, and of resources of this ARN.

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
    """Make a log group that keeps its records as long as the settings say and goes with the stack.

    Args:
        scope: the construct it belongs to.
        construct_id: its id there.
        settings: retention and encryption.
        name: its name; CloudFormation makes one up for None.
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


def delivered_log_group(scope: Construct, construct_id: str, settings: Settings) -> logs.LogGroup:
    """Make a log group to which an AWS service, and not a role of ours, delivers log records.

    For a log group of another name the service adds a statement to the account's resource policy of CloudWatch Logs,
    which is limited to 5,120 characters and keeps the statement when the log group is deleted:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html,
    https://github.com/anomalyco/sst/issues/125. The name is new with every creation of the stack, so that a log group
    that is left behind does not stop the next one.
    """
    stack = Stack.of(scope)
    unique = Fn.select(4, Fn.split("-", Fn.select(2, Fn.split("/", stack.stack_id))))
    return function_log_group(
        scope, construct_id, settings, name=f"/aws/vendedlogs/apis/{stack.stack_name}-{construct_id}-{unique}"
    )


def log_writer_role(scope: Construct, construct_id: str, log_group: logs.LogGroup, description: str) -> iam.Role:
    """Make a function's role that may write to its log group and nothing else.

    Lambda's own managed policy would also let it make the log group again after the stack has removed it.
    """
    role = iam.Role(
        scope, construct_id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=description
    )
    log_group.grant_write(role)
    return role
