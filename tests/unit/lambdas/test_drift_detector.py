from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from tests.unit.lambdas.conftest import Load

_POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
_OURS = {
    "PostAuthentication": "arn:aws:lambda:x:1:function:ours",
    "DefineAuthChallenge": "arn:aws:lambda:x:1:function:challenge",
}


@pytest.mark.parametrize(
    ("configured", "clients", "missing"),
    [
        (_OURS | {"PreSignUp": "arn:aws:lambda:x:1:function:theirs"}, ["web", "internal"], []),
        ({"DefineAuthChallenge": "arn:aws:lambda:x:1:function:challenge"}, ["web", "internal"], ["PostAuthentication"]),
        (
            _OURS | {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"},
            ["web", "internal"],
            ["PostAuthentication"],
        ),
        (_OURS, ["web"], ["provider internal"]),
        ({}, [], ["PostAuthentication", "DefineAuthChallenge", "provider web", "provider internal"]),
    ],
)
def test_drift_detector_counts_and_names_missing_parts(
    load: Load, capsys: pytest.CaptureFixture[str], configured: dict[str, str], clients: list[str], missing: list[str]
) -> None:
    assert _check(load, capsys, _OURS, configured, clients)["missing"] == missing


def test_drift_detector_accepts_any_function_on_a_chained_trigger(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    chained = _OURS | {"PostAuthentication": ""}
    line = _check(
        load, capsys, chained, _OURS | {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}, ["web", "internal"]
    )
    assert line["PoolDrift"] == 0
    line = _check(
        load, capsys, chained, {"DefineAuthChallenge": "arn:aws:lambda:x:1:function:challenge"}, ["web", "internal"]
    )
    assert line["missing"] == ["PostAuthentication"]


def test_drift_detector_emits_a_metric_of_the_stack(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    line = _check(load, capsys, _OURS, _OURS, ["web"])
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Stack"]]
    assert (line["Stack"], line[directive["Metrics"][0]["Name"]]) == ("AmplifyPubSub", 1)


def _check(
    load: Load,
    capsys: pytest.CaptureFixture[str],
    triggers: dict[str, str],
    configured: dict[str, str],
    clients: list[str],
) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CLIENT_IDS", "web,internal")
        environment.setenv("IDENTITY_POOL_ID", _POOL)
        environment.setenv("TRIGGERS", json.dumps(triggers))
        environment.setenv("USER_POOL_ID", "eu-west-1_abc")
        module = load("drift_detector")
    providers = [{"ProviderName": "cognito-idp/eu-west-1_abc", "ClientId": each} for each in clients]
    identity_pool = {
        "IdentityPoolId": _POOL,
        "IdentityPoolName": "shop",
        "AllowUnauthenticatedIdentities": False,
        "CognitoIdentityProviders": providers,
    }
    with Stubber(module._user_pools) as users, Stubber(module._identity_pools) as identities:
        pool = {"UserPool": {"Id": "eu-west-1_abc", "LambdaConfig": configured}}
        users.add_response("describe_user_pool", pool, {"UserPoolId": "eu-west-1_abc"})
        identities.add_response("describe_identity_pool", identity_pool, {"IdentityPoolId": _POOL})
        module.handler({}, None)
    line: dict[str, Any] = json.loads(capsys.readouterr().out)
    return line
