"""A state machine that calls one function again and again until that says it is done, for as long as it takes.

A Lambda function has 15 minutes, and a sweep over ten million identities takes days. The function works for some
minutes and returns how far it has come; the state machine gives that to its next step.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .acknowledgements import acknowledge
from .functions import service_principal

STEP_TIMEOUT = Duration.minutes(15)
"""Of the function; its steps end well before that."""

# Longer than it takes Lambda or AWS IoT to recover from most of what can befall them: about 40 minutes in all.
_RETRY = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxAttempts": 14,
    "MaxDelaySeconds": 300,
    "JitterStrategy": "FULL",
}


class LoopingStateMachine(Construct):
    """The state machine around a function of ``lambdas/`` that makes steps; see lambdas/bulk/step.py."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        function: lambda_.IFunction,
        description: str,
    ) -> None:
        """Make the state machine and its role.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            name: with the stack's before it, its name.
            function: makes the steps.
            description: one line for whoever reads the account's list of roles.
        """
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        full_name = f"{stack.stack_name}-{name}"
        self.arn = stack.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=full_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        """Known before the state machine is made, so that its function's role can be allowed to look at it."""
        self.executions_arn = stack.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{full_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        """Stands for all its executions."""
        self.executions_finding = (
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:"
            f"execution:{full_name}:*]"
        )
        """What cdk-nag finds where somebody may look at them."""
        role = iam.Role(
            self,
            "Role",
            # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
            assumed_by=service_principal(self, "states", self.arn),
            description=description,
            inline_policies={
                "Steps": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn]),
                        iam.PolicyStatement(actions=["states:StartExecution"], resources=[self.arn]),
                    ]
                )
            },
        )
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=full_name,
            definition_body=sfn.DefinitionBody.from_string(
                stack.to_json_string(_definition(stack.partition, function.function_arn, description))
            ),
            role=role,
        )
        acknowledge(
            self.state_machine,
            {
                "AwsSolutions-SF1": "The history of executions keeps each step's state, and the function logs.",
                "AwsSolutions-SF2": "One function in a loop: there is nothing to trace.",
            },
        )


def _definition(partition: str, function_arn: str, comment: str) -> dict[str, Any]:
    """Return the definition in the Amazon States Language.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
    """
    return {
        "Comment": comment,
        "StartAt": "Step",
        "States": {
            "Step": {
                "Type": "Task",
                "Resource": f"arn:{partition}:states:::lambda:invoke",
                "Parameters": {
                    "FunctionName": function_arn,
                    "Payload": {
                        "state.$": "$",
                        "execution.$": "$$.Execution.Id",
                        "machine.$": "$$.StateMachine.Id",
                    },
                },
                "OutputPath": "$.Payload",
                "Retry": [_RETRY],
                "Next": "DecideNext",
            },
            "DecideNext": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.next", "StringEquals": "continue", "Next": "Step"},
                    {"Variable": "$.next", "StringEquals": "wait", "Next": "Wait"},
                    {"Variable": "$.next", "StringEquals": "continue_as_new", "Next": "ContinueAsNew"},
                    {"Variable": "$.next", "StringEquals": "done", "Next": "Done"},
                ],
                "Default": "Failed",
            },
            "Wait": {"Type": "Wait", "SecondsPath": "$.waitSeconds", "Next": "Step"},
            # Another execution goes on, for one has room for 25,000 events.
            "ContinueAsNew": {
                "Type": "Task",
                "Resource": f"arn:{partition}:states:::states:startExecution",
                "Parameters": {
                    "StateMachineArn.$": "$$.StateMachine.Id",
                    "Input.$": "$",
                    "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id",
                },
                "ResultSelector": {"executionArn.$": "$.ExecutionArn"},
                "ResultPath": "$.continuedBy",
                "Retry": [_RETRY],
                "Next": "Done",
            },
            "Done": {"Type": "Succeed"},
            "Failed": {"Type": "Fail", "Error": "StepFailed", "CausePath": "$.cause"},
        },
    }
