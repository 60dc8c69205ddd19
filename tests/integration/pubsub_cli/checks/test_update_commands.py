"""Commands that update a pool, built from real descriptions of pools."""

from __future__ import annotations

import pytest

from local_cloud.process import LocalCloud
from pubsub_cli.aws import Aws
from pubsub_cli.checks.update import set_triggers, update_of
from pubsub_cli.finding import AwsCommand
from tests.integration.local_cloud.account import Account


def test_pool_with_an_unknown_setting_gets_no_command(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.variables().items():
        monkeypatch.setenv(name, value)
    aws, account = Aws(region=cloud.region), Account.on(cloud)

    def update_user_pool() -> AwsCommand | str:
        pool = aws.user_pools.describe_user_pool(UserPoolId=account.user_pool_id)["UserPool"]
        return set_triggers(aws.user_pools, pool, {"PostAuthentication": "ours"})[-1]

    def update_identity_pool() -> AwsCommand | str:
        pool = aws.identity_pools.describe_identity_pool(IdentityPoolId=account.identity_pool_id)
        return update_of(aws.identity_pools, "UpdateIdentityPool", pool, {"CognitoIdentityProviders": []})

    pools = {account.user_pool_id: update_user_pool, account.identity_pool_id: update_identity_pool}
    for pool_id, update in pools.items():
        assert isinstance(update(), AwsCommand)
        cloud.seed_pool_setting(pool_id, "Holidays", ["2026-12-24"])
        assert "would reset Holidays" in str(update())
