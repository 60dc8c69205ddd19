"""What is looked up at synthesis is checked as the settings are."""

from __future__ import annotations

import pytest

from local_cloud.process import LocalCloud
from stacks.lookup import look_up
from stacks.settings import SettingsError, read_settings
from tests.integration.local_cloud.account import make_user_pool, unique


def test_more_app_clients_than_an_alarm_can_watch_are_refused(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    user_pool_id, _ = make_user_pool(cloud)
    cognito = cloud.client("cognito-idp")

    def add_clients(count: int) -> None:
        for _ in range(count):
            cognito.create_user_pool_client(UserPoolId=user_pool_id, ClientName=unique("client"))

    def found() -> int:
        settings = read_settings({"adopt": {"userPoolId": user_pool_id}, "attachment": "sign-in"}, None)
        return len(look_up(settings, account_id=None, region=cloud.region).adopt.user_pool_client_ids)

    add_clients(8)
    assert found() == 9
    add_clients(1)
    with pytest.raises(
        SettingsError, match=r"^amplify-pubsub: adopt\.userPoolClientIds names 10 app clients; allowed "
    ):
        found()
