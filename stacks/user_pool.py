"""The user pool, and the two app clients: one for people, one for the nested sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from pubsub_client.outputs import MARKER_ATTRIBUTE
from stacks.acknowledgements import acknowledge

if TYPE_CHECKING:
    from stacks.settings import Settings

# A fingerprint, an identity id of at most 55 characters, a Unix time.
# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
_MARKER_LENGTH = 128


class PubSubUserPool(Construct):
    """A user pool whose users sign in by name or e-mail address with SRP, and that no user can mark as attached."""

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.user_pool = cognito.UserPool(
            self,
            "UserPool",
            user_pool_name=settings.stack_name,
            sign_in_aliases=cognito.SignInAliases(username=True, email=True),
            sign_in_case_sensitive=False,
            self_sign_up_enabled=True,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            standard_attributes=cognito.StandardAttributes(
                email=cognito.StandardAttribute(required=True, mutable=True)
            ),
            custom_attributes={
                MARKER_ATTRIBUTE: cognito.StringAttribute(mutable=True, max_len=_MARKER_LENGTH),
            },
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_symbols=True,
                require_uppercase=True,
            ),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.OFF,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.user_pool,
            {
                "AwsSolutions-COG2": "The nested sign-in cannot answer a second factor; MFA users would go unattached.",
                "AwsSolutions-COG8": "Threat protection needs the Plus tier, priced per user: the team's choice.",
            },
        )
        self.client = self._public_client()
        self.internal_client = self._internal_client()

    def _public_client(self) -> cognito.UserPoolClient:
        """The front end's app client: no secret, SRP only, the marker neither writable nor readable."""
        attributes = cognito.ClientAttributes().with_standard_attributes(
            email=True, given_name=True, family_name=True, locale=True, preferred_username=True
        )
        return self.user_pool.add_client(
            "WebClient",
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_srp=True),
            disable_o_auth=True,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            read_attributes=attributes.with_standard_attributes(email_verified=True),
            write_attributes=attributes,
        )

    def _internal_client(self) -> cognito.UserPoolClient:
        """The nested sign-in's app client: no secret (it could be read), custom challenge only, shortest tokens."""
        client = self.user_pool.add_client(
            "InternalClient",
            generate_secret=False,
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
        # CDK adds ALLOW_REFRESH_TOKEN_AUTH to every client; this one's tokens are used once.
        resource = cast("cognito.CfnUserPoolClient", client.node.default_child)
        resource.explicit_auth_flows = ["ALLOW_CUSTOM_AUTH"]
        return client
