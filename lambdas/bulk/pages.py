"""The pages that bulk work processes: identities of an identity pool, or targets of an IoT policy.

https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_ListIdentities.html
https://docs.aws.amazon.com/iot/latest/apireference/API_ListTargetsForPolicy.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attachment.retries import RateLimiter

if TYPE_CHECKING:
    from types_boto3_cognito_identity import CognitoIdentityClient
    from types_boto3_iot import IoTClient

_Item = TypeVar("_Item")

MAX_TARGETS = 250
"""The largest page of ListTargetsForPolicy."""
_MAX_IDENTITIES = 60
# Half of the quota of ListTargetsForPolicy: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_PAGES_PER_SECOND = 5.0


class InvalidPageTokenError(Exception):
    """AWS no longer accepts the token of the next page. Start again at the first page."""


@dataclass(frozen=True)
class Page(Generic[_Item]):
    """A page, and the token of the next page; None after the last."""

    items: tuple[_Item, ...]
    next_token: str | None


@dataclass(frozen=True)
class Identity:
    """An identity of a user or a guest."""

    identity_id: str
    providers: frozenset[str]
    """The names of the identity providers with which the user has signed in."""
    changed_at: float
    """When it was created or got another login, in Unix seconds."""

    @property
    def is_guest(self) -> bool:
        """Whether no user has signed in."""
        return not self.providers


class IdentityPages:
    """Reads the identities of an identity pool.

    Args:
        client: the client of Cognito's identity pools.
        identity_pool_id: the identity pool.
    """

    def __init__(self, client: CognitoIdentityClient, identity_pool_id: str) -> None:
        self._client, self._identity_pool_id = client, identity_pool_id
        self._rate_limiter = RateLimiter(_PAGES_PER_SECOND)

    def read(self, token: str | None) -> Page[Identity]:
        """Read the page with this token, or the first.

        Raises:
            InvalidPageTokenError: Cognito rejected the token.
        """
        self._rate_limiter.wait()
        next_token: Any = {"NextToken": token} if token else {}
        try:
            response = self._client.list_identities(
                IdentityPoolId=self._identity_pool_id,
                MaxResults=_MAX_IDENTITIES,
                HideDisabled=True,  # Cognito disables a guest's identity when it merges it into the user's
                **next_token,
            )
        except self._client.exceptions.InvalidParameterException:
            if token is None:
                raise
            raise InvalidPageTokenError from None
        identities = (
            Identity(each["IdentityId"], frozenset(each.get("Logins", ())), each["LastModifiedDate"].timestamp())
            for each in response["Identities"]
        )
        return Page(tuple(identities), response.get("NextToken"))

    def read_user_ids(self, token: str | None) -> Page[str]:
        """Read the identity ids in that page, without guests; a pool that was deleted has none. See :meth:`read`."""
        try:
            page = self.read(token)
        except self._client.exceptions.ResourceNotFoundException:
            return Page((), None)
        return Page(tuple(each.identity_id for each in page.items if not each.is_guest), page.next_token)


@dataclass(frozen=True)
class TargetCount:
    """A number of targets."""

    targets: int
    is_complete: bool
    """False if there was no time to count them all."""

    def __str__(self) -> str:
        return str(self.targets) if self.is_complete else f"more than {self.targets}"


class PolicyTargets:
    """Reads the targets of an IoT policy; a policy that does not exist has none.

    Args:
        iot: the client of AWS IoT.
        policy_name: the policy.
        page_size: targets per page, up to 250.
    """

    def __init__(self, iot: IoTClient, policy_name: str, page_size: int = MAX_TARGETS) -> None:
        self._iot, self._policy_name, self._page_size = iot, policy_name, page_size
        self._rate_limiter = RateLimiter(_PAGES_PER_SECOND)

    def read(self, token: str | None) -> Page[str]:
        """Read the page with this token, or the first.

        Raises:
            InvalidPageTokenError: AWS IoT rejected the token.
        """
        self._rate_limiter.wait()
        marker: Any = {"marker": token} if token else {}
        try:
            response = self._iot.list_targets_for_policy(
                policyName=self._policy_name, pageSize=self._page_size, **marker
            )
        except self._iot.exceptions.ResourceNotFoundException:
            return Page((), None)
        except self._iot.exceptions.InvalidRequestException:
            if token is None:
                raise
            raise InvalidPageTokenError from None
        return Page(tuple(response.get("targets", ())), response.get("nextMarker"))

    def count(self, seconds: float) -> TargetCount:
        """Count the targets for up to this number of seconds.

        Raises:
            InvalidPageTokenError: AWS IoT rejected a token.
        """
        deadline = time.monotonic() + seconds
        targets, token = 0, None
        while True:
            page = self.read(token)
            targets, token = targets + len(page.items), page.next_token
            if token is None or time.monotonic() > deadline:
                return TargetCount(targets, token is None)
