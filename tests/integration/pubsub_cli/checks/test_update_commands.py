"""Commands that update a pool, built from real descriptions of pools."""

from __future__ import annotations

import pytest

from local_cloud.process import LocalCloud
from pubsub_cli.aws import Aws
from pubsub_cli.checks.update import set_triggers, update_of
from pubsub_cli.finding import AwsCommand
from tests.integration.local_cloud.account import Account


@pytest.fixture
def account(cloud: LocalCloud) -> Account:
    return Account.on(cloud)


@pytest.fixture
def aws(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in cloud.variables().items():
        monkeypatch.setenv(name, value)
    return Aws(region=cloud.region)


def test_user_pool_with_an_unknown_setting_gets_no_command(account: Account, aws: Aws) -> None:
    def fix() -> object:
        pool = aws.user_pools.describe_user_pool(UserPoolId=account.user_pool_id)["UserPool"]
        return set_triggers(aws.user_pools, pool, {"PostAuthentication": "ours"})[-1]

    assert isinstance(fix(), AwsCommand)
    account.cloud.seed_pool_setting(account.user_pool_id, "Holidays", ["2026-12-24"])
    assert "would reset Holidays" in str(fix())


def test_identity_pool_with_an_unknown_setting_gets_no_command(account: Account, aws: Aws) -> None:
    def fix() -> object:
        pool = aws.identity_pools.describe_identity_pool(IdentityPoolId=account.identity_pool_id)
        return update_of(aws.identity_pools, "UpdateIdentityPool", pool, {"CognitoIdentityProviders": []})

    assert isinstance(fix(), AwsCommand)
    account.cloud.seed_pool_setting(account.identity_pool_id, "Holidays", ["2026-12-24"])
    assert "would reset Holidays" in str(fix())
