"""The setting ``adopt``: pools and roles that are there already, and that the deployment works with as they are."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Trigger = Literal["PostAuthentication", "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"]
"""The triggers that attachment at sign-in takes, by their names in a user pool's ``LambdaConfig``."""

_ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+]{1,128}$")]
_RoleArn = Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}$")]
_KeyArn = Annotated[str, Field(pattern=r"^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/(mrk-[0-9a-f]{32}|[0-9a-f-]{36})$")]
# As in the setting groups.
_GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@+=-]{1,128}$")]
# Such as accounts.google.com, login.example, another user pool's name, or the ARN of a SAML provider.
_Provider = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/@+=-]{1,256}$")]
# A stack's name, or its ARN.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
_StackName = Annotated[
    str, Field(pattern=r"^(arn:[a-z-]+:cloudformation:[A-Za-z0-9:/-]+|[A-Za-z][A-Za-z0-9-]{0,127})$")
]


class Adopt(BaseModel):
    """What is adopted, in any mix; what the ids do not say is looked up when the app is synthesized.

    Nothing of it belongs to the stack: it stays when the stack goes, and what the deployment has added to it is taken
    away again, but for the marker attribute of a user pool, which Cognito cannot remove.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    amplify_stack: _StackName | None = None
    """An Amplify project's parent stack, ``amplify-<service name>-<environment>-<creation timestamp>`` in Gen 1; its
    user pool, identity pool and roles are found in its nested stacks."""

    user_pool_id: Annotated[str, Field(pattern=r"^[a-z0-9-]+_[0-9a-zA-Z]+$")] | None = None
    """The user pool. One that an environment with ``removalPolicy: retain`` has left is adopted like any other."""

    user_pool_client_ids: list[_ClientId] = []
    """App clients of that user pool whose users may use PubSub, the front end's first. They need the user pool. With
    ``attachment: sign-in`` there may be nine, because an alarm watches each one's sign-ins."""

    identity_pool_id: Annotated[str, Field(pattern=r"^[a-z0-9-]+:[0-9a-f-]{36}$")] | None = None
    """The identity pool. Without one the deployment makes its own for the adopted user pool, with roles of its own."""

    auth_role_arn: _RoleArn | None = None
    """The identity pool's role of signed-in users. It needs the identity pool."""

    group_role_arns: list[_RoleArn] = []
    """The other roles that the identity pool gives to signed-in users: of groups, of mapping rules. They need
    ``authRoleArn``; without both they are looked up."""

    other_providers: list[_Provider] = []
    """Other identity providers of the adopted identity pool whose users may use PubSub, by the names that ``aws
    cognito-identity describe-identity`` shows among an identity's logins. Users of all others are refused by
    self-attach and left out by the sweep. Needs the identity pool."""

    chained_triggers: list[Trigger] = []
    """Triggers that keep the function they have, because that function calls ours:
    docs/adopting.md#triggers-of-your-own. Goes with ``attachment: sign-in``."""

    sms_role_arn: _RoleArn | None = None
    """The role with which the user pool sends SMS, if it has one (``SmsConfiguration.SnsCallerArn``). Cognito asks
    everybody who changes such a pool for the permission to pass the role: docs/adopting.md#sms-and-custom-senders."""

    custom_sender_key_arn: _KeyArn | None = None
    """The KMS key of the user pool's custom senders, if it has one (``LambdaConfig.KMSKeyID``). Cognito asks everybody
    who changes such a pool for the permission to create a grant: docs/adopting.md#sms-and-custom-senders."""

    replace_group_roles: dict[_GroupName, _RoleArn | None] = {}
    """Groups of the adopted user pool that the setting ``groups`` takes over, with the role that each has now, or
    ``null``. They get role and precedence back when they leave ``groups`` or the stack goes:
    docs/adopting.md#groups."""

    @property
    def users(self) -> bool:
        """Whether a user pool, and with it perhaps an identity pool, is adopted at all."""
        return bool(self.amplify_stack or self.user_pool_id or self.identity_pool_id)

    @property
    def identities(self) -> bool:
        """Whether an identity pool is adopted, and with it its roles."""
        return bool(self.amplify_stack or self.identity_pool_id)

    @property
    def is_complete(self) -> bool:
        """Whether nothing has to be looked up."""
        if not self.users:
            return True
        pool = self.user_pool_id and self.user_pool_client_ids
        return bool(pool) and not self.amplify_stack and (not self.identity_pool_id or bool(self.auth_role_arn))

    @model_validator(mode="after")
    def _stand_once(self) -> Self:
        roles = [*([self.auth_role_arn] if self.auth_role_arn else []), *self.group_role_arns]
        for names, values in (
            ("authRoleArn and groupRoleArns", roles),
            ("userPoolClientIds", self.user_pool_client_ids),
        ):
            if repeated := next((each for each in values if values.count(each) > 1), None):
                raise ValueError(f"{names}: each may stand once, and {repeated} does not")
        return self

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if (self.user_pool_client_ids or self.chained_triggers) and not self.users:
            raise ValueError("userPoolClientIds and chainedTriggers need the user pool they belong to: userPoolId")
        if (self.auth_role_arn or self.group_role_arns) and not self.identities:
            raise ValueError("authRoleArn and groupRoleArns need the identity pool that gives them: identityPoolId")
        if (self.sms_role_arn or self.custom_sender_key_arn or self.replace_group_roles) and not self.users:
            raise ValueError(
                "smsRoleArn, customSenderKeyArn and replaceGroupRoles need the user pool they belong to: userPoolId"
            )
        if self.replace_group_roles and self.identities:
            raise ValueError(
                "replaceGroupRoles goes with the setting groups, which an adopted identity pool excludes: its groups "
                "keep their roles"
            )
        if self.other_providers and not self.identities:
            raise ValueError("otherProviders needs the identity pool that they belong to: identityPoolId")
        if self.group_role_arns and not (self.auth_role_arn or self.amplify_stack):
            raise ValueError("groupRoleArns goes with authRoleArn; without both they are looked up")
        return self
