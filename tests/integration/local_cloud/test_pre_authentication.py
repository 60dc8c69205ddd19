from __future__ import annotations

from pathlib import Path

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.user_pool import ECHO, Pool, events, recording, refusal

_REFUSING = "def handler(event, context): raise ValueError('an unknown app client')"


def test_event_is_the_one_aws_documents_and_only_sign_ins_fire_it(cloud: LocalCloud, tmp_path: Path) -> None:
    pool = Pool(cloud, pre_authentication=recording(ECHO, tmp_path / "events"))
    name = pool.user()
    pool.idp.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="CUSTOM_AUTH",
        AuthParameters={"USERNAME": name},
        ClientMetadata={"from": "the front end"},
    )
    (event,) = events(tmp_path / "events")
    assert event["triggerSource"] == "PreAuthentication_Authentication"
    assert (event["userName"], event["callerContext"]["clientId"]) == (name, pool.client_id)
    assert event["request"]["validationData"] == {"from": "the front end"}
    assert event["request"]["userAttributes"]["email"] == "ada@example.com"
    assert event["request"]["userNotFound"] is False
    token = pool.give_password(name)["AuthenticationResult"]["RefreshToken"]
    pool.idp.initiate_auth(
        ClientId=pool.client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": token}
    )
    refusal(lambda: pool.give_password("nobody"))
    assert len(events(tmp_path / "events")) == 2


def test_its_error_refuses_every_kind_of_sign_in_and_its_text_is_passed_on(cloud: LocalCloud) -> None:
    pool = Pool(cloud, pre_authentication=_REFUSING)
    name = pool.user()
    refused = ("UserLambdaValidationException", "PreAuthentication failed with error an unknown app client.")
    assert refusal(lambda: pool.start_challenge(name)) == refused
    assert refusal(lambda: pool.give_password(name)) == refused
    assert refusal(lambda: pool.give_password(name, "wrong")) == refused
