"""The drift detector: reports triggers and providers that adopted pools have lost."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from .functions import PubSubFunction
from .identity_pool import IdentityPoolResources
from .settings import Settings
from .user_pool import UserPoolResources

EVERY = Duration.minutes(15)
"""How often it checks."""


class DriftDetector(Construct):
    """Counts the missing triggers of an adopted user pool and the missing providers of an adopted identity pool.

    Deployments by the pools' owner, such as `amplify push`, remove triggers and providers that they do not know. Users
    can then still sign in, but the policy is not attached.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        user_pool: UserPoolResources,
        identity_pool: IdentityPoolResources,
        triggers: Mapping[str, lambda_.Function],
    ) -> None:
        super().__init__(scope, construct_id)
        expected = {
            name: "" if name in settings.adopt.chained_triggers else each.function_arn
            for name, each in triggers.items()
        }
        self.function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="drift_detector.handler",
            description="Reports missing triggers and providers of adopted pools",
            environment={
                "CLIENT_IDS": ",".join(each.user_pool_client_id for each in user_pool.all_clients),
                "IDENTITY_POOL_ID": identity_pool.identity_pool_id,
                "STACK_NAME": Stack.of(self).stack_name,
                "TRIGGERS": Stack.of(self).to_json_string(expected),
                "USER_POOL_ID": user_pool.pool.user_pool_id,
            },
            timeout=Duration.minutes(1),
        )
        iam.Policy(
            self,
            "Permission",
            roles=[self.function.execution_role],
            statements=[
                iam.PolicyStatement(actions=["cognito-idp:DescribeUserPool"], resources=[user_pool.pool.user_pool_arn]),
                iam.PolicyStatement(actions=["cognito-identity:DescribeIdentityPool"], resources=[identity_pool.arn]),
            ],
        )
        events.Rule(
            self,
            "Schedule",
            description="Checks the triggers and providers of adopted pools",
            schedule=events.Schedule.rate(EVERY),
            targets=[targets.LambdaFunction(self.function)],
        )
