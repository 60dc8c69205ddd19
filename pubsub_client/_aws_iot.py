"""The AWS IoT provider: MQTT 5 over a WebSocket whose upgrade request is signed with SigV4.

https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
"""

from __future__ import annotations

import asyncio
import os
import http.client as http_client
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from awscrt import auth, http, io, mqtt5

from pubsub_client._endpoint import Endpoint

if TYPE_CHECKING:
    from awscrt.http import HttpRequest

    from pubsub_client._credentials import Credentials, CredentialsSource

_SIGNING_NAME = "iotdevicegateway"
_PATH = "/mqtt"
_REFUSAL_BYTES = 500


class AwsIot:
    """How to reach AWS IoT as somebody with AWS credentials.

    Args:
        endpoint: the bare host of DescribeEndpoint's ``iot:Data-ATS``.
        region: the region the request is signed for.
        credentials: asked for credentials at each connection.

    Raises:
        ConfigurationError: the endpoint is not a bare host.
    """

    def __init__(self, *, endpoint: str, region: str, credentials: CredentialsSource) -> None:
        self.endpoint = Endpoint.parse(endpoint)
        self._region = region
        self._source = credentials
        self._signed_path: str | None = None
        self.handshake_error: Exception | None = None
        """What went wrong in preparing the last upgrade request; awscrt tells only that something did."""

    def client_options(self, loop: asyncio.AbstractEventLoop) -> mqtt5.ClientOptions:
        """Return the options of a client that signs each upgrade request anew.

        Args:
            loop: where credentials are asked for and requests are signed; awscrt's own thread must not wait.
        """

        def transform(transform_args: mqtt5.WebsocketHandshakeTransformArgs) -> None:
            asyncio.run_coroutine_threadsafe(self._handshake(transform_args), loop)

        return mqtt5.ClientOptions(
            host_name=self.endpoint.host,
            port=self.endpoint.port,
            tls_ctx=_tls_context() if self.endpoint.tls else None,
            http_proxy_options=_proxy(self.endpoint),
            websocket_handshake_transform=transform,
        )

    async def explain_refusal(self) -> str | None:
        """Ask the signed address of the last upgrade once more over plain HTTP, and return what it answers.

        awscrt tells of a refused upgrade only that it was refused.
        """
        if self._signed_path is None:
            return None
        return await asyncio.to_thread(_ask_again, self.endpoint, self._signed_path)

    async def _handshake(self, transform_args: mqtt5.WebsocketHandshakeTransformArgs) -> None:
        self.handshake_error = None
        try:
            await self._sign(transform_args.http_request, await self._source.credentials())
        except Exception as error:  # noqa: BLE001 - awscrt waits for an answer whatever happens
            self.handshake_error = error
            transform_args.set_done(error)
        else:
            transform_args.set_done()

    async def _sign(self, request: HttpRequest, credentials: Credentials) -> None:
        request.path = _PATH
        request.headers.set("Host", self.endpoint.authority)
        signing = auth.AwsSigningConfig(
            algorithm=auth.AwsSigningAlgorithm.V4,
            signature_type=auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
            credentials_provider=auth.AwsCredentialsProvider.new_static(
                credentials.access_key_id, credentials.secret_access_key, credentials.session_token
            ),
            region=self._region,
            service=_SIGNING_NAME,
            # AWS IoT wants the session token appended to the signed address, not signed in.
            omit_session_token=True,
        )
        await asyncio.wrap_future(auth.aws_sign_request(request, signing))
        self._signed_path = request.path


def _tls_context() -> io.ClientTlsContext:
    options = io.TlsContextOptions()
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        options.override_default_trust_store_from_path(None, bundle)
    return io.ClientTlsContext(options)


def _proxy(endpoint: Endpoint) -> http.HttpProxyOptions | None:
    """Return the proxy that the environment names; loopback is never reached through one."""
    if not endpoint.tls or urllib.request.proxy_bypass(endpoint.host):
        return None
    address = urllib.request.getproxies().get("https")
    if not address:
        return None
    proxy = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
    credentials: dict[str, Any] = {}
    if proxy.username:
        credentials = {
            "auth_type": http.HttpProxyAuthenticationType.Basic,
            "auth_username": urllib.parse.unquote(proxy.username),
            "auth_password": urllib.parse.unquote(proxy.password or ""),
        }
    tls = (
        io.ClientTlsContext(io.TlsContextOptions()).new_connection_options()
        if proxy.scheme == "https"
        else None
    )
    port = proxy.port or (443 if tls else 80)
    return http.HttpProxyOptions(proxy.hostname, port, tls_connection_options=tls, **credentials)


def _ask_again(endpoint: Endpoint, signed_path: str) -> str | None:
    headers = {
        "Host": endpoint.authority,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "cHVic3ViLWNsaWVudC0xMw==",
        "Sec-WebSocket-Protocol": "mqtt",
    }
    connection = endpoint.open_http()
    try:
        connection.request("GET", signed_path, headers=headers)
        answer = connection.getresponse()
        if answer.status == http_client.SWITCHING_PROTOCOLS:
            return None
        return f"HTTP {answer.status} {answer.read(_REFUSAL_BYTES).decode(errors='replace')}".strip()
    except (OSError, http_client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
