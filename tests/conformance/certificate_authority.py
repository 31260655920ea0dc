"""Certificates for tests of TLS: one who signs, and those whom it signs, for 127.0.0.1 and by name."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAYS = dt.timedelta(days=2)


class CertificateAuthority:
    """Files in ``folder``; ``certificate`` is what the others are checked against."""

    def __init__(self, folder: Path, name: str = "plant") -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issued: dict[tuple[str, str], tuple[Path, Path]] = {}
        self.certificate = folder / f"{name}-ca.pem"
        made = self._builder(name, name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        _write(self.certificate, made.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, password: str = "") -> tuple[Path, Path]:
        """A certificate and its key, for this name and for 127.0.0.1."""
        if (name, password) not in self._issued:
            key = ec.generate_private_key(ec.SECP256R1())
            names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            made = self._builder(name, self._name, key)
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
            stem = self._folder / f"{self._name}-{name}{password}"
            paths = stem.with_suffix(".pem"), stem.with_suffix(".key")
            _write(paths[0], made.sign(self._key, hashes.SHA256()))
            paths[1].write_bytes(_key_bytes(key, password))
            self._issued[name, password] = paths
        return self._issued[name, password]

    def _builder(self, subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAYS)
            .not_valid_after(now + DAYS)
        )


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _key_bytes(key: ec.EllipticCurvePrivateKey, password: str) -> bytes:
    encryption = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
