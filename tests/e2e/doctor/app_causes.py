"""The app is configured wrongly, or does what AWS IoT does not take."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from websockets.exceptions import WebSocketException

from pubsub_client.outputs import Output
from tests.e2e.doctor.asked import Asked, about_identity, about_token, by_ids
from tests.e2e.doctor.cause import Cause
from tests.e2e.doctor.clock import shifted_clock
from tests.e2e.doctor.patient import Patient, Stage
from tests.integration.local_cloud.mqtt import websocket

_CLIENT_ID = "dashboard"
_RESERVED = "$aws/news"


def _endpoint(patient: Patient) -> str:
    return patient.deployment.outputs[Output.PUBSUB_ENDPOINT]


def _wrong_endpoint(change: Callable[[Patient], str]) -> Callable[[Patient], Asked]:
    return lambda patient: by_ids(patient, endpoint=change(patient))


def _not_ats(patient: Patient) -> str:
    return _endpoint(patient).replace("-ats.", ".")


def _of_another_region(patient: Patient) -> str:
    return _endpoint(patient).replace(patient.deployment.cloud.region, "eu-central-1")


def _take_the_endpoint_that_is_told(patient: Patient, fix: str) -> Asked:
    told = re.search(r"[\w-]+-ats\.iot\.[\w.-]+(:\d+)?", fix)
    assert told, fix
    return by_ids(patient, endpoint=told[0])


def _be_a_guest(patient: Patient) -> Patient:
    """Take the identity that an app keeps which has asked for credentials before its user signed in."""
    described = patient.identities.describe_identity_pool(IdentityPoolId=patient.identity_pool_id)
    pool = {name: value for name, value in described.items() if value != "" and name != "ResponseMetadata"}
    patient.identities.update_identity_pool(**pool | {"AllowUnauthenticatedIdentities": True})
    guest = patient.deployment.public("cognito-identity").get_id(IdentityPoolId=patient.identity_pool_id)
    patient.identities.update_identity_pool(**pool)
    return replace(patient, identity_id=guest["IdentityId"])


def _as_the_signed_in_user(patient: Patient, _: str) -> Asked:
    return about_identity(patient, patient.deployment.identity_id(patient.tokens))


def _without_the_app_client(patient: Patient) -> None:
    patient.refuse_tokens_of(patient.deployment.client_id)


def _connect_elsewhere(patient: Patient) -> None:
    """Let another connection hold the client id, which comes back whenever it is thrown out."""
    credentials = patient.deployment.credentials(patient.tokens)
    ended, connected = threading.Event(), threading.Event()

    def hold() -> None:
        while not ended.is_set():
            with (
                suppress(WebSocketException, OSError, AssertionError),
                websocket(patient.deployment.cloud, credentials) as mqtt,
            ):
                if mqtt.connect(_CLIENT_ID) == 0:
                    connected.set()
                    while not ended.is_set():
                        mqtt.message()

    thread = threading.Thread(target=hold)
    thread.start()
    patient.cleanup.callback(thread.join)
    patient.cleanup.callback(ended.set)
    assert connected.wait(5)


def _under_the_same_client_id(patient: Patient) -> Stage:
    with websocket(patient.deployment.cloud, patient.deployment.credentials(patient.tokens)) as mqtt:
        assert mqtt.connect(_CLIENT_ID) == 0
        try:
            for _ in range(10):
                mqtt.message()
        except AssertionError:
            return Stage.KICKED
    return Stage.ALL


def _asked(*options: str) -> Callable[[Patient], Asked]:
    return lambda patient: about_token(patient).and_(*options)


def _about_topic(topic: str) -> Callable[[Patient], Asked]:
    return lambda patient: about_token(patient, topic)


def _on_topic(topic: str) -> Callable[[Patient], Stage]:
    return lambda patient: patient.chat(topic=topic)


def _as_told(patient: Patient, _: str) -> Asked:
    """Leave out what was wrong."""
    return about_token(patient)


def _let_the_token_expire(patient: Patient) -> Patient:
    """Let the app client give tokens for a second, as AWS gives them for five minutes at least."""
    where = {"UserPoolId": patient.user_pool_id, "ClientId": patient.deployment.client_id}
    client = patient.users.describe_user_pool_client(**where)["UserPoolClient"]
    units, seconds = client["TokenValidityUnits"], client.get("IdTokenValidity", 60)
    patient.users.update_user_pool_client(**where, TokenValidityUnits={"IdToken": "seconds"}, IdTokenValidity=1)
    tokens = patient.deployment.sign_in(patient.user)
    patient.users.update_user_pool_client(**where, TokenValidityUnits=units, IdTokenValidity=seconds)
    time.sleep(1.1)
    return replace(patient, tokens=tokens)


def _with_a_new_token(patient: Patient, _: str) -> Asked:
    return about_token(replace(patient, tokens=patient.deployment.sign_in(patient.user)))


def _where_nobody_answers(patient: Patient) -> Asked:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    host = _endpoint(patient).partition(":")[0]
    return by_ids(patient, endpoint=f"{host}:{port}")


def _where_it_answers(patient: Patient, _: str) -> Asked:
    return by_ids(patient)


def _with_a_clock_that_is_off(patient: Patient) -> Asked:
    return replace(about_token(patient), environment=shifted_clock(patient.directory, seconds=-900))


_ENDPOINT = "the ids given by hand, with"

CAUSES = [
    Cause(
        6,
        "the endpoint is not the ATS one",
        f"{_ENDPOINT} the endpoint without `-ats`",
        "PS102",
        r"is not the ATS endpoint",
        "the endpoint that is told",
        ask=_wrong_endpoint(_not_ats),
        follow=_take_the_endpoint_that_is_told,
    ),
    Cause(
        6,
        "the endpoint has a scheme",
        f"{_ENDPOINT} `wss://` before the endpoint",
        "PS102",
        r"has the scheme wss://",
        "the endpoint that is told",
        ask=_wrong_endpoint(lambda patient: f"wss://{_endpoint(patient)}"),
        follow=_take_the_endpoint_that_is_told,
    ),
    Cause(
        7,
        "the session is a guest's",
        "`cognito-identity:GetId` without a login while guests were let in",
        "PS202",
        r"is a guest\'s: it has no login of user pool",
        "credentials after the sign-in: the identity that the ID token tells",
        make=_be_a_guest,
        ask=about_identity,
        follow=_as_the_signed_in_user,
    ),
    Cause(
        8,
        "the app client is not among the identity pool's providers",
        "`cognito-identity:UpdateIdentityPool` without it",
        "PS115",
        r"does not list app client \w+ among its providers",
        ("aws cognito-identity update-identity-pool",),
        symptom=Stage.CREDENTIALS,
        make=_without_the_app_client,
    ),
    Cause(
        9,
        "another connection uses the same client id",
        "another MQTT connection that comes back whenever it is thrown out",
        "PS406",
        r"The connection with the client id dashboard was taken over",
        "a client id of one's own",
        symptom=Stage.KICKED,
        make=_connect_elsewhere,
        ask=_asked("--client-id", _CLIENT_ID),
        see=_under_the_same_client_id,
        follow=_as_told,
    ),
    Cause(
        10,
        "the ID token has expired",
        "tokens made to last a second",
        "PS106",
        r"The ID token has expired",
        "a new sign-in",
        make=_let_the_token_expire,
        follow=_with_a_new_token,
    ),
    Cause(
        12,
        "a topic of AWS IoT's own",
        f"`--topic '{_RESERVED}'`",
        "PS103",
        r"'\$aws/news' is reserved",
        "another topic",
        symptom=Stage.SUBSCRIBE,
        ask=_about_topic(_RESERVED),
        see=_on_topic(_RESERVED),
        follow=_as_told,
    ),
    Cause(
        14,
        "the clock is off",
        "a clock a quarter of an hour behind, for the doctor's process",
        "PS405",
        r"clock is 9\d\d s behind",
        "`timedatectl`, which sets the clock",
        ask=_with_a_clock_that_is_off,
        follow=_as_told,
    ),
    Cause(
        15,
        "the region in the configuration is not the endpoint's",
        f"{_ENDPOINT} another region in the endpoint",
        "PS102",
        r"is in region eu-central-1 and the deployment in us-east-1",
        "the endpoint that is told",
        ask=_wrong_endpoint(_of_another_region),
        follow=_take_the_endpoint_that_is_told,
    ),
    Cause(
        24,
        "the endpoint cannot be reached",
        f"{_ENDPOINT} a port at which nobody answers",
        "PS404",
        r"There is no TCP connection to 127\.0\.0\.1 on port",
        "the way there opened",
        ask=_where_nobody_answers,
        follow=_where_it_answers,
    ),
    Cause(
        25,
        "a payload of more than 128 KB",
        "`--payload-bytes 200000`",
        "PS104",
        r"A message of 200000 bytes is longer than the 131072 that AWS IoT accepts",
        "smaller messages",
        ask=_asked("--payload-bytes", "200000"),
        follow=_as_told,
    ),
]
