"""What an IoT policy is attached to, page by page. Importing this module imports the AWS SDK.

https://docs.aws.amazon.com/iot/latest/apireference/API_ListTargetsForPolicy.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attachment.pace import Pace
from bulk.identities import IdentityPages, RejectedTokenError

if TYPE_CHECKING:
    from types_boto3_cognito_identity import CognitoIdentityClient
    from types_boto3_iot import IoTClient

LARGEST_PAGE = 250
# Half of the quota: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_PAGES_PER_SECOND = 5.0


@dataclass(frozen=True)
class Page:
    """A page of targets."""

    targets: tuple[str, ...]
    next_token: str | None
    """For the page after it; None of the last."""


@dataclass(frozen=True)
class Count:
    """How many targets there are, at least."""

    targets: int
    is_whole: bool
    """Whether these are all; counting them may have taken too long."""

    def __str__(self) -> str:
        return str(self.targets) if self.is_whole else f"more than {self.targets}"


class Targets:
    """The targets of a policy; one that is gone has none.

    Args:
        iot: AWS IoT.
        policy_name: the policy.
        page_size: how many targets at a time, 250 at most.
    """

    def __init__(self, iot: IoTClient, policy_name: str, page_size: int = LARGEST_PAGE) -> None:
        self._iot, self._policy_name, self._page_size = iot, policy_name, page_size
        self._pace = Pace.at(_PAGES_PER_SECOND)

    def read(self, token: str | None) -> Page:
        """Read the page of a token; the first for None.

        Raises:
            RejectedTokenError: AWS IoT refuses the token.
            botocore.exceptions.ClientError: AWS refuses.
        """
        self._pace.wait()
        given: Any = {"marker": token} if token else {}
        try:
            answer = self._iot.list_targets_for_policy(policyName=self._policy_name, pageSize=self._page_size, **given)
        except self._iot.exceptions.ResourceNotFoundException:
            return Page((), None)
        except self._iot.exceptions.InvalidRequestException:
            if token is None:
                raise
            raise RejectedTokenError from None
        return Page(tuple(answer.get("targets", ())), answer.get("nextMarker"))

    def count(self, seconds: float) -> Count:
        """Count the targets, for so many seconds at most.

        Raises:
            RejectedTokenError: AWS IoT refuses its own token.
            botocore.exceptions.ClientError: AWS refuses.
        """
        give_up_at = time.monotonic() + seconds
        targets, token = 0, None
        while True:
            page = self.read(token)
            targets, token = targets + len(page.targets), page.next_token
            if token is None or time.monotonic() > give_up_at:
                return Count(targets, token is None)


class IdentitiesAsTargets:
    """The identities of an identity pool that have signed in, whatever is attached to them; guests have no policy.

    Args:
        client: Cognito's identity pools.
        identity_pool_id: the identity pool.
    """

    def __init__(self, client: CognitoIdentityClient, identity_pool_id: str) -> None:
        self._pages = IdentityPages(client, identity_pool_id, Pace.at(_PAGES_PER_SECOND))

    def read(self, token: str | None) -> Page:
        """Read the page of a token; the first for None.

        Raises:
            RejectedTokenError: Cognito refuses the token.
            botocore.exceptions.ClientError: AWS refuses.
        """
        page = self._pages.read(token)
        return Page(tuple(each.identity_id for each in page.identities if not each.is_guest), page.next_token)
