from __future__ import annotations

import json

import pytest

from stacks.settings import read_settings
from tools.destroy import kept

_POOL, _CLIENT = "eu-west-1_AbCdEfGhI", "1234567890abcdefghijklmnop"


@pytest.mark.parametrize("attachment", ["sign-in", "self-attach"])
def test_printed_settings_adopt_the_kept_user_pool_and_keep_the_attachment(attachment: str) -> None:
    printed = kept(_POOL, _CLIENT, attachment)
    settings = read_settings({"environments": {"prod": json.loads(printed.partition("cdk.json: ")[2])}}, "prod")
    assert settings.adopt.user_pool_id == _POOL
    assert settings.adopt.user_pool_client_ids == [_CLIENT]
    assert settings.attachment == attachment
