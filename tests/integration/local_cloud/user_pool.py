"""A user pool with triggers: custom authentication that lets in who answers "yes", and PostAuthentication."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from pycognito.aws_srp import AWSSRP

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import (
    ECHO,
    PASSWORD,
    let_cognito_invoke,
    make_app_client,
    make_function,
    make_user,
    make_user_pool,
    sign_in,
    unique,
)
from tests.tokens import totp

FLOWS = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
CHOICES = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "SMS_OTP"]}}
"""The policies of a user pool that offers codes besides the password."""
# Who begins with a password gives it before the challenge.
CHALLENGES = """
def handler(event, context):
    session = event["request"].get("session", [])
    if event["triggerSource"].startswith("Define"):
        event["response"] = (
            {"issueTokens": True, "failAuthentication": False}
            if session and session[-1]["challengeName"] == "CUSTOM_CHALLENGE" and session[-1]["challengeResult"]
            else {"challengeName": "PASSWORD_VERIFIER", "issueTokens": False, "failAuthentication": False}
            if session and session[-1]["challengeName"] == "SRP_A"
            else {"challengeName": "CUSTOM_CHALLENGE", "issueTokens": False, "failAuthentication": False}
        )
    if event["triggerSource"].startswith("Create"):
        event["response"] = {"publicChallengeParameters": {}, "privateChallengeParameters": {}}
    if event["triggerSource"].startswith("Verify"):
        event["response"] = {"answerCorrect": event["request"]["challengeAnswer"] == "yes"}
    return event
"""


def recording(source: str, file: Path) -> str:
    """Return a function's source that first writes its event down."""
    head = "def handler(event, context):\n"
    write = (
        f"    import json\n    with open({str(file)!r}, 'a') as file:\n        file.write(json.dumps(event) + '\\n')\n"
    )
    return source.replace(head, head + write)


def too_late_once(file: Path, seconds: float) -> str:
    """Return the source of a function whose first answer takes so many seconds."""
    return f"""
import os, time
def handler(event, context):
    with open({str(file)!r}, "a") as file:
        file.write("called\\n")
        first = file.tell() == len("called\\n")
    time.sleep({seconds} if first else 0)
    return event
"""


_shared: dict[tuple[int, str], str] = {}


def _function(cloud: LocalCloud, source: str) -> str:
    """Return the ARN of a function; the pools of a cloud share those that keep nothing, which start once."""
    if source not in (ECHO, CHALLENGES):
        return make_function(cloud, source)
    key = cloud.pid, source
    if key not in _shared:
        _shared[key] = make_function(cloud, source)
    return _shared[key]


class Pool:
    """A user pool whose triggers are functions of these sources."""

    def __init__(
        self,
        cloud: LocalCloud,
        post_authentication: str = ECHO,
        challenges: str = CHALLENGES,
        pre_authentication: str | None = None,
        **settings: Any,
    ) -> None:
        self.cloud = cloud
        self.idp = cloud.client("cognito-idp")
        functions = [_function(cloud, source) for source in (post_authentication, challenges)]
        custom = ("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
        triggers = {"PostAuthentication": functions[0]} | dict.fromkeys(custom, functions[1])
        if pre_authentication is not None:
            triggers["PreAuthentication"] = make_function(cloud, pre_authentication)
            functions.append(triggers["PreAuthentication"])
        self.user_pool_id, self.client_id = make_user_pool(
            cloud, {"LambdaConfig": triggers, **settings}, {"ExplicitAuthFlows": FLOWS}
        )
        for function_arn in functions:
            let_cognito_invoke(cloud, function_arn, self.user_pool_id)

    def add_client(self, **settings: Any) -> str:
        """Make another app client for every flow, and return its id."""
        return make_app_client(self.cloud, self.user_pool_id, ExplicitAuthFlows=FLOWS, **settings)

    def allow_totp(self) -> None:
        """Let users have a second factor."""
        self.idp.set_user_pool_mfa_config(
            UserPoolId=self.user_pool_id,
            MfaConfiguration="OPTIONAL",
            SoftwareTokenMfaConfiguration={"Enabled": True},
        )

    def user(self, **attributes: str) -> str:
        return make_user(self.cloud, self.user_pool_id, **({"email": "ada@example.com"} | attributes))

    def user_with_temporary_password(self) -> str:
        name = unique("user")
        self.idp.admin_create_user(
            UserPoolId=self.user_pool_id, Username=name, TemporaryPassword=PASSWORD, MessageAction="SUPPRESS"
        )
        return name

    def user_with_totp(self) -> tuple[str, str]:
        """Make a user who has turned one-time passwords on, and return its name and secret."""
        name = self.user()
        access_token = sign_in(self.cloud, self.client_id, name)["AccessToken"]
        secret = self.set_up_totp(access_token)
        self.idp.set_user_mfa_preference(
            AccessToken=access_token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )
        return name, secret

    def set_up_totp(self, access_token: str) -> str:
        """Let a user set one-time passwords up, and return the secret; they are not turned on yet."""
        secret = str(self.idp.associate_software_token(AccessToken=access_token)["SecretCode"])
        self.idp.verify_software_token(AccessToken=access_token, UserCode=totp(secret))
        return secret

    def status(self, name: str) -> str:
        return str(self.idp.admin_get_user(UserPoolId=self.user_pool_id, Username=name)["UserStatus"])

    def sign_in(self, **settings: Any) -> dict[str, str]:
        return sign_in(self.cloud, self.client_id, self.user(), **settings)

    def give_password(self, name: str, password: str = PASSWORD) -> dict[str, Any]:
        """Return what Cognito answers to a password."""
        answer: dict[str, Any] = self.idp.initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
        return answer

    def start_challenge(self, name: str, client_id: str | None = None) -> dict[str, Any]:
        """Return what Cognito answers to who wants to be challenged."""
        answer: dict[str, Any] = self.idp.admin_initiate_auth(
            UserPoolId=self.user_pool_id,
            ClientId=client_id or self.client_id,
            AuthFlow="CUSTOM_AUTH",
            AuthParameters={"USERNAME": name},
        )
        return answer

    def answer(
        self, asked: dict[str, Any], name: str, client_id: str | None = None, **responses: str
    ) -> dict[str, Any]:
        """Return what Cognito answers to the answer to a challenge."""
        answer: dict[str, Any] = self.idp.admin_respond_to_auth_challenge(
            UserPoolId=self.user_pool_id,
            ClientId=client_id or self.client_id,
            ChallengeName=asked["ChallengeName"],
            Session=asked["Session"],
            ChallengeResponses={"USERNAME": name, **responses},
        )
        return answer


class Choosing(Pool):
    """A user pool that offers passwords and codes, with an app client for choice-based sign-in only."""

    def __init__(self, cloud: LocalCloud, post_authentication: str = ECHO) -> None:
        super().__init__(cloud, post_authentication, Policies=CHOICES)
        self.choosing = make_app_client(cloud, self.user_pool_id, ExplicitAuthFlows=["ALLOW_USER_AUTH"])

    def someone(self, **attributes: str) -> tuple[str, str]:
        """Return the name and the e-mail address of a new user with a permanent password."""
        email = f"{unique('ada')}@example.com"
        return self.user(email=email, **attributes), email

    def start(self, name: str, **parameters: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.idp.initiate_auth(
            ClientId=self.choosing, AuthFlow="USER_AUTH", AuthParameters={"USERNAME": name, **parameters}
        )
        return answer

    def respond(self, asked: dict[str, Any], name: str, **responses: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.idp.respond_to_auth_challenge(
            ClientId=self.choosing,
            ChallengeName=asked["ChallengeName"],
            Session=asked["Session"],
            ChallengeResponses={"USERNAME": name, **responses},
        )
        return answer

    def srp(self, name: str) -> AWSSRP:
        return AWSSRP(name, PASSWORD, self.user_pool_id, self.choosing, client=self.idp)


def events(file: Path) -> list[dict[str, Any]]:
    """Return the events that were written down."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """Return the code and the text of the error that a call raises."""
    try:
        answer = call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError(f"not refused: {answer}")
