"""The custom resource that sets and removes triggers of a user pool, and creates its groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from pubsub_client.outputs import MARKER_ATTRIBUTE
from pubsub_client.policy_document import identity_service

from .functions import SERVICE_TIMEOUT, PubSubFunction, fingerprint
from .identity_pool import IdentityPoolResources
from .settings import Settings
from .user_pool import MARKER_LENGTH, PubSubUserPool, UserPoolResources


class UserPoolTriggers(Construct):
    """Sets the triggers of an adopted pool, creates the groups, and removes the triggers before their functions.

    CloudFormation creates it after the functions and the pool's permission to invoke them, and deletes it before them.
    So no sign-in calls a deleted function. Groups are created here because they and their members must stay when the
    stack is deleted or the settings no longer name them. The marker attribute of an adopted pool stays too, because
    Cognito cannot remove it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        user_pool: UserPoolResources,
        *,
        triggers: Mapping[str, lambda_.Function],
        identity_pool: IdentityPoolResources,
    ) -> None:
        """Create the custom resource; ``triggers`` are functions by the names of triggers in ``LambdaConfig``."""
        super().__init__(scope, construct_id)
        self._function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="user_pool_triggers.handler",
            description="Sets the user pool's groups and triggers, and removes the triggers",
            # Longer than any three calls in a row with all their attempts: lambdas/user_pool_triggers.py.
            timeout=Duration.minutes(5),
        )
        adopt = settings.adopt
        is_created = isinstance(user_pool, PubSubUserPool)
        pool_id = user_pool.pool.user_pool_id
        # Named after an adopted pool, so that a replaced pool loses the triggers.
        of_pool = self if is_created else Construct(self, f"Of{fingerprint(self, pool_id)}")
        original_settings = f"/{Stack.of(self).stack_name}/user-pool/{pool_id}/original-settings"
        permissions = [
            self._permission(of_pool, user_pool, identity_pool, original_settings),
            *self._adoption_permissions(of_pool, settings, changes_pool=bool(triggers)),
        ]
        properties: dict[str, Any] = {
            "UserPoolId": pool_id,
            "OutlivesStack": str(not is_created or settings.removal_policy == "retain").lower(),
            "OriginalSettingsParameter": original_settings,
        }
        if triggers:  # without a trigger no user has a marker
            properties |= {"MarkerAttribute": MARKER_ATTRIBUTE, "MarkerLength": str(MARKER_LENGTH)}
        if triggers and not is_created:
            properties |= {
                "SmsRoleArn": adopt.sms_role_arn or "",
                "CustomSenderKeyArn": adopt.custom_sender_key_arn or "",
            }
        properties |= {
            "Triggers": {
                trigger: each.function_arn
                for trigger, each in triggers.items()
                if trigger not in adopt.chained_triggers
            },
            "ChainedTriggers": adopt.chained_triggers,
            "Groups": [{"Name": name, "RoleArn": role.role_arn} for name, role in identity_pool.group_roles.items()],
        }
        if not is_created:
            properties["ReplaceGroupRoles"] = {name: arn or "" for name, arn in adopt.replace_group_roles.items()}
        resource = CustomResource(
            of_pool,
            "Triggers",
            resource_type="Custom::UserPoolTriggers",
            service_token=self._function.function_arn,
            service_timeout=SERVICE_TIMEOUT,
            properties=properties | {"AuthRoleArn": identity_pool.auth_role.role_arn},
        )
        # The dependency on a function includes the pool's permission to invoke it.
        resource.node.add_dependency(*permissions, user_pool.pool, *triggers.values())

    def _permission(
        self,
        of_pool: Construct,
        user_pool: UserPoolResources,
        identity_pool: IdentityPoolResources,
        original_settings: str,
    ) -> iam.Policy:
        stack = Stack.of(self)
        adds_attributes = [] if isinstance(user_pool, PubSubUserPool) else ["cognito-idp:AddCustomAttributes"]
        roles = [identity_pool.auth_role, *identity_pool.group_roles.values()]
        services = ["cognito-idp.amazonaws.com", identity_service(stack.region)]
        return iam.Policy(
            of_pool,
            "Permission",
            roles=[self._function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=[
                        *adds_attributes,
                        "cognito-idp:CreateGroup",
                        "cognito-idp:DescribeUserPool",
                        "cognito-idp:GetUserPoolMfaConfig",
                        "cognito-idp:ListGroups",
                        "cognito-idp:SetUserPoolMfaConfig",
                        "cognito-idp:TagResource",
                        "cognito-idp:UpdateGroup",
                        "cognito-idp:UpdateUserPool",
                    ],
                    resources=[user_pool.pool.user_pool_arn],
                ),
                # Setting a group's role passes it to Cognito. AWS does not document whether Cognito names the service.
                iam.PolicyStatement(
                    actions=["iam:PassRole"],
                    resources=[role.role_arn for role in roles],
                    conditions={"StringEqualsIfExists": {"iam:PassedToService": services}},
                ),
                iam.PolicyStatement(
                    actions=["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"],
                    resources=[
                        stack.format_arn(service="ssm", resource="parameter", resource_name=original_settings[1:])
                    ],
                ),
            ],
        )

    def _adoption_permissions(self, of_pool: Construct, settings: Settings, *, changes_pool: bool) -> list[iam.Policy]:
        """Allow what Cognito requires for changes of an adopted pool and of its groups' former roles.

        The policy is named after its ARNs. When they change, CloudFormation deletes the old policy after it has updated
        the custom resource. So a group that leaves the settings still gets its role back, and a rollback can undo a
        deployment.
        """
        adopt = settings.adopt
        sms_role, key = (adopt.sms_role_arn, adopt.custom_sender_key_arn) if changes_pool else (None, None)
        former_roles = [arn for arn in adopt.replace_group_roles.values() if arn]
        statements = []
        if sms_role:
            to_cognito = {"StringEquals": {"iam:PassedToService": "cognito-idp.amazonaws.com"}}
            statements.append(
                iam.PolicyStatement(actions=["iam:PassRole"], resources=[sms_role], conditions=to_cognito)
            )
        if former_roles:
            # AWS does not document to which service a group's role is passed.
            statements.append(iam.PolicyStatement(actions=["iam:PassRole"], resources=[*dict.fromkeys(former_roles)]))
        if key:
            statements.append(iam.PolicyStatement(actions=["kms:CreateGrant"], resources=[key]))
        if not statements:
            return []
        arns = ",".join(filter(None, [sms_role, *former_roles, key]))
        return [
            iam.Policy(
                of_pool,
                f"Adoption{fingerprint(self, arns)}",
                roles=[self._function.execution_role],
                statements=statements,
            )
        ]
