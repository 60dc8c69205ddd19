"""A state machine that invokes one function repeatedly until its work is done.

A Lambda function can run for 15 minutes, and a sweep over ten million identities takes days. In each step the function
works for some minutes and returns a checkpoint, which the state machine passes to the next step.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .functions import service_principal, suppress_nag

STEP_TIMEOUT = Duration.minutes(15)
"""The function's timeout. Each step ends well before it."""

# About 40 minutes in total, longer than most outages of Lambda or AWS IoT.
_RETRY = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxAttempts": 14,
    "MaxDelaySeconds": 300,
    "JitterStrategy": "FULL",
}


class BatchStateMachine(Construct):
    """The state machine ``<stack>-<name>``, whose function works in steps (lambdas/bulk/step.py)."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        function: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        full_name = f"{stack.stack_name}-{name}"
        self.arn = stack.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=full_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        """The ARN, known before the state machine is created, so that the function's role can refer to it."""
        self.executions_arn = stack.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{full_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        """The ARN pattern of all executions."""
        self.executions_finding = {
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:"
            f"execution:{full_name}:*]": "The wildcard covers the executions of one state machine."
        }
        """The finding of cdk-nag for a permission on all executions, and why it is accepted."""
        role = iam.Role(
            self,
            "Role",
            # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
            assumed_by=service_principal(self, "states", self.arn),
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
                stack.to_json_string(_definition(stack.partition, function.function_arn))
            ),
            role=role,
        )
        suppress_nag(
            self.state_machine,
            {
                "AwsSolutions-SF1": "The execution history contains each step's state, and the function writes logs.",
                "AwsSolutions-SF2": "The state machine only calls one function in a loop.",
            },
        )


def _definition(partition: str, function_arn: str) -> dict[str, Any]:
    """Return the definition in the Amazon States Language.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
    """
    return {
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
            # An execution history has at most 25,000 events, so a long run continues in another execution.
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
