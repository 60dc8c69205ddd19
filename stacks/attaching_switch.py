"""The switch that `pubsub detach --all` turns off: whether anything of this stack may attach the IoT policy."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct


class AttachingSwitch(Construct):
    """A parameter that says ``on`` until it is turned off; a deployment does not turn it on again.

    CloudFormation sets the value of a parameter only when its template has another one than before.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        name = f"/{Stack.of(self).stack_name}/attaching"
        self._parameter = ssm.StringParameter(
            self,
            "Parameter",
            parameter_name=name,
            description="Whether anything may attach the IoT policy: on, or off since `pubsub detach --all`",
            string_value="on",
        )
        self.environment = {"SWITCH_PARAMETER": name}
        """What tells a function where the switch is."""

    @property
    def arn(self) -> str:
        """The parameter's, for the permission to read it."""
        return self._parameter.parameter_arn

    def may_turn(self) -> iam.PolicyStatement:
        """Return the permission to turn it on and off."""
        return iam.PolicyStatement(actions=["ssm:PutParameter"], resources=[self.arn])
