from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import ALLOW_IOT, document, unique

if TYPE_CHECKING:
    from tests.integration.local_cloud.account import Account


def attach_ten(account: Account, identity_id: str) -> list[str]:
    names = [unique("policy") for _ in range(10)]
    for name in names:
        account.cloud.client("iot").create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
        account.cloud.client("iot").attach_policy(policyName=name, target=identity_id)
    return names


def test_the_eleventh_policy_is_refused_until_another_goes(account: Account) -> None:
    identity_id = account.user().identity_id
    first, *_ = attach_ten(account, identity_id)
    with pytest.raises(ClientError, match="LimitExceededException"):
        account.attach(identity_id, ALLOW_IOT)
    account.cloud.client("iot").detach_policy(policyName=first, target=identity_id)
    account.attach(identity_id, ALLOW_IOT)


def test_a_policy_attached_already_is_attached_again(account: Account) -> None:
    identity_id = account.user().identity_id
    name = attach_ten(account, identity_id)[0]
    account.cloud.client("iot").attach_policy(policyName=name, target=identity_id)


def test_others_are_not_counted(account: Account) -> None:
    attach_ten(account, account.user().identity_id)
    account.attach(account.user().identity_id, ALLOW_IOT)
