"""The pause flag, which `pubsub detach --all` sets: whether the functions of this stack may attach the IoT policy."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct


class AttachingSwitch(Construct):
    """A parameter that is ``true`` while attachment is paused; a deployment does not resume it.

    CloudFormation sets the value of a parameter only when its template has another one than before.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        name = f"/{Stack.of(self).stack_name}/attachment-paused"
        self._parameter = ssm.StringParameter(
            self,
            "Parameter",
            parameter_name=name,
            description="true while attachment is paused: since `pubsub detach --all`, until `pubsub sweep --resume`",
            string_value="false",
        )
        self.environment = {"PAUSE_PARAMETER": name}
        """Names the parameter for a function."""

    @property
    def arn(self) -> str:
        """The parameter's, for the permission to read it."""
        return self._parameter.parameter_arn

    def may_turn(self) -> iam.PolicyStatement:
        """Return the permission to pause and resume attachment."""
        return iam.PolicyStatement(actions=["ssm:PutParameter"], resources=[self.arn])
