from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import Account, make_user, sign_in

ENDINGS = ["admin_user_global_sign_out", "admin_disable_user", "admin_delete_user"]


class SignedIn:
    """A user who has signed in to an identity pool."""

    def __init__(self, account: Account, *, checks_tokens: bool) -> None:
        self._account = account
        self.pool_id = account.make_identity_pool(checks_tokens=checks_tokens)
        self.name = make_user(account.cloud, account.user_pool_id)
        self.sign_in()
        self.identity_id = self._identities.get_id(IdentityPoolId=self.pool_id, Logins=self.logins)["IdentityId"]

    @property
    def _identities(self) -> Any:
        return self._account.cloud.client("cognito-identity")

    def sign_in(self) -> None:
        token = sign_in(self._account.cloud, self._account.client_id, self.name)["IdToken"]
        self.logins = {self._account.provider_name: token}

    def ask(self, operation: str = "get_credentials_for_identity") -> Any:
        return getattr(self._identities, operation)(IdentityId=self.identity_id, Logins=self.logins)

    def end(self, operation: str) -> None:
        users = self._account.cloud.client("cognito-idp")
        getattr(users, operation)(UserPoolId=self._account.user_pool_id, Username=self.name)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("operation", ["get_credentials_for_identity", "get_open_id_token"])
def test_a_pool_that_checks_gives_nothing_for_the_token_of_a_user_who_is(
    account: Account, operation: str, ending: str
) -> None:
    user = SignedIn(account, checks_tokens=True)
    user.ask(operation)
    user.end(ending)
    with pytest.raises(ClientError, match=r"NotAuthorizedException.*Invalid login token"):
        user.ask(operation)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_pool_that_does_not_check_takes_the_token_until_it_expires(account: Account, ending: str) -> None:
    user = SignedIn(account, checks_tokens=False)
    user.end(ending)
    user.ask()
