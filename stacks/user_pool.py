"""The user pool, created or adopted, and its app clients: for users, and for the internal sign-in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from pubsub_client.outputs import MARKER_ATTRIBUTE

from .functions import suppress_nag
from .settings import Settings

# For a fingerprint, an identity id of at most 55 characters, and a Unix time.
# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
MARKER_LENGTH = 128


class UserPoolResources(Construct):
    """A user pool, and the app clients that use PubSub."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.pool: cognito.IUserPool
        self.clients: list[cognito.IUserPoolClient]
        """App clients of users, the front end's first."""
        self.internal_client: cognito.IUserPoolClient | None = None
        """The internal sign-in's app client; None without attachment at sign-in."""

    @property
    def client(self) -> cognito.IUserPoolClient:
        """The front end's app client."""
        return self.clients[0]

    @property
    def all_clients(self) -> list[cognito.IUserPoolClient]:
        """Every app client whose tokens the identity pool accepts."""
        return [*self.clients, *([self.internal_client] if self.internal_client else [])]


class AdoptedUserPool(UserPoolResources):
    """An existing user pool. With attachment at sign-in it gets the internal app client."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        user_pool: cognito.IUserPool,
        clients: Sequence[cognito.IUserPoolClient],
    ) -> None:
        super().__init__(scope, construct_id)
        self.pool = user_pool
        self.clients = [*clients]
        if settings.attachment == "sign-in":
            self.internal_client = _internal_client(self, user_pool)


class PubSubUserPool(UserPoolResources):
    """A user pool whose users sign in with SRP, by name or e-mail address. No app client can access the marker."""

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.pool = self._make_pool(settings)
        self.clients = [self._public_client(settings)]
        if settings.attachment == "sign-in":
            self.internal_client = _internal_client(self, self.pool)

    def _make_pool(self, settings: Settings) -> cognito.UserPool:
        allows_mfa = settings.mfa == "optional"
        user_pool = cognito.UserPool(
            self,
            "UserPool",
            user_pool_name=Stack.of(self).stack_name,
            sign_in_aliases=cognito.SignInAliases(username=True, email=True),
            sign_in_case_sensitive=False,
            self_sign_up_enabled=True,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            standard_attributes=cognito.StandardAttributes(
                email=cognito.StandardAttribute(required=True, mutable=True)
            ),
            # Also without attachment at sign-in, because an update cannot remove an attribute.
            # https://github.com/hashicorp/terraform-provider-aws/issues/21654
            custom_attributes={
                MARKER_ATTRIBUTE: cognito.StringAttribute(mutable=True, max_len=MARKER_LENGTH),
            },
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_symbols=True,
                require_uppercase=True,
            ),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.OPTIONAL if allows_mfa else cognito.Mfa.OFF,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False) if allows_mfa else None,
            deletion_protection=settings.removal_policy == "retain",
            removal_policy=_removal_policy(settings),
        )
        suppress_nag(
            user_pool,
            {
                "AwsSolutions-COG2": "MFA is a setting, and the smoke test's users have none.",
                "AwsSolutions-COG8": "Threat protection needs the Plus tier, which AWS charges per user.",
            },
        )
        return user_pool

    def _public_client(self, settings: Settings) -> cognito.UserPoolClient:
        """Create the front end's app client: no secret, only SRP, and no access to the marker."""
        attributes = cognito.ClientAttributes().with_standard_attributes(
            email=True, given_name=True, family_name=True, locale=True, preferred_username=True
        )
        client = cognito.UserPoolClient(
            self,
            "WebClient",
            user_pool=self.pool,
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_srp=True),
            disable_o_auth=True,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            read_attributes=attributes.with_standard_attributes(email_verified=True),
            write_attributes=attributes,
        )
        client.apply_removal_policy(_removal_policy(settings))
        return client


def _internal_client(scope: Construct, user_pool: cognito.IUserPool) -> cognito.UserPoolClient:
    """Create the app client of the internal sign-in: only the custom challenge, and the shortest token lifetimes.

    An app client cannot disable SignUp, ForgotPassword and similar operations, but the secret keeps the public from
    calling them. The functions read it from Cognito. It proves nothing, because operators can read it too.
    """
    client = cognito.UserPoolClient(
        scope,
        "InternalClient",
        user_pool=user_pool,
        generate_secret=True,
        auth_flows=cognito.AuthFlow(custom=True),
        disable_o_auth=True,
        prevent_user_existence_errors=True,
        enable_token_revocation=True,
        access_token_validity=Duration.minutes(5),
        id_token_validity=Duration.minutes(5),
        refresh_token_validity=Duration.minutes(60),
        auth_session_validity=Duration.minutes(3),
        read_attributes=cognito.ClientAttributes().with_standard_attributes(email=True),
        write_attributes=cognito.ClientAttributes().with_standard_attributes(email=True),
    )
    # CDK adds ALLOW_REFRESH_TOKEN_AUTH to every client, but these tokens are used only once.
    resource = cast("cognito.CfnUserPoolClient", client.node.default_child)
    resource.explicit_auth_flows = ["ALLOW_CUSTOM_AUTH"]
    return client


def _removal_policy(settings: Settings) -> RemovalPolicy:
    return RemovalPolicy.RETAIN if settings.removal_policy == "retain" else RemovalPolicy.DESTROY
