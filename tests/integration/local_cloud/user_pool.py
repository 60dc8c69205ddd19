"""A user pool with triggers, whose custom challenge expects the answer "yes", and the codes that it sends."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterable
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
"""The policies of a user pool that allows codes besides the password."""
CHALLENGES = """
def handler(event, context):
    session = event["request"].get("session", [])
    if event["triggerSource"].startswith("Define"):
        event["response"] = (
            {"issueTokens": True, "failAuthentication": False}
            if session and session[-1]["challengeName"] == "CUSTOM_CHALLENGE" and session[-1]["challengeResult"]
            else {"challengeName": "CUSTOM_CHALLENGE", "issueTokens": False, "failAuthentication": False}
        )
    if event["triggerSource"].startswith("Create"):
        event["response"] = {"publicChallengeParameters": {}, "privateChallengeParameters": {}}
    if event["triggerSource"].startswith("Verify"):
        event["response"] = {"answerCorrect": event["request"]["challengeAnswer"] == "yes"}
    return event
"""


def recording(source: str, file: Path) -> str:
    """Return the source of a function that first appends its event to a file."""
    head = "def handler(event, context):\n"
    write = (
        f"    import json\n    with open({str(file)!r}, 'a') as file:\n        file.write(json.dumps(event) + '\\n')\n"
    )
    return source.replace(head, head + write)


def too_late_once(file: Path, seconds: float) -> str:
    """Return the source of a function whose first invocation takes so many seconds."""
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
    """Return the ARN of a function; the pools of a cloud share those without state."""
    if source not in (ECHO, CHALLENGES):
        return make_function(cloud, source)
    key = cloud.pid, source
    if key not in _shared:
        _shared[key] = make_function(cloud, source)
    return _shared[key]


class Pool:
    """A user pool with triggers from the given sources."""

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
        """Create another app client with every flow and return its id."""
        return make_app_client(self.cloud, self.user_pool_id, ExplicitAuthFlows=FLOWS, **settings)

    def allow_totp(self) -> None:
        """Allow users MFA by one-time password."""
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
        """Create a user with MFA and return its name and TOTP secret."""
        name = self.user()
        access_token = sign_in(self.cloud, self.client_id, name)["AccessToken"]
        secret = str(self.idp.associate_software_token(AccessToken=access_token)["SecretCode"])
        self.idp.verify_software_token(AccessToken=access_token, UserCode=totp(secret))
        self.idp.set_user_mfa_preference(
            AccessToken=access_token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )
        return name, secret

    def status(self, name: str) -> str:
        return str(self.idp.admin_get_user(UserPoolId=self.user_pool_id, Username=name)["UserStatus"])

    def sign_in(self, **settings: Any) -> dict[str, str]:
        return sign_in(self.cloud, self.client_id, self.user(), **settings)

    def give_password(self, name: str, password: str = PASSWORD) -> dict[str, Any]:
        """Sign in by password and return Cognito's answer."""
        answer: dict[str, Any] = self.idp.initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
        return answer

    def start_challenge(self, name: str, client_id: str | None = None) -> dict[str, Any]:
        """Start a custom sign-in and return Cognito's answer."""
        answer: dict[str, Any] = self.idp.admin_initiate_auth(
            UserPoolId=self.user_pool_id,
            ClientId=client_id or self.client_id,
            AuthFlow="CUSTOM_AUTH",
            AuthParameters={"USERNAME": name},
        )
        return answer

    def answer(
        self, challenge: dict[str, Any], name: str, client_id: str | None = None, **responses: str
    ) -> dict[str, Any]:
        """Answer a challenge and return Cognito's answer."""
        answer: dict[str, Any] = self.idp.admin_respond_to_auth_challenge(
            UserPoolId=self.user_pool_id,
            ClientId=client_id or self.client_id,
            ChallengeName=challenge["ChallengeName"],
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": name, **responses},
        )
        return answer


class ChoicePool(Pool):
    """A user pool that allows passwords and codes, with an app client for choice-based sign-in only."""

    def __init__(self, cloud: LocalCloud, post_authentication: str = ECHO) -> None:
        super().__init__(cloud, post_authentication, Policies=CHOICES)
        self.choice_client_id = make_app_client(cloud, self.user_pool_id, ExplicitAuthFlows=["ALLOW_USER_AUTH"])

    def user_with_email(self, **attributes: str) -> tuple[str, str]:
        """Create a user with a permanent password and return its name and e-mail address."""
        email = f"{unique('ada')}@example.com"
        return self.user(email=email, **attributes), email

    def start(self, name: str, **parameters: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.idp.initiate_auth(
            ClientId=self.choice_client_id, AuthFlow="USER_AUTH", AuthParameters={"USERNAME": name, **parameters}
        )
        return answer

    def respond(self, challenge: dict[str, Any], name: str, **responses: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.idp.respond_to_auth_challenge(
            ClientId=self.choice_client_id,
            ChallengeName=challenge["ChallengeName"],
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": name, **responses},
        )
        return answer

    def srp(self, name: str) -> AWSSRP:
        return AWSSRP(name, PASSWORD, self.user_pool_id, self.choice_client_id, client=self.idp)


def events(file: Path) -> list[dict[str, Any]]:
    """Return the events in a file that :func:`recording` writes."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    """Return the code and message of the error that a call raises."""
    try:
        answer = call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError(f"not rejected: {answer}")


def code_sent_by_email(cloud: LocalCloud, address: str) -> str:
    """Return the code in the newest e-mail to an address."""
    by_account = _sent(cloud, "ses/messages")["messages"]
    return _newest_code(each["BodyText"] for each in by_account[cloud.account_id] if address in each["To"])


def code_sent_by_sms(cloud: LocalCloud, number: str) -> str:
    """Return the code in the newest text message to a number."""
    return _newest_code(each["Message"] for each in _sent(cloud, "sns/sms-messages")["sms_messages"][number])


def _sent(cloud: LocalCloud, path: str) -> Any:
    with urllib.request.urlopen(f"{cloud.endpoint_url}/_ministack/{path}") as answer:  # noqa: S310 - loopback
        return json.load(answer)


def _newest_code(texts: Iterable[str]) -> str:
    *_, newest = texts
    found = re.search(r"sign-in code is (\d{8})", newest)
    assert found, newest
    return found[1]
