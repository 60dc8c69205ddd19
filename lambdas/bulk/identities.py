"""The identities of an identity pool, page by page. Importing this module imports the AWS SDK.

https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_ListIdentities.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_cognito_identity import CognitoIdentityClient

    from attachment.pace import Pace

_LARGEST_PAGE = 60


class RejectedTokenError(Exception):
    """AWS takes the token for the next page no more: whoever pages begins at the top again."""


@dataclass(frozen=True)
class Identity:
    """An identity: a user's or a guest's."""

    identity_id: str
    providers: frozenset[str]
    """The names of the identity providers that the user has signed in with."""
    changed_at: float
    """Unix seconds: when it was made, or got another login."""

    @property
    def is_guest(self) -> bool:
        """Whether nobody has signed in with it."""
        return not self.providers


@dataclass(frozen=True)
class Page:
    """A page of identities."""

    identities: tuple[Identity, ...]
    next_token: str | None
    """For the page after it; None of the last."""


class IdentityPages:
    """Reads the pages.

    Args:
        client: Cognito's identity pools.
        identity_pool_id: the identity pool.
        pace: of the calls.
    """

    def __init__(self, client: CognitoIdentityClient, identity_pool_id: str, pace: Pace) -> None:
        self._client, self._identity_pool_id, self._pace = client, identity_pool_id, pace

    def read(self, token: str | None) -> Page:
        """Read the page of a token; the first for None.

        Raises:
            RejectedTokenError: Cognito refuses the token.
            botocore.exceptions.ClientError: AWS refuses.
        """
        self._pace.wait()
        given: Any = {"NextToken": token} if token else {}
        try:
            answer = self._client.list_identities(
                # Disabled is a guest's identity that was merged into that of the user who the guest has become.
                IdentityPoolId=self._identity_pool_id,
                MaxResults=_LARGEST_PAGE,
                HideDisabled=True,
                **given,
            )
        except self._client.exceptions.InvalidParameterException:
            if token is None:
                raise
            raise RejectedTokenError from None
        identities = (
            Identity(each["IdentityId"], frozenset(each.get("Logins", ())), each["LastModifiedDate"].timestamp())
            for each in answer["Identities"]
        )
        return Page(tuple(identities), answer.get("NextToken"))
