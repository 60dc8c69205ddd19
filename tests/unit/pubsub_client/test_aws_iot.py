"""AWS IoT: limits, signatures and explanations."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from pubsub_client import AwsIot, Credentials
from pubsub_client._endpoint import Endpoint
from pubsub_client._provider import Operation
from pubsub_client.exceptions import ConfigurationError, PayloadError, TopicError

HOST = "abc123-ats.iot.eu-west-1.amazonaws.com"
CREDENTIALS = Credentials("AKIDEXAMPLE", "secret-key", "session/token+", datetime(2030, 1, 1, tzinfo=UTC))


class Source:
    async def credentials(self) -> Credentials:
        return CREDENTIALS


@pytest.fixture
def provider() -> AwsIot:
    return AwsIot(endpoint=HOST, region="eu-west-1", credentials=Source())


async def test_signature_covers_the_endpoint_but_not_the_session_token(provider: AwsIot) -> None:
    path = urlsplit((await provider.upgrade_request()).path)
    query = {name: values[0] for name, values in parse_qs(path.query, strict_parsing=True).items()}
    assert path.path == "/mqtt"
    assert query["X-Amz-Security-Token"] == CREDENTIALS.session_token
    assert query["X-Amz-Signature"] == signature_of(query)


def signature_of(query: dict[str, str]) -> str:
    """Signature Version 4 as AWS documents it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    unsigned = {"X-Amz-Signature", "X-Amz-Security-Token"}
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    assert scope == f"{query['X-Amz-Date'][:8]}/eu-west-1/iotdevicegateway/aws4_request"
    canonical_query = "&".join(f"{name}={quote(query[name], safe='')}" for name in sorted(query.keys() - unsigned))
    canonical = f"GET\n/mqtt\n{canonical_query}\nhost:{HOST}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{hashed}"
    key = f"AWS4{CREDENTIALS.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


@pytest.mark.parametrize("endpoint", [HOST, f"wss://{HOST}/mqtt", f"wss://{HOST}", f"wss://{HOST}/"])
def test_endpoint_is_a_bare_host_or_amplifys_url(endpoint: str) -> None:
    assert AwsIot(endpoint=endpoint, credentials=Source()).endpoint == Endpoint.parse(HOST)


@pytest.mark.parametrize("endpoint", [f"https://{HOST}", f"wss://{HOST}/other", f"mqtts://{HOST}:8883", ""])
def test_wrong_endpoint_is_rejected(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a host name"):
        AwsIot(endpoint=endpoint, region="eu-west-1", credentials=Source())


def test_region_comes_from_the_endpoint_by_default() -> None:
    assert AwsIot(endpoint=HOST, credentials=Source())._region == "eu-west-1"
    with pytest.raises(ConfigurationError, match="is not known; pass region"):
        AwsIot(endpoint="iot.example.com", credentials=Source())


class Identity(Source):
    async def identity_id(self) -> str:
        return "eu-west-1:1234"


async def test_client_id_begins_with_the_identity_id_in_least_privilege() -> None:
    async def prefix(mode: str) -> str:
        outputs = {"PubSubEndpoint": HOST, "Region": "eu-west-1", "AccessMode": mode}
        return (await AwsIot.from_outputs(outputs, Identity()).upgrade_request()).client_id_prefix

    with pytest.raises(ConfigurationError, match="the outputs lack PubSubEndpoint, Region"):
        AwsIot.from_outputs({}, Source())
    assert await prefix("least-privilege") == "eu-west-1:1234-"
    assert await prefix("guarded") == ""
    with pytest.raises(ConfigurationError, match="requires credentials with an identity id; pass a CognitoSession"):
        AwsIot(endpoint=HOST, credentials=Source(), client_id_from_identity=True)


@pytest.mark.parametrize(
    ("at_limit", "beyond"),
    [
        ("a" * 256, "a" * 257),
        ("ü" * 128, "ü" * 129),
        ("a/b/c/d/e/f/g/h", "a/b/c/d/e/f/g/h/"),
        ("$aws/rules/a_rule/b/c/d/e/f/g/h/i", "$aws/rules/a_rule/a/b/c/d/e/f/g/h/i"),
    ],
)
def test_topic_beyond_the_limits_is_rejected(provider: AwsIot, at_limit: str, beyond: str) -> None:
    provider.check_topic(at_limit)
    with pytest.raises(TopicError, match="AWS IoT allows"):
        provider.check_topic(beyond)


def test_payload_beyond_128_kb_is_rejected(provider: AwsIot) -> None:
    provider.check_payload(bytes(128 * 1024))
    with pytest.raises(PayloadError, match="131073 bytes"):
        provider.check_payload(bytes(128 * 1024 + 1))


@pytest.mark.parametrize("client_id", ["", "a" * 129])
def test_empty_or_too_long_client_id_is_rejected(provider: AwsIot, client_id: str) -> None:
    with pytest.raises(ConfigurationError, match="AWS IoT allows 1 to 128"):
        provider.check_client_id(client_id)


def test_rejected_signature_names_its_known_causes(provider: AwsIot) -> None:
    explanation = provider.explain_denied_upgrade()
    for cause in ("expired", "region eu-west-1", "clock", "add the session token after signing"):
        assert cause in explanation


def test_rejected_signature_for_another_region_names_both_regions() -> None:
    explanation = AwsIot(endpoint=HOST, region="us-east-1", credentials=Source()).explain_denied_upgrade()
    assert explanation.endswith("it is for region us-east-1, but the endpoint is in eu-west-1")


@pytest.mark.parametrize(
    ("operation", "resource", "missing"),
    [
        (Operation.CONNECT, "me", "iot:Connect on client/me"),
        (Operation.PUBLISH, "a/b", "iot:Publish on topic/a/b"),
        (Operation.PUBLISH_RETAINED, "a/b", "iot:Publish and iot:RetainPublish on topic/a/b"),
        (Operation.SUBSCRIBE, "a/#", "iot:Subscribe on topicfilter/a/#"),
    ],
)
def test_denial_names_the_missing_permission(
    provider: AwsIot, operation: Operation, resource: str, missing: str
) -> None:
    assert missing in provider.explain_denial(operation, resource)
