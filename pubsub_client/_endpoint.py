"""The broker's address, the proxy, the certificate authorities, and HTTP requests to the same endpoint.

The standard library reads ``HTTPS_PROXY`` and ``NO_PROXY``. ``AWS_CA_BUNDLE`` has its meaning for the AWS SDKs:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3
from awscrt import http as crt_http
from awscrt import io
from awscrt.exceptions import AwsCrtError
from urllib3.connection import HTTPConnection, HTTPSConnection

from pubsub_client.exceptions import ConfigurationError

_BARE_HOST = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?P<port>[0-9]{1,5}))?")
_ADDRESS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?:/+|(?=[A-Za-z])))*(?P<bare>[^/?#]*)(?P<path>.*)", re.DOTALL
)
# https://docs.aws.amazon.com/iot/latest/developerguide/iot-connect-devices.html (device data endpoints)
# China (Beijing) has ".ats": https://github.com/aws/aws-iot-device-sdk-java/pull/41. The names data and greengrass are
# not those of an account: https://github.com/boto/botocore/blob/develop/botocore/data/endpoints.json and
# https://docs.aws.amazon.com/greengrass/v1/developerguide/gg-core.html
_AWS_IOT_NAME = re.compile(
    r"(?P<prefix>(?!(?:data|greengrass)\b)[a-z0-9]+)(?P<ats>-ats|\.ats(?=\.iot\.cn-))?"
    r"\.iot\.(?P<region>[a-z]+(?:-[a-z]+)+-[0-9]+)\."
    r"(?:amazonaws\.(?:com(?:\.cn)?|eu)|(?:[a-z0-9-]+\.)*localhost)(?::[0-9]{1,5})?",
    re.IGNORECASE,
)
_LOOPBACK = "127.0.0.1"
_HTTP_PORT = 80
_TLS_PORT = 443
_LAST_PORT = 65535
_PROXY_PORT = 80
_HTTP_TIMEOUT_SECONDS = 10.0
_MAX_BODY_BYTES = 4096


@dataclass(frozen=True)
class EndpointName:
    """The parts of an endpoint in any spelling, such as a bare host or a URL.

    Args:
        bare: the host, with the port if there is one.
        scheme: the text before ``://``; None if there is none.
        path: the text after the host.
        prefix: the account's part of the host; None if the host is not an AWS IoT endpoint.
        ats: whether the server's certificate is signed by Amazon Trust Services.
        region: the region; None if the host is not an AWS IoT endpoint.
    """

    bare: str
    scheme: str | None = None
    path: str = ""
    prefix: str | None = None
    ats: bool = False
    region: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a text into these parts; accepts any text."""
        address = _ADDRESS.fullmatch(text.strip(" \t\r\n\"'"))
        if address is None:  # the pattern matches everything
            raise AssertionError(text)
        scheme, bare, path = address["scheme"], address["bare"].removesuffix("."), address["path"]
        name = _AWS_IOT_NAME.fullmatch(bare)
        if name is None:
            return cls(bare, scheme, path)
        return cls(bare, scheme, path, name["prefix"].lower(), name["ats"] is not None, name["region"].lower())

    @property
    def host(self) -> str:
        """The host without a port, in lower case."""
        return self.bare.partition(":")[0].lower()

    @property
    def port(self) -> str:
        """The text after the host's colon; empty if there is none."""
        return self.bare.partition(":")[2]

    @property
    def is_bare(self) -> bool:
        """Whether there is neither scheme nor path, as in DescribeEndpoint's response."""
        return self.scheme is None and not self.path

    @property
    def amplify_url(self) -> str:
        """The value for Amplify's ``new PubSub({endpoint})``."""
        return f"wss://{self.bare}/mqtt"


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; ``user_name`` is empty if the proxy requires no authentication."""

    host: str
    port: int
    user_name: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, address: str, source: str) -> Self:
        """Read the address of a proxy, with or without ``http://``, user name and password.

        Args:
            address: the address.
            source: the setting that contains it, for the error.

        Raises:
            ConfigurationError: the address is not that of an HTTP proxy.
        """
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            port = parts.port or _PROXY_PORT
        except ValueError:  # its message can contain the password
            parts, port = urlsplit(""), 0
        if parts.scheme != "http" or not parts.hostname or not port:
            raise ConfigurationError(
                f"{source} is {_without_password(parts)}; set it to an HTTP proxy, such as http://proxy.example:3128, "
                "or unset it (proxies with other schemes are not supported)"
            )
        return cls(parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a CONNECT request."""
        if not self.user_name:
            return {}
        # As UTF-8; urllib3's make_headers() encodes only Latin-1.
        token = base64.b64encode(f"{self.user_name}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {token}"}

    @property
    def crt_options(self) -> crt_http.HttpProxyOptions:
        """This proxy, for awscrt."""
        kind = crt_http.HttpProxyAuthenticationType
        return crt_http.HttpProxyOptions(
            self.host,
            self.port,
            auth_type=kind.Basic if self.user_name else kind.Nothing,
            auth_username=self.user_name,
            auth_password=self.password,
            connection_type=crt_http.HttpProxyConnectionType.Tunneling,
        )


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP response; ``headers`` ignores case, and ``body`` is the first 4 KB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Endpoint:
    """The broker's address.

    Args:
        host: the name or address to connect to.
        port: the TCP port.
        tls: whether to use TLS.
        authority: the ``Host`` header, which signatures cover.
        ca_file: a PEM file of trusted certificate authorities; None for ``AWS_CA_BUNDLE``, or the system's default.
        proxy_address: the address of the proxy; None for that of ``HTTPS_PROXY``.
    """

    host: str
    port: int
    tls: bool
    authority: str
    ca_file: Path | None = None
    proxy_address: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an endpoint from DescribeEndpoint: a bare host, in the local cloud with a port.

        A host below ``.localhost`` is loopback (RFC 6761, section 6.3), without name resolution and TLS. All other
        hosts use TLS.

        Raises:
            ConfigurationError: the text is not a bare host.
        """
        match = _BARE_HOST.fullmatch(text)
        port = int(match["port"]) if match and match["port"] else None
        if match is None or port == 0 or (port or 0) > _LAST_PORT:
            raise ConfigurationError(
                f"the endpoint {text!r} is not a host name; pass it without scheme, path and spaces, such as "
                "abc123-ats.iot.eu-west-1.amazonaws.com"
            )
        host = match["host"].lower()
        return cls.from_url_parts(host, port, text, tls=not _is_local(host))

    @classmethod
    def from_url_parts(  # noqa: PLR0913 - the parts of a URL, and the network settings
        cls,
        host: str,
        port: int | None,
        authority: str,
        *,
        tls: bool,
        ca_file: Path | None = None,
        proxy_address: str | None = None,
    ) -> Self:
        """Create an endpoint; without TLS, a host below ``.localhost`` is loopback."""
        default = _TLS_PORT if tls else _HTTP_PORT
        return cls(
            _LOOPBACK if _is_local(host) and not tls else host, port or default, tls, authority, ca_file, proxy_address
        )

    def proxy(self) -> Proxy | None:
        """Return the proxy; None for a direct connection.

        ``HTTPS_PROXY`` applies only to endpoints with TLS, and a ``proxy_address`` to all.

        Raises:
            ConfigurationError: the proxy's address is invalid.
        """
        if self.proxy_address is not None:
            return Proxy.parse(self.proxy_address, "proxy")
        if not self.tls or urllib.request.proxy_bypass(self.host):
            return None
        address = urllib.request.getproxies().get("https")
        return Proxy.parse(address, "HTTPS_PROXY") if address else None

    def tls_context(self) -> io.ClientTlsContext | None:
        """Return awscrt's TLS context; None without TLS.

        Raises:
            ConfigurationError: the certificate authorities cannot be used.
        """
        if not self.tls:
            return None
        options = io.TlsContextOptions()
        bundle = self.ca_file or ca_bundle()
        if bundle:
            options.override_default_trust_store_from_path(ca_filepath=str(bundle))
        try:
            return io.ClientTlsContext(options)
        except (AwsCrtError, RuntimeError) as error:
            problem = (
                f"{bundle} contains no certificate authorities in PEM format"
                if bundle
                else "the system's certificate authorities cannot be read"
            )
            raise ConfigurationError(f"{problem}: {error}") from error

    def check_network_settings(self) -> None:
        """Raise ConfigurationError if the proxy or the certificate authorities cannot be used."""
        self.proxy()
        self.tls_context()

    def request_http(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """Send an HTTP request with the proxy and certificate authorities of the WebSocket; blocks.

        Connecting and each read time out after ten seconds.

        Raises:
            OSError: there is no response.
            ConfigurationError: the proxy or the certificate authorities cannot be used.
        """
        proxy = self.proxy()
        host, port = (proxy.host, proxy.port) if proxy else (self.host, self.port)
        bundle = self.ca_file or ca_bundle()
        # urllib3's pools would send plain HTTP to the proxy; the WebSocket uses a tunnel, so this does too.
        connection = (
            HTTPSConnection(host, port, timeout=_HTTP_TIMEOUT_SECONDS, ca_certs=str(bundle) if bundle else None)
            if self.tls
            else HTTPConnection(host, port, timeout=_HTTP_TIMEOUT_SECONDS)
        )
        if proxy:
            connection.set_tunnel(self.host, self.port, proxy.headers)
        try:
            connection.request(method, path, headers={"Host": self.authority, **(headers or {})}, preload_content=False)
            with connection.getresponse() as response:
                return HttpResponse(response.status, response.headers, response.read(_MAX_BODY_BYTES))
        except (urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()


def ca_bundle() -> Path | None:
    """Return the file in ``AWS_CA_BUNDLE``; None for the system's certificate authorities.

    Raises:
        ConfigurationError: the file does not exist.
    """
    named = os.environ.get("AWS_CA_BUNDLE")
    if not named:
        return None
    if not Path(named).is_file():
        raise ConfigurationError(f"AWS_CA_BUNDLE is {named}, which does not exist; correct or unset it")
    return Path(named)


def _without_password(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "not a URL"


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")
