"""Somebody who for once may make MACs: shows that others fail for want of the right MAC alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from attachment.mac import ALGORITHM
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment


@dataclass(frozen=True)
class KeyThief:
    """Whoever the key's policy lets make MACs."""

    deployment: Deployment
    key_id: str

    def mac(self, message: bytes) -> bytes:
        made = self.deployment.cloud.client("kms").generate_mac(
            KeyId=self.key_id, MacAlgorithm=ALGORITHM, Message=message
        )
        return bytes(made["Mac"])


@contextmanager
def stolen_key(deployment: Deployment) -> Iterator[KeyThief]:
    """Let the account's administrators make MACs in this block."""
    function = deployment.cloud.client("lambda").get_function_configuration(
        FunctionName=deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    )
    key_id = function["Environment"]["Variables"]["MAC_KEY_ID"]
    kms = deployment.cloud.client("kms")
    before = kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    opened = json.loads(before)
    root = f"arn:aws:iam::{deployment.cloud.account_id}:root"
    opened["Statement"].append(
        {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:GenerateMac", "Resource": "*"}
    )
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(opened))
    try:
        yield KeyThief(deployment, key_id)
    finally:
        kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=before)
