"""The custom resource for what CloudFormation cannot do with a user pool that outlives its stack."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from pubsub_client.outputs import MARKER_ATTRIBUTE
from pubsub_client.policy_document import identity_service

from .fingerprint import fingerprint
from .functions import PubSubFunction
from .identity_pool import Identities
from .resource_provider import resource_provider
from .settings import Settings
from .user_pool import MARKER_LENGTH, PubSubUserPool, Users


class UserPoolWiring(Construct):
    """Takes the triggers off before their functions go, wires a pool that is there already, and makes the groups.

    Made after the functions and the pool's permission to invoke them, and destroyed before, so that no sign-in ever
    calls a function that is gone. Groups are made here because they and their members stay, whatever becomes of stack
    and settings. The marker attribute of a pool that is there already stays too: Cognito cannot remove it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        users: Users,
        *,
        triggers: Mapping[str, lambda_.Function],
        identities: Identities,
    ) -> None:
        """Make the resource.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: whether the pool is kept, which of its triggers call ours, and for the logs of its functions.
            users: the user pool.
            triggers: the function of each trigger, by the trigger's name in a pool's ``LambdaConfig``.
            identities: for the roles of the groups, and of users without one.
        """
        super().__init__(scope, construct_id)
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="user_pool_wiring.on_event",
            description="Makes the user pool's groups, and takes its triggers off before their functions go",
            # Longer than any three calls in a row with all their attempts: lambdas/user_pool_wiring.py.
            timeout=Duration.minutes(5),
        )
        is_made = isinstance(users, PubSubUserPool)
        # By the pool: another pool has another of these, and the old one is rid of the triggers afterwards.
        of_pool = self if is_made else Construct(self, f"Of{fingerprint(self, users.user_pool.user_pool_id)}")
        permission = iam.Policy(
            of_pool,
            "Permission",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=[
                        *([] if is_made else ["cognito-idp:AddCustomAttributes"]),
                        "cognito-idp:CreateGroup",
                        "cognito-idp:DescribeUserPool",
                        "cognito-idp:GetUserPoolMfaConfig",
                        "cognito-idp:ListGroups",
                        "cognito-idp:SetUserPoolMfaConfig",
                        "cognito-idp:TagResource",
                        "cognito-idp:UpdateGroup",
                        "cognito-idp:UpdateUserPool",
                    ],
                    resources=[users.user_pool.user_pool_arn],
                ),
                # Who names a group's role passes it to Cognito. AWS does not document whether it says to which service.
                iam.PolicyStatement(
                    actions=["iam:PassRole"],
                    resources=[role.role_arn for role in (identities.auth_role, *identities.group_roles.values())],
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
        original = f"/{Stack.of(self).stack_name}/user-pool/{users.user_pool.user_pool_id}/original-settings"
        parameter = iam.PolicyStatement(
            actions=["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"],
            resources=[Stack.of(self).format_arn(service="ssm", resource="parameter", resource_name=original[1:])],
        )
        permission.add_statements(parameter)
        permissions = [
            permission,
            *self._adoption_permissions(of_pool, function, settings, changes_pool=bool(triggers)),
        ]
        provider = resource_provider(self, settings, on_event=function)
        wired = {
            trigger: each.function_arn
            for trigger, each in triggers.items()
            if trigger not in settings.adopt.chained_triggers
        }
        # Where there is no trigger nothing is marked, and a pool may be without the attribute.
        marker = {"MarkerAttribute": MARKER_ATTRIBUTE, "MarkerLength": str(MARKER_LENGTH)} if triggers else {}
        adopt = settings.adopt
        replaced = {name: arn or "" for name, arn in adopt.replace_group_roles.items()}
        passed = {"SmsRoleArn": adopt.sms_role_arn or "", "CustomSenderKeyArn": adopt.custom_sender_key_arn or ""}
        wiring = CustomResource(
            of_pool,
            "Wiring",
            resource_type="Custom::UserPoolWiring",
            service_token=provider.service_token,
            properties={
                "UserPoolId": users.user_pool.user_pool_id,
                "OutlivesStack": str(not is_made or settings.removal_policy == "retain").lower(),
                "OriginalSettingsParameter": original,
                **marker,
                **(passed if triggers and not is_made else {}),
                "Triggers": wired,
                "ChainedTriggers": settings.adopt.chained_triggers,
                "Groups": [{"Name": name, "RoleArn": role.role_arn} for name, role in identities.group_roles.items()],
                **({} if is_made else {"ReplaceGroupRoles": replaced}),
                "AuthRoleArn": identities.auth_role.role_arn,
            },
        )
        # With a function comes the pool's permission to invoke it.
        wiring.node.add_dependency(*permissions, users.user_pool, *triggers.values())

    def _adoption_permissions(
        self, of_pool: Construct, function: PubSubFunction, settings: Settings, *, changes_pool: bool
    ) -> list[iam.Policy]:
        """Let the function do what Cognito asks of whoever changes this pool, and give groups their former roles back.

        Other ARNs make another policy, whose predecessor CloudFormation deletes after the resource was updated. So a
        group that leaves the settings still gets its role back, and a deployment that is rolled back can undo itself.
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
