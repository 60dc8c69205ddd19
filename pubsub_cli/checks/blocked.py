"""What stops a connection on its way to the endpoint: at which step, why, and what to look at."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from enum import StrEnum

from pubsub_client._endpoint import Endpoint, Proxy

PATH = "/mqtt"
"""What the endpoint is asked for, as the WebSocket is."""

_TUNNEL_REFUSED = "Tunnel connection failed: "
_AUTHORITIES_OF_AWS = ("Amazon", "Starfield", "DigiCert", "VeriSign", "Symantec")
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST = 9, 10, 62


class Step(StrEnum):
    """Where it stops."""

    DNS = "DNS"
    PROXY = "proxy"
    TCP = "TCP"
    TLS = "TLS"
    HTTP = "HTTP"


class BlockedError(Exception):
    """The way ends here.

    Args:
        step: at which step.
        cause: what happened there.
        fix: what to look at.
    """

    def __init__(self, step: Step, cause: str, fix: str) -> None:
        super().__init__(f"{step}: {cause}")
        self.step = step
        self.cause = cause
        self.fix = fix


def unusable_proxy(error: Exception) -> BlockedError:
    """The environment names a proxy that cannot be used."""
    return BlockedError(Step.PROXY, f"{error}.", "Correct HTTPS_PROXY, or name the host in NO_PROXY.")


def not_resolved(host: str, proxy: Proxy | None, why: str) -> BlockedError:
    """The name of the endpoint, or of the proxy if there is one, leads nowhere."""
    if proxy:
        cause = f"The name of the proxy of HTTPS_PROXY, {host}, is not resolved{why}."
        return BlockedError(Step.PROXY, cause, f"See that HTTPS_PROXY names the right host: nslookup {host}")
    return BlockedError(
        Step.DNS,
        f"The name of the endpoint, {host}, is not resolved{why}.",
        f"See that the name is right and that this network's DNS answers for it: nslookup {host}",
    )


def unreachable(endpoint: Endpoint, proxy: Proxy | None, failed: Mapping[str, OSError], seconds: float) -> BlockedError:
    """No address takes a TCP connection, for these reasons.

    Args:
        endpoint: where to go.
        proxy: the proxy, if the addresses are its.
        failed: why not, by address.
        seconds: the time each had.
    """
    reasons = "; ".join(
        f"{ip}: {f'no answer within {seconds:g} s' if isinstance(error, TimeoutError) else error.strerror}"
        for ip, error in failed.items()
    )
    if proxy:
        return BlockedError(
            Step.PROXY,
            f"The proxy {proxy.host}:{proxy.port} of HTTPS_PROXY cannot be reached ({reasons}).",
            f"Correct HTTPS_PROXY; or, if this network needs no proxy for it, put {endpoint.host} into NO_PROXY.",
        )
    return BlockedError(
        Step.TCP,
        f"There is no TCP connection to {endpoint.host} on port {endpoint.port} ({reasons}), so nobody "
        "connects from here.",
        f"See whether a firewall lets port {endpoint.port} out: "
        f"{_curl(endpoint)}; where only a proxy leads out, name it in HTTPS_PROXY.",
    )


def no_tunnel(endpoint: Endpoint, proxy: Proxy, error: Exception) -> BlockedError:
    """The proxy does not tunnel to the endpoint."""
    answer = str(error).removeprefix(_TUNNEL_REFUSED)
    where = f"The proxy {proxy.host}:{proxy.port} of HTTPS_PROXY"
    target = f"{endpoint.host}:{endpoint.port}"
    if answer.startswith("407"):
        return BlockedError(
            Step.PROXY,
            f"{where} wants other credentials: it answers {answer}.",
            "Name them in it: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        )
    return BlockedError(
        Step.PROXY,
        f"{where} does not tunnel to {target}: it answers {answer}.",
        f"Have it allow CONNECT to {target}; or, if this network needs no proxy for it, put {endpoint.host} "
        "into NO_PROXY.",
    )


def unusable_authorities(error: Exception) -> BlockedError:
    """The environment names authorities that cannot be used."""
    return BlockedError(Step.TLS, f"{error}.", "Correct or unset AWS_CA_BUNDLE.")


def tls_broken_off(endpoint: Endpoint, error: Exception) -> BlockedError:
    """The TLS handshake comes to no end."""
    return BlockedError(
        Step.TLS,
        f"The TLS handshake with {endpoint.host} is broken off ({_words(error)}): something in between "
        "does not let TLS through, or what answers speaks none.",
        f"See whether a firewall, a virus scanner or a proxy inspects TLS, and have it leave {endpoint.host} alone.",
    )


def distrusted(endpoint: Endpoint, error: ssl.SSLCertVerificationError, issuer: str) -> BlockedError:
    """The certificate is not trusted.

    Args:
        endpoint: where to go.
        error: what the verification said.
        issuer: who issued the certificate.
    """
    said = error.verify_message
    host = endpoint.host
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        return BlockedError(
            Step.TLS,
            f"The certificate of {host}, issued by {issuer}, is not valid now ({said}): this machine's clock is "
            "wrong, or the certificate is.",
            "See that this machine's date is right: date -u",
        )
    if error.verify_code == _OTHER_HOST:
        return BlockedError(
            Step.TLS,
            f"What answers for {host} has a certificate for another name, issued by {issuer} ({said}).",
            f"See that the endpoint's name is right, and what it resolves to: nslookup {host}",
        )
    bundle = os.environ.get("AWS_CA_BUNDLE")
    trusted = f"AWS_CA_BUNDLE, {bundle}," if bundle else "this machine"
    if any(name in issuer for name in _AUTHORITIES_OF_AWS):
        return BlockedError(
            Step.TLS,
            f"The certificate of {host} is issued by {issuer}, which {trusted} does not trust ({said}).",
            "Add https://www.amazontrust.com/repository/AmazonRootCA1.pem to AWS_CA_BUNDLE"
            if bundle
            else "Install the system's package of certificate authorities, such as ca-certificates.",
        )
    return BlockedError(
        Step.TLS,
        f"TLS is intercepted: what answers for {host} has a certificate issued by {issuer}, no authority of AWS's, "
        f"and {trusted} does not trust it ({said}). A proxy, firewall or virus scanner opens the connection.",
        f"Have it leave {host} alone; or trust its authority: AWS_CA_BUNDLE=FILE with its certificate as PEM, and "
        "for browsers in the system's store.",
    )


def no_answer(endpoint: Endpoint, error: Exception) -> BlockedError:
    """What is at the other end gives no HTTP answer."""
    return BlockedError(
        Step.HTTP,
        f"{endpoint.authority} gives no HTTP answer ({_words(error)}).",
        "See that the endpoint's name and port are right, and that nothing in between ends the connection: "
        f"{_curl(endpoint)}",
    )


def _curl(endpoint: Endpoint) -> str:
    return f"curl -v {'https' if endpoint.tls else 'http'}://{endpoint.authority}{PATH}"


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
