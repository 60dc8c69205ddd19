from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pubsub_cli.adoption.discovery import Adopted
from pubsub_cli.adoption.inspection import IdentityStatistics, Inspection, RoleState
from pubsub_cli.adoption.plan import AdoptionOptions, plan
from stacks.settings import read_settings

_ROLE = RoleState("authRole", attached=(), trusts=True, changes_iot=False)
_ADOPTED = Adopted(
    "eu-west-1_abc",
    ("web",),
    "eu-west-1:11111111-2222-3333-4444-555555555555",
    "arn:aws:iam::123456789012:role/authRole",
)
_NOW = Inspection(
    user_pool={"Id": "eu-west-1_abc", "SchemaAttributes": []},
    identity_pool={"CognitoIdentityProviders": [{"ProviderName": "x/eu-west-1_abc", "ServerSideTokenCheck": True}]},
    roles=(_ROLE,),
    identities=IdentityStatistics(signed_in=2, guests=0, complete=True, policies={}, sample=2),
    policy_names=frozenset(),
)
_SIGN_IN = AdoptionOptions(attachment="sign-in")


def _pool(**settings: Any) -> dict[str, Any]:
    return {"user_pool": {**_NOW.user_pool, **settings}}


def _identity_pool(**settings: Any) -> dict[str, Any]:
    return {"identity_pool": {**(_NOW.identity_pool or {}), **settings}}


def test_adoption_without_problems_has_no_notes_and_no_blockers() -> None:
    for options in (AdoptionOptions(), _SIGN_IN):
        planned = plan(_ADOPTED, _NOW, options)
        assert (planned.notes, planned.blockers) == ([], [])
        read_settings(planned.settings, None)


@pytest.mark.parametrize(
    ("state", "options", "cause"),
    [
        (
            _pool(LambdaConfig={"DefineAuthChallenge": "arn:theirs"}),
            _SIGN_IN,
            "The user pool's trigger DefineAuthChallenge already has a function, arn:theirs.",
        ),
        (
            {},
            replace(_SIGN_IN, chained=("PostAuthentication",)),
            "The user pool's trigger PostAuthentication has no function that can call the stack's.",
        ),
        (_pool(Holidays={"Country": "NO"}), _SIGN_IN, "settings that the installed AWS SDK does not know: Holidays."),
        (
            _pool(LambdaConfig={"KMSKeyID": "arn:aws:kms:eu-west-1:123456789012:alias/sender"}),
            _SIGN_IN,
            "The user pool has an alias as the key of its custom senders",
        ),
        (
            {"policy_names": frozenset({"myIoTPolicy", "myIoTPolicy-pubsub"})},
            AdoptionOptions(),
            "The IoT policies myIoTPolicy and myIoTPolicy-pubsub already exist.",
        ),
        ({"deployment": "AmplifyPubSub"}, AdoptionOptions(), "The stack AmplifyPubSub of this toolkit created one of"),
        ({"roles": (replace(_ROLE, trusts=False),)}, AdoptionOptions(), "authRole does not trust identity pool"),
        (
            {"roles": (replace(_ROLE, attached=tuple("12345678")),)},
            AdoptionOptions(),
            "The role authRole would have 11 managed policies, but the quota is 10.",
        ),
        (
            {"roles": (replace(_ROLE, inline_characters=10_100),)},
            AdoptionOptions(),
            "The inline policies of the role authRole have 10100 characters. The stack adds about 200, and IAM's limit",
        ),
        (
            {"roles": (replace(_ROLE, inline_characters=9_500),)},
            AdoptionOptions(access_mode="least-privilege", topics=("room/*",)),
            "The inline policies of the role authRole have 9500 characters.",
        ),
    ],
)
def test_adoption_is_blocked(state: dict[str, Any], options: AdoptionOptions, cause: str) -> None:
    (blocker,) = plan(_ADOPTED, replace(_NOW, **state), options).blockers
    assert cause in str(blocker.cause)


@pytest.mark.parametrize(
    ("state", "options"),
    [
        (_pool(LambdaConfig={"DefineAuthChallenge": "a"}), replace(_SIGN_IN, chained=("DefineAuthChallenge",))),
        (_pool(LambdaConfig={"DefineAuthChallenge": "a"}, Holidays={}), AdoptionOptions()),
        ({"roles": (replace(_ROLE, attached=tuple("12345678")),)}, AdoptionOptions(access_mode="least-privilege")),
        ({"roles": (replace(_ROLE, inline_characters=9_500),)}, AdoptionOptions()),
    ],
)
def test_adoption_is_not_blocked(state: dict[str, Any], options: AdoptionOptions) -> None:
    assert plan(_ADOPTED, replace(_NOW, **state), options).blockers == []


@pytest.mark.parametrize(
    ("state", "options", "note"),
    [
        ({"policy_names": frozenset({"myIoTPolicy"})}, AdoptionOptions(), "the stack's policy is named myIoTPolicy-"),
        (
            {"identities": IdentityStatistics(9, 0, complete=True, policies={"old": 3}, sample=9)},
            AdoptionOptions(),
            "A sample of 9 identities already has these IoT policies: old (3).",
        ),
        (
            {"roles": (replace(_ROLE, changes_iot=True),)},
            AdoptionOptions(),
            "authRole allows signed-in users",
        ),
        (_pool(MfaConfiguration="OPTIONAL"), _SIGN_IN, "Users can have MFA."),
        (_identity_pool(AllowUnauthenticatedIdentities=True), AdoptionOptions(), "--skip PS311"),
        (_identity_pool(AllowClassicFlow=True), AdoptionOptions(), "the classic flow"),
        (
            _identity_pool(DeveloperProviderName="login.shop"),
            AdoptionOptions(),
            "identity providers: login.shop.",
        ),
        (
            _identity_pool(CognitoIdentityProviders=[{"ProviderName": "x/eu-west-1_abc"}]),
            _SIGN_IN,
            "ServerSideTokenCheck",
        ),
    ],
)
def test_adoption_has_a_note(state: dict[str, Any], options: AdoptionOptions, note: str) -> None:
    (found,) = plan(_ADOPTED, replace(_NOW, **state), options).notes
    assert note in found


def test_adoption_in_least_privilege_mode_gives_own_topics() -> None:
    planned = plan(_ADOPTED, _NOW, AdoptionOptions(access_mode="least-privilege", topics=("room/*",)))
    assert read_settings(planned.settings, None).own_topics
    changes = {each.resource: each.change for each in planned.changes}
    assert changes["role authRole"].startswith(
        "gets AWS IoT's data actions on shared topics and on each user's own topics"
    )
    assert changes["identities"].endswith(
        "connect, and use topics under their own identity id; everyone gets access to room/*"
    )
