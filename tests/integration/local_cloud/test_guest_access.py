from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import Account

REFUSAL = r"NotAuthorizedException.*Unauthenticated access is not supported for this identity pool\."


@pytest.mark.parametrize("operation", ["get_credentials_for_identity", "get_open_id_token"])
def test_a_known_identity_id_is_no_login(account: Account, operation: str) -> None:
    identity = account.cloud.client("cognito-identity")
    identity_id = account.user().identity_id
    with pytest.raises(ClientError, match=REFUSAL):
        getattr(identity, operation)(IdentityId=identity_id)


def test_guests_are_let_in_where_they_are_on(account: Account) -> None:
    guest = account.guest()
    token = account.cloud.client("cognito-identity").get_open_id_token(IdentityId=guest.identity_id)
    assert token["IdentityId"] == guest.identity_id
