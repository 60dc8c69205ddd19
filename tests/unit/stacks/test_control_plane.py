"""The control-plane guard allows only AWS IoT's data actions, and does not limit other services.

Each guard is evaluated together with a policy that allows everything, for every operation that botocore knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from ministack.core import iam_evaluator

from stacks.settings import Settings
from tests.unit.stacks.conftest import IDENTITIES, USERS, Template

_REGION, _ACCOUNT = "eu-west-1", "123456789012"
_DATA = {
    "iot:Connect": "client",
    "iot:Publish": "topic",
    "iot:Receive": "topic",
    "iot:RetainPublish": "topic",
    "iot:Subscribe": "topicfilter",
}
# Operations that AWS could add.
_INVENTED = ("iot:SendCarrierPigeon", "iot:ConnectEverything", "iot:PublishPolicy", "iot:Z", "iot:Republish")
_KINDS = ("client", "topic", "topicfilter", "thing", "policy", "cert", "rule", "job", "pigeon")


def _resolved(value: Any) -> Any:
    """Resolve the intrinsic functions."""
    if isinstance(value, dict):
        if "Fn::Join" in value:
            return "".join(_resolved(each) for each in value["Fn::Join"][1])
        if "Ref" in value:
            return {"AWS::Partition": "aws", "AWS::Region": _REGION, "AWS::AccountId": _ACCOUNT}[value["Ref"]]
        return {key: _resolved(each) for key, each in value.items()}
    return [_resolved(each) for each in value] if isinstance(value, list) else value


_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def _decides(guard: dict[str, Any], *, is_boundary: bool) -> Callable[[str, str], str]:
    allow, guarding = (iam_evaluator.parse_policy_document(each) for each in (_ALLOW_ALL, guard))

    def decided(action: str, resource: str) -> str:
        context = iam_evaluator.EvalContext(
            principal_arn=f"arn:aws:sts::{_ACCOUNT}:assumed-role/auth/user",
            principal_type="AssumedRole",
            principal_account=_ACCOUNT,
            action=action,
            resource_arn=resource,
            region=_REGION,
        )
        policies, limits = ([allow], [[guarding]]) if is_boundary else ([allow, guarding], [])
        return "allowed" if iam_evaluator.evaluate(context, policies, *limits).decision == "Allow" else "denied"

    return decided


@cache
def _document(guard: str) -> dict[str, Any]:
    settings: dict[str, dict[str, Any]] = {
        "boundary": {},
        "deny under the account's boundary": {"groups": ["admins"], "permissionsBoundary": "Developers"},
        "deny of adopted roles": {"adopt": USERS | IDENTITIES},
    }
    template = Template(Settings.model_validate(settings[guard]))
    document: dict[str, Any] = _resolved(template.only("AWS::IAM::ManagedPolicy")["PolicyDocument"])
    return document


@pytest.fixture(params=["boundary", "deny under the account's boundary", "deny of adopted roles"])
def guard(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def decided(guard: str) -> Callable[[str, str], str]:
    return _decides(_document(guard), is_boundary=guard == "boundary")


def _arn(kind: str) -> str:
    return f"arn:aws:iot:{_REGION}:{_ACCOUNT}:{kind}/some/thing"


def _actions() -> set[str]:
    """Return every operation of AWS IoT as an IAM action, and every action of the managed policies."""
    session = botocore.session.Session()
    services = ("iot", "iot-data", "iot-jobs-data", "iotsecuretunneling")
    operations = {f"iot:{each}" for name in services for each in session.get_service_model(name).operation_names}
    files = (Path(__file__).parents[3] / "local_cloud" / "managed_policies").glob("*.json")
    statements = [each for file in files for each in json.loads(file.read_text())["Statement"]]
    granted = {action for each in statements for action in each["Action"]}
    assert len(granted) > 100
    return operations | granted


def test_guard_denies_every_operation_except_the_data_actions(decided: Callable[[str, str], str]) -> None:
    actions = _actions()
    assert {"iot:SendDirectMessage", "iot:AttachPolicy", "iot:GetRetainedMessage", "iot:Publish"} <= actions
    for action in {*actions, *_INVENTED} - _DATA.keys():
        for resource in ("*", *map(_arn, _KINDS)):
            assert decided(action, resource) == "denied", (action, resource)


def test_guard_allows_data_actions_except_on_reserved_topics(decided: Callable[[str, str], str]) -> None:
    for action, kind in _DATA.items():
        assert decided(action, _arn(kind)) == "allowed", action
        assert decided(action, _arn(kind).replace(_REGION, "us-east-1")) == "allowed", action
        reserved = f"arn:aws:iot:{_REGION}:{_ACCOUNT}:{kind}/$aws/things/lamp/shadow/update"
        assert decided(action, reserved) == ("allowed" if kind == "client" else "denied"), action


def _other_services() -> Iterator[tuple[str, str]]:
    """Yield one action of each other service on each resource, and all actions of services with IoT resources."""
    cfnlint = find_spec("cfnlint")
    assert cfnlint is not None
    assert cfnlint.origin is not None
    file = Path(cfnlint.origin).parent / "data" / "AdditionalSpecs" / "Policies.json"
    for prefix, service in json.loads(file.read_text()).items():
        if prefix == "iot":
            continue
        formats = [each for kind in service["Resources"].values() for each in kind["ARNFormats"]]
        actions = [*service["Actions"]] if any(":iot:" in each for each in formats) else [*service["Actions"]][:1]
        for action in actions:
            yield f"{prefix}:{action}", "*"
            for arn in formats:
                yield f"{prefix}:{action}", arn.replace("${Partition}", "aws").replace(".*", "x")


def test_guard_denies_no_action_of_another_service(decided: Callable[[str, str], str]) -> None:
    others = list(_other_services())
    assert len({action.partition(":")[0] for action, _ in others}) > 200
    assert ("iotwireless:associatewirelessdevicewiththing", "*") in others
    for action, resource in others:
        assert decided(action, resource) == "allowed", (action, resource)


def test_guard_fits_a_managed_policy(guard: str) -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert len(json.dumps(_document(guard), separators=(",", ":"))) < 6_144
