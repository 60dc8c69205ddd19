"""Identity pools list and delete identities."""

from __future__ import annotations

from typing import Any

from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response
from ministack.services import cognito

from local_cloud.paging import SortedKeys, TokenError


def install() -> None:
    """Install each part."""
    _add_delete_identities()
    _list_in_pages()


def _add_delete_identities() -> None:
    """Add DeleteIdentities, which ministack lacks. https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_DeleteIdentities.html"""
    dispatch = cognito._dispatch_identity

    async def dispatch_identity(action: str, data: dict[str, Any]) -> Any:
        if action != "DeleteIdentities":
            return await dispatch(action, data)
        for identity_id in data["IdentityIdsToDelete"]:
            for pool in cognito._identity_pools.values():
                pool["_identities"].pop(identity_id, None)
        return json_response({"UnprocessedIdentityIds": []})

    cognito._dispatch_identity = dispatch_identity


_LARGEST_PAGE = 60


class _Identities(dict[str, Any]):
    """The identities of a pool by id, and their ids in order."""

    def __init__(self, identities: dict[str, Any]) -> None:
        super().__init__(identities)
        self.ids = SortedKeys(identities)

    def __setitem__(self, identity_id: str, identity: Any) -> None:
        super().__setitem__(identity_id, identity)
        self.ids.append(identity_id)

    def pop(self, identity_id: str, *default: Any) -> Any:
        self.ids.remove(identity_id)
        return super().pop(identity_id, *default)

    def items(self) -> Any:
        """Return a copy, because GetId iterates on one thread while others add identities."""
        return list(super().items())


class _IdentityPools(AccountRegionScopedDict):  # type: ignore[misc]
    """Identity pools that keep their identities in order."""

    def __setitem__(self, pool_id: str, pool: dict[str, Any]) -> None:
        pool["_identities"] = _Identities(pool["_identities"])
        super().__setitem__(pool_id, pool)


def _list_in_pages() -> None:
    """List the identities of an identity pool in pages, sorted by id. ministack returns only the first 60.

    AWS documents no order.
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_ListIdentities.html
    """
    cognito._identity_pools = _IdentityPools()
    load = cognito.load_persisted_state

    def load_persisted_state(data: Any) -> None:
        load(data)
        for pool in cognito._identity_pools.all_values():
            pool["_identities"] = _Identities(pool["_identities"])

    cognito.load_persisted_state = load_persisted_state
    cognito._list_identities = _list_identities


def _list_identities(data: dict[str, Any]) -> Any:
    pool_id, size = data["IdentityPoolId"], data.get("MaxResults", 0)
    pool = cognito._identity_pools.get(pool_id)
    if not pool:
        return error_response_json("ResourceNotFoundException", f"IdentityPool '{pool_id}' not found.", 400)
    if not 1 <= size <= _LARGEST_PAGE:
        return _invalid_parameter(f"Value '{size}' at 'maxResults': allowed is 1 to {_LARGEST_PAGE}.")
    identities = pool["_identities"]
    try:
        page = identities.ids.page(pool_id, data.get("NextToken"), size)
    except TokenError:
        return _invalid_parameter("Value at 'nextToken' was not issued for this identity pool.")
    listed = [identity for each in page.keys if (identity := identities.get(each))]
    if data.get("HideDisabled"):
        listed = [each for each in listed if not each.get("_merged_into")]
    answer = {"IdentityPoolId": pool_id, "Identities": [_described(each) for each in listed]}
    return json_response(answer | ({"NextToken": page.next_token} if page.next_token else {}))


def _described(identity: dict[str, Any]) -> dict[str, Any]:
    dates = {name: identity[name] for name in ("CreationDate", "LastModifiedDate")}
    return {"IdentityId": identity["IdentityId"], "Logins": cognito._identity_login_names(identity), **dates}


def _invalid_parameter(message: str) -> Any:
    return error_response_json("InvalidParameterException", message, 400)
