from __future__ import annotations

import pytest

from local_cloud.environment import CREDENTIALS
from tests.integration.local_cloud.account import Account, Credentials, unique
from tests.integration.local_cloud.mqtt import Token, connected, websocket


@pytest.mark.parametrize("token", [Token.APPENDED, Token.FIRST], ids=lambda token: token.name)
def test_the_session_token_may_stand_anywhere_in_the_query(account: Account, token: Token) -> None:
    with websocket(account.cloud, account.guest().credentials, token=token) as mqtt:
        assert mqtt.connect(unique("client")) == 0


def test_the_root_users_key_has_no_session_token(account: Account) -> None:
    root = Credentials(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], "")
    with connected(account.cloud, root, unique("client")) as mqtt:
        assert mqtt.publish("orders/1") == 0
