"""The custom resource that sets and removes the triggers and groups of a user pool."""

from __future__ import annotations

from collections.abc import Mapping

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
    """Removes the triggers before their functions are deleted, sets those of an adopted pool, and creates the groups.

    It is created after the functions and the pool's permission to invoke them, and deleted before them, so that no
    sign-in calls a function that is gone. Groups are created here because they must stay with their members when the
    stack or the settings no longer have them. The marker attribute of an adopted pool stays too: Cognito cannot remove
    it. ``triggers`` are functions by the names of the triggers in a pool's ``LambdaConfig``.
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
        super().__init__(scope, construct_id)
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="user_pool_triggers.handler",
            description="Sets the user pool's groups and triggers, and removes the triggers before their functions",
            # Longer than any three calls in a row with all their attempts: lambdas/user_pool_triggers.py.
            timeout=Duration.minutes(5),
        )
        is_created = isinstance(user_pool, PubSubUserPool)
        # Another pool has another of these, and the old pool loses the triggers afterwards.
        of_pool = self if is_created else Construct(self, f"Of{fingerprint(self, user_pool.user_pool.user_pool_id)}")
        permission = iam.Policy(
            of_pool,
            "Permission",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=[
                        *([] if is_created else ["cognito-idp:AddCustomAttributes"]),
                        "cognito-idp:CreateGroup",
                        "cognito-idp:DescribeUserPool",
                        "cognito-idp:GetUserPoolMfaConfig",
                        "cognito-idp:ListGroups",
                        "cognito-idp:SetUserPoolMfaConfig",
                        "cognito-idp:TagResource",
                        "cognito-idp:UpdateGroup",
                        "cognito-idp:UpdateUserPool",
                    ],
                    resources=[user_pool.user_pool.user_pool_arn],
                ),
                # Setting the role of a group passes it to Cognito. AWS does not document whether it names the service.
                iam.PolicyStatement(
                    actions=["iam:PassRole"],
                    resources=[
                        role.role_arn for role in (identity_pool.auth_role, *identity_pool.group_roles.values())
                    ],
                    conditions={
                        "StringEqualsIfExists": {
                            "iam:PassedToService": [
                                "cognito-idp.amazonaws.com",
                                identity_service(Stack.of(self).region),
                            ]
                        }
                    },
                ),
            ],
        )
        original = f"/{Stack.of(self).stack_name}/user-pool/{user_pool.user_pool.user_pool_id}/original-settings"
        parameter = iam.PolicyStatement(
            actions=["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"],
            resources=[Stack.of(self).format_arn(service="ssm", resource="parameter", resource_name=original[1:])],
        )
        permission.add_statements(parameter)
        permissions = [
            permission,
            *self._adoption_permissions(of_pool, function, settings, changes_pool=bool(triggers)),
        ]
        set_here = {
            trigger: each.function_arn
            for trigger, each in triggers.items()
            if trigger not in settings.adopt.chained_triggers
        }
        # Without a trigger no user has a marker, so the pool does not need the attribute.
        marker = {"MarkerAttribute": MARKER_ATTRIBUTE, "MarkerLength": str(MARKER_LENGTH)} if triggers else {}
        adopt = settings.adopt
        replaced = {name: arn or "" for name, arn in adopt.replace_group_roles.items()}
        passed = {"SmsRoleArn": adopt.sms_role_arn or "", "CustomSenderKeyArn": adopt.custom_sender_key_arn or ""}
        resource = CustomResource(
            of_pool,
            "Triggers",
            resource_type="Custom::UserPoolTriggers",
            service_token=function.function_arn,
            service_timeout=SERVICE_TIMEOUT,
            properties={
                "UserPoolId": user_pool.user_pool.user_pool_id,
                "OutlivesStack": str(not is_created or settings.removal_policy == "retain").lower(),
                "OriginalSettingsParameter": original,
                **marker,
                **(passed if triggers and not is_created else {}),
                "Triggers": set_here,
                "ChainedTriggers": settings.adopt.chained_triggers,
                "Groups": [
                    {"Name": name, "RoleArn": role.role_arn} for name, role in identity_pool.group_roles.items()
                ],
                **({} if is_created else {"ReplaceGroupRoles": replaced}),
                "AuthRoleArn": identity_pool.auth_role.role_arn,
            },
        )
        # A function includes the pool's permission to invoke it.
        resource.node.add_dependency(*permissions, user_pool.user_pool, *triggers.values())

    def _adoption_permissions(
        self, of_pool: Construct, function: PubSubFunction, settings: Settings, *, changes_pool: bool
    ) -> list[iam.Policy]:
        """Allow what Cognito requires for changes of this pool, and to give groups their former roles back.

        Other ARNs make another policy, and CloudFormation deletes the old one after the resource was updated. So a
        group that leaves the settings still gets its role back, and a rollback can undo a deployment.
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
                roles=[function.execution_role],
                statements=statements,
            )
        ]
