"""The setting ``adopt``: existing pools and roles that the deployment uses and does not own."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Trigger = Literal["PostAuthentication", "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"]
"""The triggers of attachment at sign-in, by their names in a user pool's ``LambdaConfig``."""

# Cognito allows more characters. These need no quoting anywhere.
GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@+=-]{1,128}$")]
KeyArn = Annotated[str, Field(pattern=r"^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/(mrk-[0-9a-f]{32}|[0-9a-f-]{36})$")]
_ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+]{1,128}$")]
_RoleArn = Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}$")]
# For example accounts.google.com, login.example, the name of another user pool, or the ARN of a SAML provider.
_Provider = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/@+=-]{1,256}$")]


MODEL_CONFIG = ConfigDict(
    alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
)
"""Keys in cdk.json are the camel-case form of the fields' names, and docstrings describe them on the settings page."""


class Adopt(BaseModel):
    """A user pool, or a user pool and an identity pool, by their ids. `pubsub adopt` prints the ids.

    Adopted resources stay when the stack is deleted, and the stack removes what it added. Only the marker attribute of
    a user pool stays, because Cognito cannot remove attributes.
    """

    model_config = MODEL_CONFIG

    user_pool_id: Annotated[str, Field(pattern=r"^[a-z0-9-]+_[0-9a-zA-Z]+$")] | None = None
    """The user pool. Requires ``userPoolClientIds``."""

    user_pool_client_ids: list[_ClientId] = []
    """App clients of the user pool whose users can use PubSub, the front end's first. With ``attachment: sign-in`` at
    most nine, because one alarm watches the sign-ins of all."""

    identity_pool_id: Annotated[str, Field(pattern=r"^[a-z0-9-]+:[0-9a-f-]{36}$")] | None = None
    """The identity pool. Requires ``userPoolId`` and ``authRoleArn``. If omitted, the stack creates an identity pool
    and its roles."""

    auth_role_arn: _RoleArn | None = None
    """The identity pool's role of signed-in users."""

    group_role_arns: list[_RoleArn] = []
    """Other roles that the identity pool gives to signed-in users, by group or mapping rule."""

    other_providers: list[_Provider] = []
    """Other identity providers of the adopted identity pool whose users can use PubSub. ``aws cognito-identity
    describe-identity`` shows the names among an identity's logins. Self-attach rejects users of all other providers,
    and the sweep skips them. Requires ``identityPoolId``."""

    chained_triggers: list[Trigger] = []
    """Triggers that keep their own function, which must call the stack's: docs/how-to/adopt.md#existing-triggers.
    Requires ``attachment: sign-in``."""

    sms_role_arn: _RoleArn | None = None
    """The role with which the user pool sends SMS (``SmsConfiguration.SnsCallerArn``):
    docs/how-to/adopt.md#sms-and-custom-senders."""

    custom_sender_key_arn: KeyArn | None = None
    """The KMS key of the user pool's custom senders (``LambdaConfig.KMSKeyID``):
    docs/how-to/adopt.md#sms-and-custom-senders."""

    replace_group_roles: dict[GroupName, _RoleArn | None] = {}
    """Existing groups that ``groups`` also names, each with its current role or ``null``. A group gets this role and
    its precedence back when you remove it from ``groups`` or delete the stack: docs/how-to/adopt.md#groups."""

    @model_validator(mode="after")
    def _check_duplicates(self) -> Self:
        roles = [*([self.auth_role_arn] if self.auth_role_arn else []), *self.group_role_arns]
        for names, values in (
            ("authRoleArn and groupRoleArns", roles),
            ("userPoolClientIds", self.user_pool_client_ids),
        ):
            if repeated := next((each for each in values if values.count(each) > 1), None):
                raise ValueError(f"{names}: duplicate {repeated}; remove one")
        return self

    @model_validator(mode="after")
    def _check_required_keys(self) -> Self:
        of_user_pool = (
            "userPoolClientIds", "identityPoolId", "chainedTriggers", "smsRoleArn", "customSenderKeyArn",
            "replaceGroupRoles",
        )  # fmt: skip
        self._require("userPoolId", of_user_pool)
        self._require("userPoolClientIds", ("userPoolId",))
        self._require("identityPoolId", ("authRoleArn", "groupRoleArns", "otherProviders"))
        self._require("authRoleArn", ("identityPoolId",))
        if self.replace_group_roles and self.identity_pool_id:
            raise ValueError(
                "replaceGroupRoles is not allowed with identityPoolId, because groups of an adopted identity pool keep "
                "their roles; remove one"
            )
        return self

    def _require(self, required: str, others: tuple[str, ...]) -> None:
        """Check that a key is set if one of the others is."""
        given = self.model_dump(by_alias=True)
        if not given[required] and (needing := [each for each in others if given[each]]):
            raise ValueError(f"{' and '.join(needing)} without {required}; `pubsub adopt` prints every id")
