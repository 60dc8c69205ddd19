from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.settings import Settings, SettingsError, check_region, read_settings
from tests.unit.stacks.conftest import IDENTITIES, TOPIC_ARN, USERS


def test_an_environment_has_a_policy_of_its_own_unless_it_names_one() -> None:
    section = {"policyName": "shared", "environments": {"prod": {}}}
    assert read_settings({"environments": {"prod": {}}}, "prod").policy_name == "myIoTPolicy-prod"
    assert read_settings(section, "prod").policy_name == "shared"


def test_without_a_section_the_defaults_hold() -> None:
    settings = read_settings(None, None)
    assert settings == Settings()
    assert settings.stack_name == "AmplifyPubSub"
    assert settings.policy_name == "myIoTPolicy"


def test_an_environment_goes_over_the_defaults_and_names_the_stack() -> None:
    section = {"attachmentCacheDays": 7, "environments": {"prod": {"attachmentCacheDays": 60}}}
    settings = read_settings(section, "prod")
    assert settings.attachment_cache_days == 60
    assert settings.stack_name == "AmplifyPubSub-prod"
    assert read_settings(section, None).attachment_cache_days == 7


def test_a_pattern_holds_for_every_environment_whose_name_begins_so() -> None:
    section = {"attachmentCacheDays": 7, "environments": {"pr-*": {"attachmentCacheDays": 2}, "pr-5": {}}}
    seventh, longest = read_settings(section, "pr-7"), read_settings(section, "pr-" + "7" * 29)
    assert (seventh.attachment_cache_days, seventh.stack_name, seventh.policy_name) == (
        2,
        "AmplifyPubSub-pr-7",
        "myIoTPolicy-pr-7",
    )
    assert longest.stack_name == "AmplifyPubSub-pr-" + "7" * 29
    assert read_settings(section, "pr-5").attachment_cache_days == 7  # the name itself goes before the pattern


@pytest.mark.parametrize("name", ["pr", "pr-", "preview", "x-pr-7"])
def test_a_name_that_no_pattern_stands_for_is_unknown(name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({"environments": {"prod": {}, "pr-*": {}}}, name)
    assert str(raised.value) == (
        f"environment: {name!r} is not in amplify-pubsub.environments; allowed: default, pr-*, prod"
    )


@pytest.mark.parametrize(
    ("patterns", "both"),
    [(["pr-1*", "pr-*"], "'pr-*' and 'pr-1*'"), (["a*", "pr-2*", "p*", "pr-1*"], "'p*' and 'pr-1*'")],
)
def test_patterns_that_stand_for_the_same_names_are_refused(patterns: list[str], both: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({"environments": {each: {} for each in patterns}}, None)
    assert str(raised.value) == (f"amplify-pubsub.environments: {both} match the same names; allowed: one of them")


@pytest.mark.parametrize(
    ("section", "environment", "message"),
    [
        (
            {"policyNme": "x"},
            None,
            "amplify-pubsub.policyNme: unknown key; allowed: accessMode, adopt, alarmTopicArn, allowOrigins, "
            "attachPerSecond, attachment, attachmentCacheDays, attachmentCacheVersion, detachPerSecond, groups, "
            "logGroupKeyArn, logRetentionDays, mfa, monitoring, permissionsBoundary, policyName, removalPolicy, "
            "reservedTopics, sweep, tags, terminationProtection, topics",
        ),
        (
            {"alarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms.fifo"},
            None,
            "amplify-pubsub.alarmTopicArn: 'arn:aws:sns:eu-west-1:123456789012:alarms.fifo' given; "
            "string should match pattern '^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$'",
        ),
        (
            {"attachPerSecond": {"signin": 5}},
            None,
            "amplify-pubsub.attachPerSecond.signin: unknown key; allowed: retry, signIn, sweep",
        ),
        (
            {"attachPerSecond": {"retry": 0}},
            None,
            "amplify-pubsub.attachPerSecond.retry: 0 given; input should be greater than or equal to 1",
        ),
        (
            {"accessMode": "open"},
            None,
            "amplify-pubsub.accessMode: 'open' given; input should be 'guarded', 'unguarded' or 'least-privilege'",
        ),
        (
            {"environments": {"prod": {"logRetentionDays": 31}}},
            "prod",
            "amplify-pubsub.environments.prod.logRetentionDays: 31 given; input should be 1, 3, 5, 7, 14, 30, 60, 90, "
            "120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653",
        ),
        (
            {"environments": {"prod": {}}},
            "staging",
            "environment: 'staging' is not in amplify-pubsub.environments; allowed: default, prod",
        ),
        ({"environments": []}, None, "amplify-pubsub.environments: [] given; allowed: an object of settings"),
        (
            {"environments": {"prod": "yes"}},
            None,
            "amplify-pubsub.environments.prod: 'yes' given; allowed: an object of settings",
        ),
        (
            {"topics": ["chat/#"]},
            None,
            "amplify-pubsub.topics.0: 'chat/#' given; an IoT policy takes # literally; * stands for any characters "
            "there",
        ),
        (
            {"topics": ["$aws/*"]},
            None,
            "amplify-pubsub.topics.0: '$aws/*' given; reserved topics are opened by reservedTopics, not here",
        ),
        (
            {"topics": ["a/b/c/d/e/f/g/h/i/*"]},
            None,
            "amplify-pubsub.topics.0: 'a/b/c/d/e/f/g/h/i/*' given; AWS IoT takes at most 7 slashes in a topic",
        ),
        (
            {"topics": ["orders"]},
            None,
            "amplify-pubsub.topics: ['orders'] given; at least one must end in *, so that the smoke test has topics of "
            "its own, such as pubsub-smoke/*",
        ),
        (
            {"allowOrigins": ["https://app.example.com/"]},
            None,
            "amplify-pubsub.allowOrigins.0: 'https://app.example.com/' given; string should match pattern "
            "'^(\\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$'",
        ),
        (
            {"allowOrigins": ["*", "https://app.example.com"]},
            None,
            "amplify-pubsub.allowOrigins: ['*', 'https://app.example.com'] given; * stands for every origin; "
            "remove the others",
        ),
        ({"groups": ["a", "a"]}, None, "amplify-pubsub.groups: ['a', 'a'] given; duplicate a; remove one"),
        ({"tags": {"aws:x": "1"}}, None, "amplify-pubsub.tags.'aws:x': 'aws:x' given; AWS reserves the prefix aws:"),
        (
            {"environments": {"prod": {"adopt": {"userPoolClientIds": ["abc"]}}}},
            None,
            "amplify-pubsub.environments.prod.adopt: {'userPoolClientIds': ['abc']} given; userPoolClientIds without "
            "userPoolId; `pubsub adopt` prints every id",
        ),
        (
            {"adopt": {"userPoolId": "eu-west-1_abc"}},
            None,
            "amplify-pubsub.adopt: {'userPoolId': 'eu-west-1_abc'} given; userPoolId without userPoolClientIds; "
            "`pubsub adopt` prints every id",
        ),
        (
            {"adopt": USERS | {"authRoleArn": "arn:aws:iam::123456789012:role/AuthRole", "otherProviders": ["x"]}},
            None,
            "amplify-pubsub.adopt: {'userPoolId': 'eu-west-1_abc', 'userPoolClientIds': ['web', 'native'], "
            "'authRoleArn': 'arn:aws:iam::123456789012:role/AuthRole', 'otherProviders': ['x']} given; authRoleArn and "
            "otherProviders without identityPoolId; `pubsub adopt` prints every id",
        ),
        (
            {"adopt": USERS | {"identityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555"}},
            None,
            "amplify-pubsub.adopt: {'userPoolId': 'eu-west-1_abc', 'userPoolClientIds': ['web', 'native'], "
            "'identityPoolId': 'eu-west-1:11111111-2222-3333-4444-555555555555'} given; identityPoolId without "
            "authRoleArn; `pubsub adopt` prints every id",
        ),
        (
            {"adopt": USERS | IDENTITIES | {"replaceGroupRoles": {"admins": None}}},
            None,
            f"amplify-pubsub.adopt: {USERS | IDENTITIES | {'replaceGroupRoles': {'admins': None}}} given; "
            "replaceGroupRoles and identityPoolId exclude each other, because the groups of an adopted identity pool "
            "keep their roles",
        ),
        (
            {"alarmTopicArn": TOPIC_ARN, "monitoring": "off"},
            None,
            "amplify-pubsub: alarmTopicArn and monitoring off exclude each other: there is no alarm to notify it",
        ),
        (
            {
                "adopt": {
                    "identityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555",
                    "authRoleArn": "arn:aws:iam::123456789012:role/AuthRole",
                    "groupRoleArns": ["arn:aws:iam::123456789012:role/AuthRole"],
                }
            },
            None,
            "amplify-pubsub.adopt: {'identityPoolId': 'eu-west-1:11111111-2222-3333-4444-555555555555', 'authRoleArn': "
            "'arn:aws:iam::123456789012:role/AuthRole', 'groupRoleArns': ['arn:aws:iam::123456789012:role/AuthRole']} "
            "given; authRoleArn and groupRoleArns: duplicate arn:aws:iam::123456789012:role/AuthRole; remove one",
        ),
        (
            {"adopt": {"userPoolId": "eu-west-1_abc", "userPoolClientIds": ["web", "web"]}},
            None,
            "amplify-pubsub.adopt: {'userPoolId': 'eu-west-1_abc', 'userPoolClientIds': ['web', 'web']} given; "
            "userPoolClientIds: duplicate web; remove one",
        ),
        (
            {"adopt": {"userPoolID": "eu-west-1_abc"}},
            None,
            "amplify-pubsub.adopt.userPoolID: unknown key; allowed: authRoleArn, chainedTriggers, "
            "customSenderKeyArn, groupRoleArns, identityPoolId, otherProviders, replaceGroupRoles, smsRoleArn, "
            "userPoolClientIds, userPoolId",
        ),
        (
            {"adopt": USERS | IDENTITIES, "groups": ["admins"]},
            None,
            "amplify-pubsub: groups and an adopted identity pool exclude each other: its groups have roles, which "
            "are adopted with it (adopt.groupRoleArns)",
        ),
        (
            {"adopt": USERS | {"chainedTriggers": ["PostAuthentication"]}},
            None,
            "amplify-pubsub: adopt.chainedTriggers goes with attachment sign-in",
        ),
        (
            {
                "adopt": {"userPoolId": "eu-west-1_abc", "userPoolClientIds": [f"client{n}" for n in range(10)]},
                "attachment": "sign-in",
            },
            None,
            "amplify-pubsub: adopt.userPoolClientIds names 10 app clients; allowed with attachment sign-in: at most 9, "
            "because an alarm watches the sign-ins of each and takes ten metrics",
        ),
        (
            {"attachmentCacheDays": "30"},
            None,
            "amplify-pubsub.attachmentCacheDays: '30' given; input should be a valid integer",
        ),
        ("guarded", None, "amplify-pubsub: 'guarded' given; allowed: an object of settings"),
        (
            {"environment": "prod"},
            None,
            "amplify-pubsub.environment: not a setting here; choose it with -c environment=NAME",
        ),
        (
            {"environments": {"pr-*": {"attachmentCacheDays": 0}}},
            None,
            "amplify-pubsub.environments.'pr-*'.attachmentCacheDays: 0 given; "
            "input should be greater than or equal to 1",
        ),
        (
            {"environments": {"pr-*": {"policyName": "previews"}}},
            None,
            "amplify-pubsub.environments.'pr-*'.policyName: 'previews' given; 'pr-*' matches several environments, "
            "and each needs its own IoT policy; allowed: none",
        ),
        (
            {"policyName": "shared", "environments": {"pr-*": {}}},
            None,
            "amplify-pubsub.policyName: 'shared' given; 'pr-*' matches several environments, and each needs "
            "its own IoT policy; allowed: none",
        ),
        (
            {"environments": {"pr-*": {}}},
            "pr-7_a",
            "environment: 'pr-7_a' given; string should match pattern '^[a-z][a-z0-9-]{0,31}$'",
        ),
        (
            {"environments": {"pr-*": {}}},
            "pr-" + "7" * 30,
            f"environment: 'pr-{'7' * 30}' given; string should match pattern '^[a-z][a-z0-9-]{{0,31}}$'",
        ),
        (
            {"environments": {"pr-*": {}}},
            "pr-*",
            "environment: 'pr-*' given; string should match pattern '^[a-z][a-z0-9-]{0,31}$'",
        ),
        (
            {"environments": {"*": {}}},
            None,
            "environment: '*' given; string should match pattern '^[a-z][a-z0-9-]{0,31}$'",
        ),
        (
            {"environments": {"Prod!": {}}},
            "Prod!",
            "environment: 'Prod!' given; string should match pattern '^[a-z][a-z0-9-]{0,31}$'",
        ),
    ],
)
def test_wrong_setting_is_reported_with_path_given_and_allowed_values(
    section: Any, environment: str | None, message: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(section, environment)
    assert str(raised.value) == message


def _least_privilege(*topics: str) -> Settings:
    return read_settings({"accessMode": "least-privilege", "topics": [*topics]}, None)


def test_in_least_privilege_mode_no_topic_is_shared_unless_one_is_named() -> None:
    assert read_settings({"accessMode": "least-privilege"}, None).topics == []
    assert _least_privilege("room/*", "news").topics == ["room/*", "news"]


@pytest.mark.parametrize(
    ("topic", "wrong"),
    [
        ("*", "*"),
        ("us*/news", "*"),
        ("us-east-1:1234/news", ":"),
        ("*:*/news", "* and no :"),
        ("?" * 46 + "/news", "?"),
        ("?aws/things/*", "?"),
        ("eu-west-1?????????-????-????-????-????????????/*", "?"),
        ("eu-west-1${:}*", "$ and no * and no :"),
        ("r${iot:ClientId}/news", "$ and no :"),
    ],
)
def test_in_least_privilege_mode_a_shared_topic_never_reaches_users_own(topic: str, wrong: str) -> None:
    with pytest.raises(SettingsError) as raised:
        _least_privilege("news", topic)
    assert str(raised.value) == (
        f"amplify-pubsub.topics: ['news', {topic!r}] given; in access mode least-privilege a shared topic has no "
        f"{wrong} before its first slash, and {topic} has: it could match users' own topics, which begin with the "
        "identity id"
    )


def _accepts(topic: str) -> bool:
    try:
        _least_privilege(topic)
    except SettingsError:
        return False
    return True


@given(
    topic=st.text("ab1-:*?$/", min_size=1, max_size=12),
    identity=st.uuids(),
    rest=st.text("ab:/", max_size=8),
)
def test_an_accepted_shared_topic_matches_no_users_own_topic(topic: str, identity: UUID, rest: str) -> None:
    if _accepts(topic):
        assert not fnmatchcase(f"ab-1:{identity}/{rest}", topic)
        assert not fnmatchcase(f"a:{identity}/{rest}", topic)


@given(data=st.data(), identity=st.uuids(), rest=st.text("ab:/", max_size=8))
def test_no_pattern_made_from_a_users_own_topic_is_accepted(data: st.DataObject, identity: UUID, rest: str) -> None:
    topic = f"ab-1:{identity}/{rest}"
    unknown = data.draw(st.sets(st.integers(0, len(topic) - 1)).map(lambda drawn: drawn | {len("ab-1")}))
    pattern = "".join("?" if index in unknown else each for index, each in enumerate(topic))
    if data.draw(st.booleans()):
        pattern = f"{pattern[: data.draw(st.integers(0, len(pattern)))]}*"
    assert fnmatchcase(topic, pattern)
    assert not _accepts(pattern)


def test_topics_that_the_policy_has_no_room_for_are_refused() -> None:
    topics = [f"application/{number:03}/*" for number in range(40)]
    with pytest.raises(SettingsError, match=r"the IoT policy could become \d+ characters long, and AWS IoT takes 2048"):
        read_settings({"topics": topics}, None)
    assert read_settings({"topics": topics[:8]}, None).topics == topics[:8]


def test_reserved_topics_and_permissions_boundary_exclude_each_other() -> None:
    section = {"permissionsBoundary": "Developers", "reservedTopics": True}
    with pytest.raises(SettingsError, match="permissionsBoundary and reservedTopics exclude each other"):
        read_settings(section, None)
    assert read_settings(section | {"accessMode": "unguarded"}, None).reserved_topics


def test_adopted_user_pool_uses_self_attach_by_default() -> None:
    adopt = {"adopt": {"userPoolId": "eu-west-1_abc", "userPoolClientIds": ["web"]}}
    assert read_settings({}, None).attachment == "sign-in"
    assert read_settings(adopt, None).attachment == "self-attach"
    assert read_settings(adopt | {"attachment": "sign-in"}, None).attachment == "sign-in"


@given(st.dictionaries(st.text(max_size=12), st.none() | st.booleans() | st.integers() | st.text(max_size=8)))
def test_any_section_is_either_settings_or_a_one_line_error(section: dict[str, Any]) -> None:
    message = ""
    try:
        read_settings(section, None)
    except SettingsError as error:
        message = str(error)
    assert message == "" or message.startswith("amplify-pubsub")
    assert "\n" not in message


def test_a_partition_without_user_pools_is_refused_with_the_reason() -> None:
    with pytest.raises(SettingsError, match=r"^region cn-north-1: Amazon Cognito has no user pools"):
        check_region("cn-north-1")
    assert check_region("us-gov-west-1") == "us-gov-west-1"
    assert check_region(None) is None


def test_every_environment_of_the_repository_has_a_policy_of_its_own() -> None:
    section = json.loads((Path(__file__).parents[3] / "cdk.json").read_text())["context"]["amplify-pubsub"]
    section["environments"]["staging"] = {}
    names = [read_settings(section, each).policy_name for each in (None, "prod", "staging", "pr-1", "pr-2")]
    assert names == ["myIoTPolicy", *(f"myIoTPolicy-{each}" for each in ("prod", "staging", "pr-1", "pr-2"))]


def test_pull_request_environments_have_their_own_topics_and_no_alarms() -> None:
    section = json.loads((Path(__file__).parents[3] / "cdk.json").read_text())["context"]["amplify-pubsub"]
    settings = read_settings(section, "pr-7")
    assert (settings.topics, settings.monitoring) == (["pr/*"], "off")
