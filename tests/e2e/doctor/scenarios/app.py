"""The app has a wrong configuration, or does what AWS IoT rejects."""

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
from tests.e2e.doctor.doctor_run import DoctorOptions, with_identity, with_ids, with_token
from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage
from tests.integration.local_cloud.mqtt import websocket

_CLIENT_ID = "dashboard"
_RESERVED = "$aws/news"
# Python imports a module of this name at its start: https://docs.python.org/3/library/site.html#module-sitecustomize
_CLOCK_MODULE = "sitecustomize.py"
_CLOCK_15_MINUTES_BEHIND = """
import datetime
import time

_now = time.time


class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) - datetime.timedelta(seconds=900)

    @classmethod
    def utcnow(cls):
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)


time.time = lambda: _now() - 900
datetime.datetime = _Datetime
"""


def _endpoint(user: SimulatedUser) -> str:
    return user.deployment.outputs[Output.PUBSUB_ENDPOINT]


def _with_endpoint(old: str, new: str) -> Callable[[SimulatedUser], DoctorOptions]:
    return lambda user: with_ids(user, endpoint=_endpoint(user).replace(old, new))


def _use_printed_endpoint(user: SimulatedUser, fix: str) -> DoctorOptions:
    printed = re.search(r"[\w-]+-ats\.iot\.[\w.-]+(:\d+)?", fix)
    assert printed, fix
    return with_ids(user, endpoint=printed[0])


def _become_guest(user: SimulatedUser) -> SimulatedUser:
    """Use the identity of an app that requested credentials before its user signed in."""
    with user.deployment.guests_allowed():
        guest = user.deployment.public("cognito-identity").get_id(IdentityPoolId=user.identity_pool_id)
    return replace(user, identity_id=guest["IdentityId"])


def _ask_about_identity_of_token(user: SimulatedUser, _: str) -> DoctorOptions:
    return with_identity(replace(user, identity_id=user.deployment.identity_id(user.tokens)))


def _remove_app_client_from_providers(user: SimulatedUser) -> None:
    user.deployment.remove_provider(user.deployment.client_id)


def _connect_elsewhere(user: SimulatedUser) -> None:
    """Connect with the client id, and reconnect after each takeover."""
    credentials = user.deployment.credentials(user.tokens)
    ended, connected = threading.Event(), threading.Event()

    def stay_connected() -> None:
        while not ended.is_set():
            with (
                suppress(WebSocketException, OSError, AssertionError),
                websocket(user.deployment.cloud, credentials) as mqtt,
            ):
                if mqtt.connect(_CLIENT_ID) == 0:
                    connected.set()
                    while not ended.is_set():
                        mqtt.message()

    thread = threading.Thread(target=stay_connected)
    thread.start()
    user.cleanup.callback(thread.join)
    user.cleanup.callback(ended.set)
    assert connected.wait(5)


def _receive_with_same_client_id(user: SimulatedUser) -> Stage:
    with websocket(user.deployment.cloud, user.deployment.credentials(user.tokens)) as mqtt:
        assert mqtt.connect(_CLIENT_ID) == 0
        try:
            for _ in range(10):
                mqtt.message()
        except AssertionError:
            return Stage.TAKEN_OVER
    return Stage.DELIVERED


def _let_token_expire(user: SimulatedUser) -> SimulatedUser:
    """Let the app client issue a token for a second; AWS issues them for five minutes at least."""
    client_id = {"UserPoolId": user.deployment.user_pool_id, "ClientId": user.deployment.client_id}
    client = user.users.describe_user_pool_client(**client_id)["UserPoolClient"]
    units, validity = client["TokenValidityUnits"], client.get("IdTokenValidity", 60)
    user.users.update_user_pool_client(**client_id, TokenValidityUnits={"IdToken": "seconds"}, IdTokenValidity=1)
    tokens = user.deployment.sign_in(user.name)
    user.users.update_user_pool_client(**client_id, TokenValidityUnits=units, IdTokenValidity=validity)
    time.sleep(1.1)
    return replace(user, tokens=tokens)


def sign_in_again(user: SimulatedUser, _: str) -> DoctorOptions:
    return with_token(replace(user, tokens=user.deployment.sign_in(user.name)))


def _with_closed_port(user: SimulatedUser) -> DoctorOptions:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return with_ids(user, endpoint=f"{_endpoint(user).partition(':')[0]}:{port}")


def _with_clock_behind(user: SimulatedUser) -> DoctorOptions:
    directory = user.directory / "clock"
    directory.mkdir(exist_ok=True)
    (directory / _CLOCK_MODULE).write_text(_CLOCK_15_MINUTES_BEHIND)
    return replace(with_token(user), environment={"PYTHONPATH": str(directory)})


def _correct_options(user: SimulatedUser, _: str) -> DoctorOptions:
    return with_token(user)


SCENARIOS = [
    FailureScenario(
        6,
        "the endpoint is not the ATS endpoint",
        "PS102",
        r"is not the ATS endpoint",
        "use the printed endpoint",
        options=_with_endpoint("-ats.", "."),
        follow=_use_printed_endpoint,
    ),
    FailureScenario(
        7,
        "the session is a guest session",
        "PS202",
        r"belongs to a guest, because it has no login",
        "get credentials after the sign-in",
        break_it=_become_guest,
        options=with_identity,
        follow=_ask_about_identity_of_token,
    ),
    FailureScenario(
        8,
        "the app client is not among the identity pool's providers",
        "PS115",
        r"does not list app client \w+ among its providers",
        ("aws cognito-identity update-identity-pool",),
        break_it=_remove_app_client_from_providers,
        symptom=Stage.CREDENTIALS,
    ),
    FailureScenario(
        9,
        "another connection uses the same client id",
        "PS406",
        r"The connection with the client id dashboard was taken over",
        "use a unique client id",
        break_it=_connect_elsewhere,
        symptom=Stage.TAKEN_OVER,
        observe=_receive_with_same_client_id,
        options=lambda user: with_token(user).plus("--client-id", _CLIENT_ID),
        follow=_correct_options,
    ),
    FailureScenario(
        10,
        "the ID token expired",
        "PS106",
        r"The ID token expired at",
        "sign in again",
        break_it=_let_token_expire,
        follow=sign_in_again,
    ),
    FailureScenario(
        12,
        "the topic is reserved for AWS IoT",
        "PS103",
        r"'\$aws/news' is reserved",
        "use another topic",
        symptom=Stage.SUBSCRIBE,
        observe=lambda user: user.send_message(_RESERVED),
        options=lambda user: with_token(user).plus("--topic", _RESERVED),
        follow=_correct_options,
    ),
    FailureScenario(
        14,
        "the clock is wrong",
        "PS405",
        r"clock is 9\d\d s behind",
        "run `timedatectl`, which sets the clock",
        options=_with_clock_behind,
        follow=_correct_options,
    ),
    FailureScenario(
        15,
        "the configured region is not the endpoint's",
        "PS102",
        r"is in region eu-central-1 and the deployment in us-east-1",
        "use the printed endpoint",
        options=_with_endpoint("us-east-1", "eu-central-1"),
        follow=_use_printed_endpoint,
    ),
    FailureScenario(
        24,
        "the endpoint cannot be reached",
        "PS404",
        r"No TCP connection to 127\.0\.0\.1 on port \d+ can be opened",
        "open the network path",
        options=_with_closed_port,
        follow=lambda user, _: with_ids(user),
    ),
    FailureScenario(
        25,
        "the payload is over 128 KB",
        "PS104",
        r"A message of 200000 bytes is longer than the 131072",
        "send smaller messages",
        options=lambda user: with_token(user).plus("--payload-bytes", "200000"),
        follow=_correct_options,
    ),
]
