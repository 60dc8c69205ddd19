"""Watches that what the deployment has added to pools of somebody else's stays there."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from .functions import PubSubFunction
from .identity_pool import Identities
from .settings import Settings
from .user_pool import Users

EVERY = Duration.minutes(15)
"""How often it looks."""


class WiringWatch(Construct):
    """Looks at the triggers of a user pool and the providers of an identity pool, and reports how many are lost.

    Whoever owns the pools deploys them too: an update that does not know of our triggers, such as `amplify push`, takes
    them off, and an identity pool's providers likewise. Users then go on signing in, and nobody is attached.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        users: Users,
        identities: Identities,
        triggers: Mapping[str, lambda_.Function],
    ) -> None:
        """Make function and schedule.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: which triggers are chained, and for the logs of its function.
            users: the user pool.
            identities: the identity pool.
            triggers: the function of each trigger, by the trigger's name in a pool's ``LambdaConfig``.
        """
        super().__init__(scope, construct_id)
        expected = {
            name: "" if name in settings.adopt.chained_triggers else each.function_arn
            for name, each in triggers.items()
        }
        self.function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="wiring_watch.handler",
            description="Reports triggers and providers that somebody has taken off adopted pools",
            environment={
                "CLIENT_IDS": ",".join(each.user_pool_client_id for each in users.all_clients),
                "IDENTITY_POOL_ID": identities.identity_pool_id,
                "STACK_NAME": Stack.of(self).stack_name,
                "TRIGGERS": Stack.of(self).to_json_string(expected),
                "USER_POOL_ID": users.user_pool.user_pool_id,
            },
            timeout=Duration.minutes(1),
        )
        iam.Policy(
            self,
            "Permission",
            roles=[self.function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=["cognito-idp:DescribeUserPool"], resources=[users.user_pool.user_pool_arn]
                ),
                iam.PolicyStatement(actions=["cognito-identity:DescribeIdentityPool"], resources=[identities.arn]),
            ],
        )
        events.Rule(
            self,
            "Schedule",
            description="Looks whether adopted pools still have our triggers and providers",
            schedule=events.Schedule.rate(EVERY),
            targets=[targets.LambdaFunction(self.function)],
        )
