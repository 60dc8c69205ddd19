"""Choice-based sign-in, with a password and with one-time codes."""

from __future__ import annotations

import pytest

from local_cloud.process import LocalCloud
from pubsub_client import CognitoSession
from pubsub_client.exceptions import ConfigurationError, SignInError
from tests.integration.local_cloud.account import PASSWORD, Account, make_app_client, unique
from tests.integration.local_cloud.user_pool import ChoicePool, code_sent_by_email, code_sent_by_sms

PHONE = "+15555550111"


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud) -> ChoicePool:
    return ChoicePool(cloud)


@pytest.fixture(scope="module")
def identity_pool_id(pool: ChoicePool) -> str:
    return Account(pool.cloud, pool.user_pool_id, pool.choice_client_id).make_identity_pool()


@pytest.fixture
def session(pool: ChoicePool, identity_pool_id: str) -> CognitoSession:
    return session_of(pool, pool.choice_client_id, identity_pool_id)


def session_of(pool: ChoicePool, client_id: str, identity_pool_id: str = "unused") -> CognitoSession:
    return CognitoSession(
        region=pool.cloud.region,
        user_pool_id=pool.user_pool_id,
        user_pool_client_id=client_id,
        identity_pool_id=identity_pool_id,
        endpoint_url=pool.cloud.endpoint_url,
    )


async def no_code(destination: str) -> str:
    raise AssertionError(f"a code was requested: {destination}")


async def test_password_signs_in_by_choice_based_sign_in(pool: ChoicePool, session: CognitoSession) -> None:
    name, _ = pool.user_with_email()
    await session.sign_in(name, PASSWORD)
    assert (await session.identity_id()).startswith(f"{pool.cloud.region}:")


async def test_choice_based_sign_in_rejects_a_user_with_mfa(cloud: LocalCloud) -> None:
    pool = ChoicePool(cloud)
    pool.allow_totp()
    name, _ = pool.user_with_totp()
    with pytest.raises(SignInError, match="has MFA") as refusal:
        await session_of(pool, pool.choice_client_id).sign_in(name, PASSWORD)
    assert refusal.value.code == "SOFTWARE_TOKEN_MFA"


async def test_codes_by_email_and_sms_sign_in(pool: ChoicePool, session: CognitoSession) -> None:
    name, email = pool.user_with_email(phone_number=PHONE)
    destinations: list[str] = []

    async def read_email(destination: str) -> str:
        destinations.append(destination)
        return code_sent_by_email(pool.cloud, email)

    async def read_sms(destination: str) -> str:
        destinations.append(destination)
        return code_sent_by_sms(pool.cloud, PHONE)

    await session.sign_in_with_code(name, read_email)
    first = await session.identity_id()
    await session.sign_in_with_code(name, read_sms, by="sms")
    assert await session.identity_id() == first
    assert all("*" in each for each in destinations)
    assert len(destinations) == 2


async def test_wrong_code_is_rejected(pool: ChoicePool, session: CognitoSession) -> None:
    name, email = pool.user_with_email()

    async def wrong(_: str) -> str:
        return f"{(int(code_sent_by_email(pool.cloud, email)) + 1) % 10**8:08}"

    with pytest.raises(SignInError) as refusal:
        await session.sign_in_with_code(name, wrong)
    assert refusal.value.code == "CodeMismatchException"


async def test_unavailable_sign_in_names_the_available_ones(pool: ChoicePool, session: CognitoSession) -> None:
    name, _ = pool.user_with_email()
    with pytest.raises(
        SignInError, match=r"cannot sign in with SMS_OTP; .* PASSWORD_SRP, PASSWORD, EMAIL_OTP"
    ) as no_sms:
        await session.sign_in_with_code(name, no_code, by="sms")
    assert no_sms.value.code == "SELECT_CHALLENGE"
    passwordless = unique("user")
    email = [{"Name": "email", "Value": f"{passwordless}@example.com"}]
    pool.idp.admin_create_user(
        UserPoolId=pool.user_pool_id, Username=passwordless, MessageAction="SUPPRESS", UserAttributes=email
    )
    with pytest.raises(SignInError, match=r"cannot sign in with a password; .* EMAIL_OTP\. .*sign_in_with_code"):
        await session.sign_in(passwordless, PASSWORD)


async def test_app_client_without_the_flow_is_named(pool: ChoicePool) -> None:
    name, _ = pool.user_with_email()
    client_id = make_app_client(pool.cloud, pool.user_pool_id, ExplicitAuthFlows=["ALLOW_CUSTOM_AUTH"])
    neither = f"{client_id} allows neither ALLOW_USER_SRP_AUTH nor ALLOW_USER_AUTH"
    with pytest.raises(SignInError, match=neither) as refusal:
        await session_of(pool, client_id).sign_in(name, PASSWORD)
    assert refusal.value.code == "InvalidParameterException"
    with pytest.raises(SignInError, match=f"{client_id} allows no ALLOW_USER_AUTH"):
        await session_of(pool, client_id).sign_in_with_code(name, no_code)


async def test_unknown_code_delivery_is_rejected(session: CognitoSession) -> None:
    with pytest.raises(ConfigurationError, match="pass 'email' or 'sms'"):
        await session.sign_in_with_code("ada", no_code, by="pigeon")  # type: ignore[arg-type]
