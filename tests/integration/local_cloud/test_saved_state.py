from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_cloud.process import LocalCloud, LocalCloudError
from local_cloud.saved_state import SavedStateError, restore
from tests.integration.local_cloud.account import ALLOW_IOT, Account, make_function, sign_in, unique

_ANSWER = """
def handler(event, context):
    return {"answer": event["question"]}
"""


class _Resources:
    """One resource of each kind that a deployment needs."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.account = Account.on(cloud)
        self.user = self.account.user()
        self.policy = self.account.attach(self.user.identity_id, ALLOW_IOT)
        self.function = make_function(cloud, _ANSWER)
        self.bucket, self.queue, self.parameter = unique("bucket"), unique("queue"), f"/{unique('parameter')}"
        cloud.client("s3").create_bucket(Bucket=self.bucket)
        cloud.client("s3").put_object(Bucket=self.bucket, Key="asset", Body=b"\x00\xff")
        url = cloud.client("sqs").create_queue(QueueName=self.queue)["QueueUrl"]
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody="waiting")
        cloud.client("ssm").put_parameter(Name=self.parameter, Value="kept", Type="String")
        self.key = cloud.client("kms").create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]
        self.mac = self._mac(cloud)

    def _mac(self, cloud: LocalCloud) -> bytes:
        answer = cloud.client("kms").generate_mac(KeyId=self.key["KeyId"], MacAlgorithm="HMAC_SHA_256", Message=b"m")
        return bytes(answer["Mac"])


@dataclass(frozen=True)
class _Saved:
    """Saved states of clouds, each started from the previous one."""

    empty: Path
    first: Path
    changed: Path
    resources: _Resources


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> _Saved:
    directory = tmp_path_factory.mktemp("saved")
    empty, first, changed = (directory / name for name in ("empty", "first", "changed"))
    with LocalCloud.start() as cloud:
        cloud.save(empty)
        resources = _Resources(cloud)
        # The update of the function is not complete when the state is saved.
        cloud.client("lambda").update_function_configuration(FunctionName=resources.function, Description="updated")
        cloud.save(first)
    with LocalCloud.start(saved=first) as restored:
        restored.client("ssm").put_parameter(Name=resources.parameter, Value="changed", Type="String", Overwrite=True)
        restored.save(changed)
    return _Saved(empty, first, changed, resources)


@pytest.fixture(scope="module")
def restored(saved: _Saved) -> Iterator[LocalCloud]:
    """A cloud from the saved state of a restored cloud."""
    with LocalCloud.start(saved=saved.changed) as cloud:
        yield cloud


@pytest.fixture
def resources(saved: _Saved) -> _Resources:
    return saved.resources


def test_restored_user_has_the_same_identity(restored: LocalCloud, resources: _Resources) -> None:
    account = resources.account
    (name,) = (
        user["Username"] for user in restored.client("cognito-idp").list_users(UserPoolId=account.user_pool_id)["Users"]
    )
    tokens = sign_in(restored, account.client_id, name)
    logins = {account.provider_name: tokens["IdToken"]}
    identities = restored.client("cognito-identity")
    identity_id = identities.get_id(IdentityPoolId=account.identity_pool_id, Logins=logins)["IdentityId"]
    assert identity_id == resources.user.identity_id
    page = identities.list_identities(IdentityPoolId=account.identity_pool_id, MaxResults=60)
    assert [each["IdentityId"] for each in page["Identities"]] == [identity_id]


def test_restored_policy_keeps_its_targets_and_accepts_more(restored: LocalCloud, resources: _Resources) -> None:
    iot = restored.client("iot")
    more = f"us-east-1:{uuid.uuid4()}"
    iot.attach_policy(policyName=resources.policy, target=more)
    targets = iot.list_targets_for_policy(policyName=resources.policy)["targets"]
    assert sorted(targets) == sorted([resources.user.identity_id, more])


def test_restored_function_runs(restored: LocalCloud, resources: _Resources) -> None:
    answer = restored.client("lambda").invoke(FunctionName=resources.function, Payload=b'{"question": 42}')
    assert answer["Payload"].read() == b'{"answer": 42}'
    configuration = restored.client("lambda").get_function_configuration(FunctionName=resources.function)
    assert (configuration["State"], configuration["LastUpdateStatus"]) == ("Active", "Successful")


def test_restored_queue_has_the_new_port_and_the_waiting_message(restored: LocalCloud, resources: _Resources) -> None:
    sqs: Any = restored.client("sqs")
    url = sqs.get_queue_url(QueueName=resources.queue)["QueueUrl"]
    assert f":{restored.port}/" in url
    assert [each["Body"] for each in sqs.receive_message(QueueUrl=url)["Messages"]] == ["waiting"]


def test_restored_object_parameter_and_key_are_the_same(restored: LocalCloud, resources: _Resources) -> None:
    assert restored.client("s3").get_object(Bucket=resources.bucket, Key="asset")["Body"].read() == b"\x00\xff"
    assert restored.client("ssm").get_parameter(Name=resources.parameter)["Parameter"]["Value"] == "changed"
    assert resources._mac(restored) == resources.mac


def test_state_of_an_empty_cloud_is_restored(saved: _Saved, tmp_path: Path) -> None:
    restore(saved.empty, tmp_path, port=4566)
    assert list((tmp_path / "services").iterdir())


def test_state_of_another_ministack_version_is_rejected(tmp_path: Path) -> None:
    other = tmp_path / "state"
    other.mkdir()
    (other / "saved-by.json").write_text('{"port": 1, "ministack": "0.0.1", "digest": ""}')
    log = tmp_path / "cloud.log"
    with pytest.raises(LocalCloudError, match="did not start"):
        LocalCloud.start(saved=other, log_file=log)
    assert "saved by ministack 0.0.1, not " in log.read_text()


def test_state_with_a_changed_file_is_rejected(saved: _Saved, tmp_path: Path) -> None:
    changed = tmp_path / "state"
    shutil.copytree(saved.first, changed)
    (changed / "services" / "iot.json").write_text("{}")
    with pytest.raises(SavedStateError, match="its files have changed since it was saved"):
        restore(changed, tmp_path / "scratch", port=4566)


def test_existing_state_is_not_overwritten(saved: _Saved, restored: LocalCloud) -> None:
    with pytest.raises(ValueError, match="not empty"):
        restored.save(saved.first)
