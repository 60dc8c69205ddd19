"""Reads pools and endpoint from an application's configuration file, in the forms that Amplify and we write.

- ``amplify_outputs.json`` of Gen 2: https://docs.amplify.aws/react/reference/amplify_outputs/
- ``aws-exports.js`` and ``amplifyconfiguration.json`` of Gen 1, and the arguments of ``Amplify.configure()``:
  https://github.com/aws-amplify/amplify-js/blob/main/packages/core/src/parseAWSExports.ts
- ``amplifyconfiguration.json`` for Swift and Android, ``.dart`` for Flutter, ``awsconfiguration.json`` before them:
  https://docs.amplify.aws/gen1/swift/build-a-backend/auth/existing-resources/
- ``.env`` files and stack outputs, as ``pubsub outputs`` writes them.

Values in code, such as ``new PubSub({endpoint})``, are read if they are literals. No code is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pubsub_cli.errors import PreconditionError
from pubsub_cli.files import read_text
from pubsub_cli.javascript import Expression, object_literals
from pubsub_client._endpoint import EndpointName

_MOBILE = "auth.plugins.awsCognitoAuthPlugin"
_USER_POOL, _CLIENT, _IDENTITY_POOL = "user_pool_id", "user_pool_client_id", "identity_pool_id"
_ENDPOINT, _PUBSUB_REGION, _POLICY = "endpoint", "pubsub_region", "policy_name"
_Keys = dict[str, tuple[str, ...]]
_GEN_2: _Keys = {
    _USER_POOL: ("auth.user_pool_id",),
    _CLIENT: ("auth.user_pool_client_id",),
    _IDENTITY_POOL: ("auth.identity_pool_id",),
    _ENDPOINT: ("custom.pubsub.endpoint",),
    _PUBSUB_REGION: ("custom.pubsub.aws_region",),
}
_GEN_1: _Keys = {
    _USER_POOL: ("aws_user_pools_id", "Auth.userPoolId"),
    _CLIENT: ("aws_user_pools_web_client_id", "Auth.userPoolWebClientId"),
    _IDENTITY_POOL: ("aws_cognito_identity_pool_id", "Auth.identityPoolId"),
    _ENDPOINT: ("aws_pubsub_endpoint", "PubSub.aws_pubsub_endpoint"),
    _PUBSUB_REGION: ("aws_pubsub_region", "PubSub.aws_pubsub_region"),
}
_CONFIGURE_6: _Keys = {
    _USER_POOL: ("Auth.Cognito.userPoolId",),
    _CLIENT: ("Auth.Cognito.userPoolClientId",),
    _IDENTITY_POOL: ("Auth.Cognito.identityPoolId",),
    _ENDPOINT: ("endpoint",),
    _PUBSUB_REGION: ("region",),
}
"""The arguments of ``Amplify.configure()`` and ``new PubSub()`` in version 6."""
_CONFIGURE_5: _Keys = {field: paths[::-1] for field, paths in _GEN_1.items()}
"""The argument of ``Amplify.configure()`` in version 5, which takes the keys of Gen 1 too."""
_STACK_OUTPUTS: _Keys = {
    _USER_POOL: ("UserPoolId",),
    _CLIENT: ("UserPoolClientId",),
    _IDENTITY_POOL: ("IdentityPoolId",),
    _ENDPOINT: ("PubSubEndpoint",),
    _POLICY: ("PolicyName",),
}


def _mobile(parent: str) -> _Keys:
    """Return the keys of Swift, Android and Flutter, below a parent key."""
    return {
        _USER_POOL: (f"{parent}CognitoUserPool.Default.PoolId",),
        _CLIENT: (f"{parent}CognitoUserPool.Default.AppClientId",),
        _IDENTITY_POOL: (f"{parent}CredentialsProvider.CognitoIdentity.Default.PoolId",),
    }


_FORMS = (
    (_MOBILE, _mobile(f"{_MOBILE}.")),
    ("CognitoUserPool.Default", _mobile("")),
    ("aws_", _GEN_1),
    ("Auth.Cognito", _CONFIGURE_6),
    ("Auth", _CONFIGURE_5),
    ("UserPoolId", _STACK_OUTPUTS),
)
"""A key that only this form has, or the start of one, with the keys of each value, the preferred first."""
_SECTIONS = {"auth", "data", "storage", "custom", "geo", "analytics", "notifications"}
"""The sections of ``amplify_outputs.json``."""
_NAMES = {
    _USER_POOL: "USER_POOL_ID",
    _CLIENT: "USER_POOL_CLIENT_ID",
    _IDENTITY_POOL: "IDENTITY_POOL_ID",
    _ENDPOINT: "PUBSUB_ENDPOINT",
    _PUBSUB_REGION: "PUBSUB_REGION",
}
"""The names in ``.env`` files, without a prefix."""
_VALID = {
    # https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolType.html
    _USER_POOL: (re.compile(r"[\w-]+_[0-9a-zA-Z]+", re.ASCII), "a user pool id, REGION_NAME"),
    # https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_IdentityPool.html
    _IDENTITY_POOL: (re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII), "an identity pool id, REGION:UUID"),
}
_ENV_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>.*)", re.ASCII)
_DART = re.compile(r"'''(.*?)'''|\"\"\"(.*?)\"\"\"", re.DOTALL)


@dataclass(frozen=True)
class AppConfig:
    """The pools and the endpoint in a configuration file; None for what it does not have.

    The region is that in the pools' ids: see :func:`region_of_ids`.

    Args:
        file: the file.
        keys: the key of each value in this file, by field.
    """

    file: Path
    keys: Mapping[str, str]
    user_pool_id: str | None = None
    user_pool_client_id: str | None = None
    identity_pool_id: str | None = None
    endpoint: str | None = None
    pubsub_region: str | None = None
    policy_name: str | None = None

    @classmethod
    def read(cls, file: Path) -> AppConfig:
        """Read a file.

        Raises:
            PreconditionError: it cannot be read, is not a configuration file, or has an invalid value.
        """
        text = read_text("--config", file)
        if _is_env(file, text):
            return _from_env(file, text)
        return _from_document(file, _document(file, text))

    def missing(self, *fields: str) -> str:
        """Return a sentence part that names the missing ones of these fields by their keys."""
        keys = [self.keys[each] for each in fields if getattr(self, each) is None]
        return f"{self.file} has no {' and no '.join(keys)}" if keys else ""


def region_of_ids(region: str | None, user_pool_id: str | None, identity_pool_id: str | None) -> str | None:
    """Return the region: --region, or that in the pools' ids.

    Raises:
        PreconditionError: they contradict each other.
    """
    regions = {
        f"identity pool {identity_pool_id}": (identity_pool_id or "").rpartition(":")[0],
        f"user pool {user_pool_id}": (user_pool_id or "").rpartition("_")[0],
    }
    in_ids = {pool: found for pool, found in regions.items() if found}
    if len(set(in_ids.values())) > 1:
        raise PreconditionError(f"{' and '.join(in_ids)} are in two regions, which is not supported")
    for pool, found in in_ids.items():
        if region and region != found:
            raise PreconditionError(f"--region is {region}, but {pool} is in {found}")
    return next(iter(in_ids.values()), region)


def _document(file: Path, text: str) -> dict[str, Any]:
    """Return the object in JSON, Dart or JavaScript; several objects of JavaScript are merged."""
    if file.suffix == ".dart":
        text = next((a or b for a, b in _DART.findall(text)), "")
    if file.suffix in {".json", ".dart"} or text.lstrip().startswith("{"):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PreconditionError(f"--config: {file} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise PreconditionError(f"--config: {file} is not a JSON object")
        return document
    merged: dict[str, Any] = {}
    for each in object_literals(text):
        merged = {**each, **merged}
    if not merged:
        raise PreconditionError(
            f"--config: {file} contains no object with literal values, such as `const config = {{}}`"
        )
    return merged


def _from_document(file: Path, document: dict[str, Any]) -> AppConfig:
    stacks = [each for each in document.values() if isinstance(each, dict) and "UserPoolId" in each]
    if len(stacks) == 1 and not _SECTIONS & document.keys():
        document = stacks[0]  # of `cdk deploy --outputs-file`
    keys = _keys_of(document)
    if keys is None:
        raise PreconditionError(
            f"--config: {file} is not a configuration that is supported: give amplify_outputs.json, aws-exports.js, "
            "amplifyconfiguration.json, a .env file of `pubsub outputs`, or the arguments of Amplify.configure()"
        )
    found: dict[str, tuple[str, str]] = {}
    for field, paths in keys.items():
        for path in paths:
            if (value := _value(file, document, path)) is not None:
                found[field] = (path, value)
                break
    if _ENDPOINT not in found:
        endpoints = dict(_endpoints(document))
        if len({EndpointName.parse(each).host for each in endpoints.values()}) > 1:
            raise PreconditionError(f"--config: {file} has several endpoints, {', '.join(endpoints)}: give --endpoint")
        if endpoints:
            found[_ENDPOINT] = next(iter(endpoints.items()))
    return _checked(file, {field: paths[0] for field, paths in keys.items()}, found)


def _keys_of(document: dict[str, Any]) -> _Keys | None:
    """Return the keys of the document's form; None if its form is unknown."""
    for marker, keys in _FORMS:
        if marker.endswith("_"):
            if any(each.startswith(marker) for each in document):
                return keys
        elif _lookup(document, marker) is not None:
            return keys
    return _GEN_2 if _SECTIONS & document.keys() or dict(_endpoints(document)) else None


def _lookup(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _value(file: Path, document: dict[str, Any], path: str) -> str | None:
    value = _lookup(document, path)
    if isinstance(value, Expression):
        raise PreconditionError(
            f"--config: {path} in {file} is code, {value.text}, which is not run: give the value by its option, and "
            "a file without it"
        )
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise PreconditionError(f"--config: {path} in {file} must be a text")
    return value.strip()


def _endpoints(document: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the key and value of each endpoint of AWS IoT, wherever the application keeps it."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _endpoints(value, f"{path}.{name}" if path else str(name))
    elif isinstance(document, str) and EndpointName.parse(document).prefix is not None:
        yield path, document


def _checked(file: Path, keys: Mapping[str, str], found: Mapping[str, tuple[str, str]]) -> AppConfig:
    for field, (pattern, what) in _VALID.items():
        if field in found and not pattern.fullmatch(found[field][1]):
            key, value = found[field]
            raise PreconditionError(f"--config: {key} in {file} is {value!r}, which is not {what}")
    keys = {_ENDPOINT: "AWS IoT endpoint", **keys, **{field: key for field, (key, _) in found.items()}}
    return AppConfig(file, keys, **{field: value for field, (_, value) in found.items()})


def _is_env(file: Path, text: str) -> bool:
    if file.suffix in {".json", ".dart", ".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx"}:
        return False
    lines = [each for line in text.splitlines() if (each := line.strip()) and not each.startswith("#")]
    return file.name.startswith(".env") or file.suffix == ".env" or all(_ENV_LINE.fullmatch(each) for each in lines)


def _from_env(file: Path, text: str) -> AppConfig:
    values: dict[str, dict[str, str]] = {field: {} for field in _NAMES}
    for line in text.splitlines():
        match = _ENV_LINE.fullmatch(line.strip())
        # Longest first, because a name can end in another.
        fields = sorted(_NAMES, key=lambda field: -len(_NAMES[field]))
        field = next((each for each in fields if match and match["name"].endswith(_NAMES[each])), None)
        if match and field and (value := _env_value(match["value"])):
            values[field][match["name"]] = value
    found: dict[str, tuple[str, str]] = {}
    for field, named in values.items():
        if len(set(named.values())) > 1:
            raise PreconditionError(
                f"--config: {' and '.join(named)} in {file} have different values: remove all but one"
            )
        if named:
            found[field] = next(iter(named.items()))
    if not found:
        raise PreconditionError(
            f"--config: {file} has none of the names of `pubsub outputs --format env`: {', '.join(_NAMES.values())}"
        )
    field, (name, _) = next(iter(found.items()))
    prefix = name.removesuffix(_NAMES[field])
    return _checked(file, {each: prefix + name for each, name in _NAMES.items()}, found)


def _env_value(text: str) -> str:
    """Return a value without quotation marks and comment."""
    if text[:1] in {'"', "'"} and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    return re.split(r"\s#", text, maxsplit=1)[0].strip()
