"""A private certificate authority."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """The files of a server's certificate and key, and of the authority's certificate."""

    chain: Path
    key: Path
    authority: Path


class Authority:
    """Issues certificates that clients do not trust by default."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        may_issue = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._builder(self._name, self._key, _HOUR).add_extension(may_issue, critical=True)
        self.file = _write(certificate.sign(self._key, hashes.SHA256()), directory / f"{name}.pem")
        """The authority's certificate."""

    def issue(self, host: str, *others: str, valid: timedelta = _HOUR) -> Certificate:
        """Issue a certificate for host names or addresses; a negative lifetime makes it expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        hosts = x509.SubjectAlternativeName([_general_name(each) for each in (host, *others)])
        certificate = (
            self._builder(subject, key, valid).add_extension(hosts, critical=False).sign(self._key, hashes.SHA256())
        )
        key_file = self._directory / f"{host}.key.pem"
        form = serialization.PrivateFormat.PKCS8
        key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        chain = _write(certificate, self._directory / f"{host}.pem")
        return Certificate(chain, key_file, self.file)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid: timedelta
    ) -> x509.CertificateBuilder:
        end = datetime.now(UTC) + valid
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - 3 * _HOUR)
            .not_valid_after(end)
        )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(certificate: x509.Certificate, file: Path) -> Path:
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return file
