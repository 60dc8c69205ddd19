"""In every access mode role, guard and IoT policy together allow all data actions, such as retained messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pubsub_cli.iam.documents import Policy
from pubsub_cli.iam.evaluation import decide
from pubsub_cli.iam.request import front_end_requests, signed_in_context
from pubsub_client.policy_document import DATA_ACTIONS
from stacks.settings import Settings
from tests.unit.stacks.conftest import AUTH_ROLE, IDENTITIES, USERS, Template

_IDENTITY = "eu-west-1:0a1b2c3d-1111-2222-3333-444455556666"
_PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"}
_REQUESTS = front_end_requests("arn:aws:iot:eu-west-1:123456789012", f"{_IDENTITY}-1", [f"{_IDENTITY}/chat"])
_DATA_ACCESS = Path(__file__).parents[3] / "local_cloud" / "managed_policies" / "AWSIoTDataAccess.json"


def _resolved(value: Any) -> Any:
    """Resolve the intrinsic functions."""
    if isinstance(value, dict):
        if "Fn::Join" in value:
            return "".join(_resolved(each) for each in value["Fn::Join"][1])
        if "Ref" in value:
            return _PSEUDO.get(value["Ref"], value["Ref"])
        return {key: _resolved(each) for key, each in value.items()}
    return [_resolved(each) for each in value] if isinstance(value, list) else value


def _allowed(policies: list[dict[str, Any]], boundary: dict[str, Any] | None = None) -> set[str]:
    context = signed_in_context("eu-west-1", None, identity_id=_IDENTITY, client_id=f"{_IDENTITY}-1")
    read = [Policy.read("", "", each) for each in policies]
    bounded = Policy.read("", "", boundary) if boundary else None
    return {each.action for each in _REQUESTS if decide(each, read, context, bounded).allowed}


@pytest.mark.parametrize("mode", ["guarded", "unguarded", "least-privilege"])
@pytest.mark.parametrize("adopted", [False, True])
def test_data_actions_are_allowed_in_every_access_mode(mode: str, adopted: bool) -> None:
    settings: dict[str, object] = {"accessMode": mode, **({"adopt": USERS | IDENTITIES} if adopted else {})}
    template = Template(Settings.model_validate(settings))
    roles = template.resources("AWS::IAM::Role")
    role = AUTH_ROLE if adopted else next(each for each in roles if each.startswith("IdentityPoolSignedInAuthRole"))
    inline = [
        _resolved(each["PolicyDocument"])
        for each in template.resources("AWS::IAM::Policy").values()
        if role in map(_resolved, each["Roles"])
    ]
    managed = [] if mode == "least-privilege" else [json.loads(_DATA_ACCESS.read_text())]
    guards = {
        logical_id: _resolved(each["PolicyDocument"])
        for logical_id, each in template.resources("AWS::IAM::ManagedPolicy").items()
    }
    boundary = None if adopted else guards.get(roles[role].get("PermissionsBoundary", {}).get("Ref"))
    denies = list(guards.values()) if adopted else []
    assert _allowed([*inline, *managed, *denies], boundary) == DATA_ACTIONS.keys()
    assert _allowed([_resolved(template.only("AWS::IoT::Policy")["PolicyDocument"])]) == DATA_ACTIONS.keys()
