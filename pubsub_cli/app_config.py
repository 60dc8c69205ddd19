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
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
    _ENDPOINT: ("PubSub.endpoint",),
    _PUBSUB_REGION: ("PubSub.region",),
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
    ("CredentialsProvider.CognitoIdentity", _mobile("")),
    ("aws_", _GEN_1),
    ("Auth.Cognito", _CONFIGURE_6),
    ("Auth", _CONFIGURE_5),
    ("PubSub.endpoint", _CONFIGURE_6),
    ("PubSub", _CONFIGURE_5),
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
    # https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolClientType.html
    _CLIENT: (re.compile(r"[\w+]+", re.ASCII), "an app client id, of letters and digits"),
    # https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_IdentityPool.html
    _IDENTITY_POOL: (re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII), "an identity pool id, REGION:UUID"),
}
_ENV_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>.*)", re.ASCII)
_SHOWN = 60
"""The number of characters of code in a message."""
_DART = re.compile(r"'''(.*?)'''|\"\"\"(.*?)\"\"\"", re.DOTALL)


class _Found(NamedTuple):
    """A value of a file, with its key."""

    key: str
    value: Any


@dataclass(frozen=True)
class AppConfig:
    """The pools and the endpoint in a configuration file; None for what it does not have.

    The region is that in the pools' ids: see :func:`region_of_ids`.

    Args:
        file: the file.
        keys: the key of each value in this form of file, by field.
        problems: why a value in this file cannot be used, by field.
    """

    file: Path
    keys: Mapping[str, str]
    problems: Mapping[str, str]
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
            PreconditionError: it cannot be read, or is not a configuration file.
        """
        text = read_text("--config", file)
        if not text.strip():
            raise PreconditionError(f"--config: {file} is empty")
        if _is_env(file, text):
            return _from_env(file, text)
        return _from_documents(file, _documents(file, text))

    def is_client_of(self, user_pool_id: str | None) -> bool:
        """Return whether the file's app client can be one of a user pool that an option gives."""
        return user_pool_id is None or self.user_pool_id in (None, user_pool_id)

    def check(self, given: Mapping[str, object], required: Collection[str]) -> None:
        """Check that each value is known, except those that options give.

        Args:
            given: the values of the options, by field.
            required: the fields that need a value; the values of the others may be missing, but not be invalid.

        Raises:
            PreconditionError: a required value is missing, or a value is invalid.
        """
        unknown = [each for each in given if not given[each] and getattr(self, each) is None]
        missing = [each for each in unknown if each in required and each not in self.problems]
        invalid = [each for each in unknown if each in self.problems]
        if missing or invalid:
            keys = " and no ".join(self.keys[each] for each in missing)
            parts = [f"{self.file} has no {keys}"] if missing else []
            parts += [self.problems[each] for each in invalid]
            listed = ", ".join(map(_option, (*missing, *invalid)))
            where = "" if missing else f"in {self.file}, "
            raise PreconditionError(f"--config: {where}{', and '.join(parts)}; change the file, or give {listed}")


def _option(field: str) -> str:
    """Return the option that gives a value instead of the file."""
    return f"--{field.replace('_', '-')}"


def region_of_ids(region: str | None, user_pool_id: str | None, identity_pool_id: str | None) -> str | None:
    """Return the region: --region, or that in the pools' ids.

    Raises:
        PreconditionError: an id is not that of a pool of this kind, or they contradict each other.
    """
    for field, value in ((_USER_POOL, user_pool_id), (_IDENTITY_POOL, identity_pool_id)):
        pattern, what = _VALID[field]
        if value and not pattern.fullmatch(value):
            raise PreconditionError(f"{_option(field)}: {value!r} is not {what}")
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


def _documents(file: Path, text: str) -> list[dict[str, Any]]:
    """Return the object in JSON or Dart, or the objects in JavaScript."""
    if file.suffix == ".dart":
        strings = [a or b for a, b in _DART.findall(text)]
        if not strings:
            raise PreconditionError(f"--config: {file} has no text in ''' with the configuration")
        text = strings[0]
    if file.suffix in {".json", ".dart"} or text.lstrip().startswith("{"):
        try:
            document = json.loads(text)
        except RecursionError:
            raise PreconditionError(f"--config: {file} has too many nested objects") from None
        except ValueError as error:
            raise PreconditionError(f"--config: {file} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise PreconditionError(f"--config: {file} is not a JSON object")
        return [document]
    # The class separates the endpoint and region of PubSub from those of clients of the AWS SDK.
    documents = [
        {"PubSub": each.value} if each.class_name == "PubSub" else each.value for each in object_literals(text)
    ]
    if not any(documents):
        raise PreconditionError(
            f"--config: {file} contains no object with literal values, such as `const config = {{}}`; if it imports "
            "the configuration, give the imported file"
        )
    return documents


def _from_documents(file: Path, documents: list[dict[str, Any]]) -> AppConfig:
    keys, holders = _form(documents)
    if keys is None:
        raise PreconditionError(
            f"--config: {file} is not a configuration that is supported: give amplify_outputs.json, aws-exports.js, "
            "amplifyconfiguration.json, a .env file of `pubsub outputs`, or the arguments of Amplify.configure()"
        )
    found: dict[str, list[_Found]] = {}
    for field, paths in keys.items():
        # A file can have two forms, such as arguments of Amplify.configure() next to those of AWSIoTProvider().
        others = (path for _, form in _FORMS for path in form.get(field, ()))
        every = dict.fromkeys((*paths, *others))
        found[field] = [_Found(path, value) for path in every for value in _values(holders, path)]
    if not any(isinstance(each.value, str) for each in found.get(_ENDPOINT, ())):
        found[_ENDPOINT] = _endpoints(documents) or found.get(_ENDPOINT, [])
    return _checked(file, {field: paths[0] for field, paths in keys.items()}, found)


def _form(documents: list[dict[str, Any]]) -> tuple[_Keys | None, list[dict[str, Any]]]:
    """Return the keys of the documents' form, None if it is unknown, and the objects that have this form.

    These can be in other objects, as in the outputs of ``cdk deploy --outputs-file`` and in Angular's environments.
    """
    holders = documents
    while holders:
        for marker, keys in _FORMS:
            if any(_has(each, marker) for each in holders):
                return keys, holders
        if holders is documents and any(_SECTIONS & each.keys() for each in documents):
            break
        holders = [value for each in holders for value in each.values() if isinstance(value, dict)]
    return (_GEN_2 if holders or _endpoints(documents) else None), documents


def _has(document: dict[str, Any], marker: str) -> bool:
    """Return whether a document has a key, or one with this start."""
    if marker.endswith("_"):
        return any(each.startswith(marker) for each in document)
    return not isinstance(_lookup(document, marker), Expression | None)


def _lookup(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _values(documents: list[dict[str, Any]], path: str) -> Iterator[Any]:
    """Yield the values at a path, without surrounding spaces, unless they are empty."""
    for document in documents:
        value = _lookup(document, path)
        if isinstance(value, str):
            value = value.strip()
        if value not in (None, ""):
            yield value


def _endpoints(documents: list[dict[str, Any]]) -> list[_Found]:
    """Return the endpoints of AWS IoT, wherever the application keeps them."""
    found = []
    rest: list[tuple[str, Any]] = [("", each) for each in reversed(documents)]
    while rest:
        path, value = rest.pop()
        if isinstance(value, dict):
            members = [(f"{path}.{name}" if path else str(name), each) for name, each in value.items()]
            rest += reversed(members)
        elif isinstance(value, str) and EndpointName.parse(value).prefix is not None:
            found.append(_Found(path, value.strip()))
    return found


def _checked(file: Path, keys: Mapping[str, str], found: Mapping[str, Sequence[_Found]]) -> AppConfig:
    """Return the configuration with the one value that each field has, or with the problem of the field."""
    values, problems = {}, {}
    for field, candidates in found.items():
        literals = [each for each in candidates if not isinstance(each.value, Expression)]
        code = [each for each in candidates if isinstance(each.value, Expression) and not each.value.is_name]
        if problem := _problem(field, [*literals, *code] if literals else candidates):
            problems[field] = problem
        elif literals:
            values[field] = literals[0].value
    keys = {_ENDPOINT: "AWS IoT endpoint", **keys}
    return AppConfig(file, keys, problems, **values)


def _problem(field: str, candidates: Sequence[_Found]) -> str | None:
    """Return why none of the values of a field can be used; None if one can, or if there are none."""
    for key, value in candidates:
        if isinstance(value, Expression):
            code = " ".join(value.text.split())
            return f"{key} is code that is not run ({code if len(code) <= _SHOWN else code[:_SHOWN] + '…'})"
        if not isinstance(value, str):
            return f"{key} must be a text"
        pattern, what = _VALID.get(field, (None, None))
        if pattern and not pattern.fullmatch(value):
            return f"{key} is {value!r}, which is not {what}"
    distinct = {EndpointName.parse(each.value).host if field == _ENDPOINT else each.value for each in candidates}
    if len(distinct) < 2:  # noqa: PLR2004 - one value
        return None
    by_key: dict[str, list[str]] = {}
    for key, value in candidates:
        by_key.setdefault(key, []).append(repr(value))
    return " but ".join(f"{key} is {' or '.join(values)}" for key, values in by_key.items())


def _is_env(file: Path, text: str) -> bool:
    if file.suffix in {".json", ".dart", ".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx"}:
        return False
    lines = [each for line in text.splitlines() if (each := line.strip()) and not each.startswith("#")]
    return file.name.startswith(".env") or file.suffix == ".env" or all(_ENV_LINE.fullmatch(each) for each in lines)


def _from_env(file: Path, text: str) -> AppConfig:
    matches = (_ENV_LINE.fullmatch(line.strip()) for line in text.splitlines())
    values = {match["name"]: value for match in matches if match and (value := _env_value(match["value"]))}
    found: dict[str, list[_Found]] = {field: [] for field in _NAMES}
    for name, value in values.items():
        # Longest first, because a name can end in another.
        fields = sorted(_NAMES, key=lambda field: -len(_NAMES[field]))
        field = next((each for each in fields if name.endswith(_NAMES[each])), None)
        if field:
            found[field].append(_Found(name, value))
    found[_ENDPOINT] = found[_ENDPOINT] or _endpoints([values])
    named = [(field, each.key) for field, candidates in found.items() for each in candidates]
    if not named:
        raise PreconditionError(
            f"--config: {file} has none of the names of `pubsub outputs --format env`: {', '.join(_NAMES.values())}"
        )
    field, name = named[0]
    prefix = name.removesuffix(_NAMES[field]) if name.endswith(_NAMES[field]) else ""
    return _checked(file, {each: prefix + name for each, name in _NAMES.items()}, found)


def _env_value(text: str) -> str:
    """Return a value without quotation marks and comment."""
    if text[:1] in {'"', "'"} and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    return re.split(r"\s#", text, maxsplit=1)[0].strip()
