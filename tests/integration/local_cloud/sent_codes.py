"""The codes that Cognito has sent to users, read from the messages that ministack keeps."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterable
from typing import Any

from local_cloud.process import LocalCloud


def code_sent_by_email(cloud: LocalCloud, address: str) -> str:
    """Return the code in the newest e-mail to an address."""
    by_account = _kept(cloud, "ses/messages")["messages"]
    return _newest_code(each["BodyText"] for each in by_account[cloud.account_id] if address in each["To"])


def code_sent_by_sms(cloud: LocalCloud, number: str) -> str:
    """Return the code in the newest text message to a number."""
    return _newest_code(each["Message"] for each in _kept(cloud, "sns/sms-messages")["sms_messages"][number])


def _kept(cloud: LocalCloud, path: str) -> Any:
    with urllib.request.urlopen(f"{cloud.endpoint_url}/_ministack/{path}") as answer:  # noqa: S310 - loopback
        return json.load(answer)


def _newest_code(texts: Iterable[str]) -> str:
    *_, newest = texts
    found = re.search(r"sign-in code is (\d{8})", newest)
    assert found, newest
    return found[1]
