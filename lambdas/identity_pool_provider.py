"""The custom resource that adds one app client to the providers of an adopted identity pool."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from custom_resource import custom_resource
from iam_propagation import waits_for_permissions
from pool_update import keep_unknown_members, update_parameters

_identity_pools = boto3.client("cognito-identity", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))
keep_unknown_members(_identity_pools, "DescribeIdentityPool")


@waits_for_permissions(_identity_pools)
def on_event(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Add the app client to the providers of the pool, or remove it. Other settings of the pool do not change.

    Properties: ``IdentityPoolId``; ``ProviderName``, the user pool's name in logins; ``ClientId``.

    Raises:
        SettingsWouldBeLostError: an update would reset settings of the pool, so it was not made.
    """
    properties = event["ResourceProperties"]
    pool_id, client_id = properties["IdentityPoolId"], properties["ClientId"]
    if event["RequestType"] == "Delete":
        with suppress(_identity_pools.exceptions.ResourceNotFoundException):  # the pool was deleted
            _set_provider(pool_id, properties["ProviderName"], client_id, present=False)
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    try:
        _set_provider(pool_id, properties["ProviderName"], client_id, present=True)
    except (BotoCoreError, ClientError):
        # The client may have been added despite the error, and there is no Delete request after a failed Create.
        if event["RequestType"] == "Create":
            with suppress(BotoCoreError, ClientError):
                _set_provider(pool_id, properties["ProviderName"], client_id, present=False)
        raise
    return {"PhysicalResourceId": f"{pool_id}/{client_id}"}


handler = custom_resource(on_event)


def _set_provider(pool_id: str, provider_name: str, client_id: str, *, present: bool) -> None:
    pool = _identity_pools.describe_identity_pool(IdentityPoolId=pool_id)
    providers = pool.get("CognitoIdentityProviders", [])
    others = [each for each in providers if each.get("ClientId") != client_id]
    ours = {"ProviderName": provider_name, "ClientId": client_id, "ServerSideTokenCheck": True}
    wanted = [*others, ours] if present else others
    if len(wanted) == len(providers):
        return
    # A changed setting does not help: CloudFormation does not update a stack whose deletion has failed.
    fix = f"Remove the app client {client_id} from its providers in the Cognito console. Then delete the stack again"
    settings = update_parameters(_identity_pools, "UpdateIdentityPool", pool, instead=None if present else fix)
    _identity_pools.update_identity_pool(**settings | {"CognitoIdentityProviders": wanted})
