from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.settings import Settings, SettingsError, check_region, read_settings


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
    section = {"markerDays": 7, "environments": {"prod": {"markerDays": 60}}}
    settings = read_settings(section, "prod")
    assert settings.marker_days == 60
    assert settings.stack_name == "AmplifyPubSub-prod"
    assert read_settings(section, None).marker_days == 7


@pytest.mark.parametrize(
    ("section", "environment", "message"),
    [
        (
            {"policyNme": "x"},
            None,
            "amplify-pubsub.policyNme: unknown key; allowed: accessMode, attachment, logRetentionDays, "
            "markerDays, markerGeneration, policyName, removalPolicy, reservedTopics",
        ),
        ({"accessMode": "open"}, None, "amplify-pubsub.accessMode: 'open' given; input should be 'guarded'"),
        (
            {"markerDays": 0},
            None,
            "amplify-pubsub.markerDays: 0 given; input should be greater than or equal to 1",
        ),
        (
            {"markerDays": "soon"},
            None,
            "amplify-pubsub.markerDays: 'soon' given; input should be a valid integer",
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
        ({"markerDays": "30"}, None, "amplify-pubsub.markerDays: '30' given; input should be a valid integer"),
        ({"markerDays": True}, None, "amplify-pubsub.markerDays: True given; input should be a valid integer"),
        (
            {"reservedTopics": "yes"},
            None,
            "amplify-pubsub.reservedTopics: 'yes' given; input should be a valid boolean",
        ),
        (
            {"environments": {"prod": {"markerDays": 0}}},
            None,
            "amplify-pubsub.environments.prod.markerDays: 0 given; input should be greater than or equal to 1",
        ),
        ("guarded", None, "amplify-pubsub: 'guarded' given; allowed: an object of settings"),
        (
            {"environment": "prod"},
            None,
            "amplify-pubsub.environment: not a setting here; choose it with -c environment=NAME",
        ),
        (
            {"environments": {"Prod!": {}}},
            "Prod!",
            "environment: 'Prod!' given; string should match pattern '^[a-z][a-z0-9-]{0,31}$'",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_path_what_was_given_and_what_is_allowed(
    section: Any, environment: str | None, message: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(section, environment)
    assert str(raised.value) == message


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
