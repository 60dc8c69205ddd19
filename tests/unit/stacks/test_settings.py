"""Settings in cdk.json: defaults, environments, and errors that name path, given value and allowed values."""

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

_REPOSITORY_SECTION = json.loads((Path(__file__).parents[3] / "cdk.json").read_text())["context"]["amplify-pubsub"]
_ONE_ROLE = {key: IDENTITIES[key] for key in ("identityPoolId", "authRoleArn")}
_AUTH_ROLE_ARN = IDENTITIES["authRoleArn"]


def _error(section: Any, environment: str | None = None) -> str:
    with pytest.raises(SettingsError) as raised:
        read_settings(section, environment)
    return str(raised.value)


def test_settings_without_a_section_are_the_defaults() -> None:
    settings = read_settings(None, None)
    assert settings == Settings()
    assert (settings.stack_name, settings.policy_name) == ("AmplifyPubSub", "myIoTPolicy")


def test_environment_overrides_the_shared_settings_and_names_stack_and_policy() -> None:
    section = {"attachmentCacheDays": 7, "environments": {"prod": {"attachmentCacheDays": 60}}}
    settings = read_settings(section, "prod")
    assert (settings.attachment_cache_days, settings.stack_name, settings.policy_name) == (
        60, "AmplifyPubSub-prod", "myIoTPolicy-prod"
    )  # fmt: skip
    assert read_settings(section, None).attachment_cache_days == 7
    assert read_settings(section | {"policyName": "shared"}, "prod").policy_name == "shared"


def test_pattern_matches_environments_unless_one_has_the_exact_name() -> None:
    section = {"attachmentCacheDays": 7, "environments": {"pr-*": {"attachmentCacheDays": 2}, "pr-5": {}}}
    seventh = read_settings(section, "pr-7")
    assert (seventh.attachment_cache_days, seventh.stack_name, seventh.policy_name) == (
        2, "AmplifyPubSub-pr-7", "myIoTPolicy-pr-7"
    )  # fmt: skip
    assert read_settings(section, "pr-" + "7" * 29).stack_name == "AmplifyPubSub-pr-" + "7" * 29
    assert read_settings(section, "pr-5").attachment_cache_days == 7


@pytest.mark.parametrize("name", ["pr", "pr-", "preview", "x-pr-7"])
def test_unknown_environment_is_rejected_with_the_known_ones(name: str) -> None:
    assert _error({"environments": {"prod": {}, "pr-*": {}}}, name) == (
        f"environment: {name!r} is not in amplify-pubsub.environments; allowed: default, pr-*, prod"
    )


@pytest.mark.parametrize(
    ("patterns", "both"),
    [(["pr-1*", "pr-*"], "'pr-*' and 'pr-1*'"), (["a*", "pr-2*", "p*", "pr-1*"], "'p*' and 'pr-1*'")],
)
def test_patterns_that_match_the_same_names_are_rejected(patterns: list[str], both: str) -> None:
    assert _error({"environments": {each: {} for each in patterns}}) == (
        f"amplify-pubsub.environments: {both} match the same names; remove one"
    )


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("pr-*", "pr-7_a"), ("pr-*", "pr-" + "7" * 30), ("pr-*", "pr-*"), ("*", None), ("Prod!", "Prod!")],
)
def test_environment_name_that_no_stack_can_have_is_rejected(pattern: str, name: str | None) -> None:
    assert _error({"environments": {pattern: {}}}, name) == (
        f"environment: {name or pattern!r} given; allowed: pattern '^[a-z][a-z0-9-]{{0,31}}$'"
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("guarded", ": 'guarded' given; allowed: an object of settings"),
        (
            {"policyNme": "x"},
            ".policyNme: unknown key; allowed: accessMode, adopt, alarmTopicArn, allowOrigins, "
            "attachPerSecond, attachment, attachmentCacheDays, attachmentCacheVersion, "
            "detachPerSecond, groups, logGroupKeyArn, logRetentionDays, mfa, monitoring, "
            "permissionsBoundary, policyName, removalPolicy, reservedTopics, sweep, tags, "
            "terminationProtection, topics",
        ),
        ({"attachPerSecond": {"signin": 5}}, ".attachPerSecond.signin: unknown key; allowed: retry, signIn, sweep"),
        (
            {"attachPerSecond": {"retry": 0}},
            ".attachPerSecond.retry: 0 given; allowed: greater than or equal to 1",
        ),
        ({"attachmentCacheDays": "30"}, ".attachmentCacheDays: '30' given; allowed: a valid integer"),
        (
            {"accessMode": "open"},
            ".accessMode: 'open' given; allowed: 'guarded', 'unguarded' or 'least-privilege'",
        ),
        (
            {"alarmTopicArn": f"{TOPIC_ARN}.fifo"},
            f".alarmTopicArn: '{TOPIC_ARN}.fifo' given; allowed: "
            "pattern '^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$'",
        ),
        ({"environment": "prod"}, ".environment: not a setting; select it with -c environment=NAME"),
        (
            {"topics": ["chat/#"]},
            ".topics.0: 'chat/#' given; # is not a wildcard in an IoT policy; * matches any characters",
        ),
        ({"topics": ["$aws/*"]}, ".topics.0: '$aws/*' given; use the setting reservedTopics for reserved topics"),
        (
            {"topics": ["a/b/c/d/e/f/g/h/i/*"]},
            ".topics.0: 'a/b/c/d/e/f/g/h/i/*' given; AWS IoT allows at most 7 slashes in a topic",
        ),
        (
            {"topics": ["orders"]},
            ".topics: ['orders'] given; at least one must end in *, such as pubsub-smoke/*, "
            "so that the smoke test can use unique topics",
        ),
        (
            {"allowOrigins": ["https://app.example.com/"]},
            ".allowOrigins.0: 'https://app.example.com/' given; allowed: pattern "
            "'^(\\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$'",
        ),
        (
            {"allowOrigins": ["*", "https://app.example.com"]},
            ".allowOrigins: ['*', 'https://app.example.com'] given; * allows every origin; remove the others",
        ),
        ({"groups": ["a", "a"]}, ".groups: ['a', 'a'] given; duplicate a; remove one"),
        ({"tags": {"aws:x": "1"}}, ".tags.'aws:x': 'aws:x' given; AWS reserves the prefix aws:; choose another key"),
        (
            {"alarmTopicArn": TOPIC_ARN, "monitoring": "off"},
            ": alarmTopicArn is not allowed with monitoring off, which has no alarms; remove one",
        ),
        (
            {"permissionsBoundary": "Developers", "reservedTopics": True},
            ": reservedTopics is not allowed with permissionsBoundary in guarded mode, because the deny "
            "that guards the roles cannot distinguish a shadow from its thing; remove one",
        ),
        (
            {"policyName": "shared", "environments": {"pr-*": {}}},
            ".policyName: 'shared' given; not allowed for 'pr-*', which matches several environments, "
            "because each needs its own IoT policy",
        ),
    ],
)
def test_wrong_setting_is_reported_with_path_and_allowed_values(section: Any, message: str) -> None:
    assert _error(section) == f"amplify-pubsub{message}"


@pytest.mark.parametrize(
    ("environments", "name", "message"),
    [
        ({"prod": "yes"}, None, "prod: 'yes' given; allowed: an object of settings"),
        (
            {"prod": {"logRetentionDays": 31}},
            "prod",
            "prod.logRetentionDays: 31 given; allowed: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, "
            "180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653",
        ),
        (
            {"prod": {"adopt": {"userPoolClientIds": ["abc"]}}},
            None,
            "prod.adopt: {'userPoolClientIds': ['abc']} given; userPoolClientIds without userPoolId; "
            "`pubsub adopt` prints every id",
        ),
        (
            {"pr-*": {"policyName": "previews"}},
            None,
            "'pr-*'.policyName: 'previews' given; not allowed for 'pr-*', which matches several "
            "environments, because each needs its own IoT policy",
        ),
    ],
)
def test_wrong_setting_of_an_environment_is_reported_with_its_path(
    environments: dict[str, Any], name: str | None, message: str
) -> None:
    assert _error({"environments": environments}, name) == f"amplify-pubsub.environments.{message}"


@pytest.mark.parametrize(
    ("adopt", "message"),
    [
        ({"userPoolClientIds": ["abc"]}, "userPoolClientIds without userPoolId; `pubsub adopt` prints every id"),
        ({"userPoolId": "eu-west-1_abc"}, "userPoolId without userPoolClientIds; `pubsub adopt` prints every id"),
        (
            USERS | {"authRoleArn": _AUTH_ROLE_ARN, "otherProviders": ["x"]},
            "authRoleArn and otherProviders without identityPoolId; `pubsub adopt` prints every id",
        ),
        (
            USERS | {"identityPoolId": IDENTITIES["identityPoolId"]},
            "identityPoolId without authRoleArn; `pubsub adopt` prints every id",
        ),
        (
            USERS | IDENTITIES | {"replaceGroupRoles": {"admins": None}},
            "replaceGroupRoles is not allowed with identityPoolId, because groups of an adopted identity pool keep "
            "their roles; remove one",
        ),
        (
            _ONE_ROLE | {"groupRoleArns": [_AUTH_ROLE_ARN]},
            f"authRoleArn and groupRoleArns: duplicate {_AUTH_ROLE_ARN}; remove one",
        ),
        (USERS | {"userPoolClientIds": ["web", "web"]}, "userPoolClientIds: duplicate web; remove one"),
    ],
)
def test_incomplete_adoption_is_reported_with_what_is_missing(adopt: dict[str, Any], message: str) -> None:
    assert _error({"adopt": adopt}) == f"amplify-pubsub.adopt: {adopt} given; {message}"


@pytest.mark.parametrize(
    ("adopt", "settings", "message"),
    [
        (
            {"userPoolID": "eu-west-1_abc"},
            {},
            ".adopt.userPoolID: unknown key; allowed: authRoleArn, chainedTriggers, "
            "customSenderKeyArn, groupRoleArns, identityPoolId, otherProviders, replaceGroupRoles, "
            "smsRoleArn, userPoolClientIds, userPoolId",
        ),
        (
            USERS | IDENTITIES,
            {"groups": ["admins"]},
            ": groups is not allowed with adopt.identityPoolId, because an adopted pool's groups have roles "
            "already; name these roles in adopt.groupRoleArns",
        ),
        (
            USERS | {"chainedTriggers": ["PostAuthentication"]},
            {},
            ": adopt.chainedTriggers requires attachment sign-in",
        ),
        (
            USERS | {"userPoolClientIds": [f"client{n}" for n in range(10)]},
            {"attachment": "sign-in"},
            ": adopt.userPoolClientIds has 10 app clients; allowed with attachment sign-in: at most 9, "
            "because one alarm watches the sign-ins of all and can have ten metrics",
        ),
    ],
)
def test_setting_that_an_adopted_pool_excludes_is_reported(
    adopt: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    assert _error({"adopt": adopt} | settings) == f"amplify-pubsub{message}"


def test_adopted_user_pool_uses_self_attach_by_default() -> None:
    assert read_settings({}, None).attachment == "sign-in"
    assert read_settings({"adopt": USERS}, None).attachment == "self-attach"
    assert read_settings({"adopt": USERS, "attachment": "sign-in"}, None).attachment == "sign-in"


def test_unguarded_roles_allow_reserved_topics_under_a_permissions_boundary() -> None:
    section = {"accessMode": "unguarded", "permissionsBoundary": "Developers", "reservedTopics": True}
    assert read_settings(section, None).reserved_topics


@given(st.dictionaries(st.text(max_size=12), st.none() | st.booleans() | st.integers() | st.text(max_size=8)))
def test_any_section_is_either_settings_or_a_one_line_error(section: dict[str, Any]) -> None:
    message = "amplify-pubsub"
    try:
        read_settings(section, None)
    except SettingsError as error:
        message = str(error)
    assert message.startswith("amplify-pubsub")
    assert "\n" not in message


def test_topics_that_do_not_fit_into_the_policy_are_rejected() -> None:
    topics = [f"application/{number:03}/*" for number in range(40)]
    message = _error({"topics": topics})
    assert "given; the IoT policy could have " in message
    assert message.endswith(" characters; allowed: 2048; use fewer or shorter topics")
    assert read_settings({"topics": topics[:8]}, None).topics == topics[:8]


def test_partition_without_user_pools_is_rejected_with_the_reason() -> None:
    with pytest.raises(SettingsError, match=r"^region cn-north-1: Amazon Cognito has no user pools"):
        check_region("cn-north-1")
    assert check_region("us-gov-west-1") == "us-gov-west-1"
    assert check_region(None) is None


def test_environments_of_the_repository_have_their_own_policies() -> None:
    section = _REPOSITORY_SECTION | {"environments": _REPOSITORY_SECTION["environments"] | {"staging": {}}}
    names = [read_settings(section, each).policy_name for each in (None, "prod", "staging", "pr-1", "pr-2")]
    assert names == ["myIoTPolicy", *(f"myIoTPolicy-{each}" for each in ("prod", "staging", "pr-1", "pr-2"))]


def test_pull_request_environments_have_their_own_topics_and_no_alarms() -> None:
    settings = read_settings(_REPOSITORY_SECTION, "pr-7")
    assert (settings.topics, settings.monitoring) == (["pr/*"], "off")


class TestSharedTopicsOfLeastPrivilege:
    """A shared topic must not match users' own topics, which begin with the identity id."""

    @staticmethod
    def _settings(*topics: str) -> Settings:
        return read_settings({"accessMode": "least-privilege", "topics": [*topics]}, None)

    def test_only_topics_of_the_settings_are_shared(self) -> None:
        assert read_settings({"accessMode": "least-privilege"}, None).topics == []
        assert self._settings("room/*", "news").topics == ["room/*", "news"]

    @pytest.mark.parametrize(
        ("topic", "wrong"),
        [
            ("*", "*"),
            ("us*/news", "*"),
            ("us-east-1:1234/news", ":"),
            ("*:*/news", "* and :"),
            ("?" * 46 + "/news", "?"),
            ("?aws/things/*", "?"),
            ("eu-west-1?????????-????-????-????-????????????/*", "?"),
            ("eu-west-1${:}*", "$ and * and :"),
            ("r${iot:ClientId}/news", "$ and :"),
        ],
    )
    def test_topic_that_could_match_users_own_topics_is_rejected(self, topic: str, wrong: str) -> None:
        assert _error({"accessMode": "least-privilege", "topics": ["news", topic]}) == (
            f"amplify-pubsub.topics: ['news', {topic!r}] given; {topic} has {wrong} before its first slash; "
            "remove it, because in access mode least-privilege the pattern could match users' own topics, which begin "
            "with the identity id"
        )

    @given(data=st.data(), identity=st.uuids(), rest=st.text("ab:/", max_size=8))
    def test_no_pattern_of_a_users_own_topic_is_accepted(self, data: st.DataObject, identity: UUID, rest: str) -> None:
        topic = f"ab-1:{identity}/{rest}"
        unknown = data.draw(st.sets(st.integers(0, len(topic) - 1)).map(lambda drawn: drawn | {len("ab-1")}))
        pattern = "".join("?" if index in unknown else each for index, each in enumerate(topic))
        if data.draw(st.booleans()):
            pattern = f"{pattern[: data.draw(st.integers(0, len(pattern)))]}*"
        assert fnmatchcase(topic, pattern)
        with pytest.raises(SettingsError):
            self._settings(pattern)
