from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.lambdas.conftest import Load
from tests.unit.lambdas.fake_aws import FakeIdentityPool, FakeUserPool

_TRIGGER = {"PostAuthentication": "arn:aws:lambda:x:1:function:ours"}
_CHALLENGE = {"DefineAuthChallenge": "arn:aws:lambda:x:1:function:challenge"}
_THEIRS = {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}
_OURS, _CHAINED = _TRIGGER | _CHALLENGE, {"PostAuthentication": ""} | _CHALLENGE
_BOTH = ["web", "internal"]


@pytest.mark.parametrize(
    ("triggers", "configured", "clients", "missing"),
    [
        (_OURS, _OURS | {"PreSignUp": "arn:aws:lambda:x:1:function:theirs"}, _BOTH, []),
        (_OURS, _CHALLENGE, _BOTH, ["PostAuthentication"]),
        (_OURS, _OURS | _THEIRS, _BOTH, ["PostAuthentication"]),
        (_OURS, _OURS, ["web"], ["provider internal"]),
        (_OURS, {}, [], ["PostAuthentication", "DefineAuthChallenge", "provider web", "provider internal"]),
        (_CHAINED, _OURS | _THEIRS, _BOTH, []),
        (_CHAINED, _CHALLENGE, _BOTH, ["PostAuthentication"]),
    ],
)
def test_drift_detector_counts_and_names_missing_parts(
    load: Load,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    triggers: dict[str, str],
    configured: dict[str, str],
    clients: list[str],
    missing: list[str],
) -> None:
    monkeypatch.setenv("CLIENT_IDS", "web,internal")
    monkeypatch.setenv("TRIGGERS", json.dumps(triggers))
    module = load("drift_detector")
    FakeUserPool(module._user_pools, {"LambdaConfig": configured}, {})
    identity_pool = FakeIdentityPool(module._identity_pools, {})
    identity_pool.providers = [{"ProviderName": "cognito-idp/eu-west-1_abc", "ClientId": each} for each in clients]
    module.handler({}, None)
    line: dict[str, Any] = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Dimensions"], directive["Metrics"][0]["Name"]) == ([["Stack"]], "PoolDrift")
    assert (line["Stack"], line["PoolDrift"], line["missing"]) == ("AmplifyPubSub", len(missing), missing)
