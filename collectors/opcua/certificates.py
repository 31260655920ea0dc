"""Certificates: what one says, and our own, made when the first secure connection needs it.

Ours is an application instance certificate as OPC 10000-6, 6.2.2 describes it, self-signed: the server's administrator
trusts it by its fingerprint, as ours trusts the server's (:mod:`collectors.opcua.trust_list`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collectors.opcua.failures import log
from historian.config.settings import OpcUaSource
from historian.errors import SourceUnavailableError
from historian.model.status import BAD_CONFIGURATION_ERROR

APPLICATION: Final = "plant-historian"
OWN: Final = "own"
CERTIFICATE: Final = "certificate.der"
PRIVATE_KEY: Final = "private_key.pem"

KEY_BITS: Final = 2048
"""Every policy here takes 2,048 to 4,096 bits; the cost of connecting grows with the third power."""

VALID: Final = dt.timedelta(days=3_653)
"""Ten years: a certificate that runs out stops collecting, and nobody is at this machine then."""

WARN_BEFORE: Final = dt.timedelta(days=60)

_making = threading.Lock()
"""Several sources may connect for the first time at once."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate in DER with its private key.  ``application_uri`` is the one in it."""

    certificate: bytes
    private_key: rsa.RSAPrivateKey
    application_uri: str


@dataclass(frozen=True, slots=True)
class CertificateText:
    """What a person compares: SHA-256 ``fingerprint``, and what the certificate says of itself."""

    fingerprint: str
    thumbprint: str
    subject: str
    application_uri: str
    valid_from: dt.datetime
    valid_until: dt.datetime

    def outside_of_dates(self, now: dt.datetime) -> str:
        """In words, when ``now`` is not in the time for which it was made; empty when it is."""
        if now < self.valid_from:
            return f"is not valid before {self.valid_from:%Y-%m-%d}"
        return f"has expired on {self.valid_until:%Y-%m-%d}" if now > self.valid_until else ""


def fingerprint_of(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, in hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


def describe_certificate(certificate: bytes) -> CertificateText:
    """What a certificate in DER says.  Raises ValueError when it is none.

    The thumbprint is SHA-1, by which OPC UA names certificates on the wire and most programs show them.
    """
    parsed = x509.load_der_x509_certificate(certificate)
    return CertificateText(
        fingerprint_of(certificate),
        hashlib.sha1(certificate).hexdigest(),  # noqa: S324 - a name, not a proof
        _printable(parsed.subject.rfc4514_string()),
        _printable(application_uri_of(parsed)),
        parsed.not_valid_before_utc,
        parsed.not_valid_after_utc,
    )


def _printable(text: str) -> str:
    """``text`` without what moves a terminal's cursor: anybody can make a certificate."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def application_uri_of(certificate: x509.Certificate) -> str:
    """The URI among the alternative names; empty when there is none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")


def own_certificate(source: OpcUaSource) -> OwnCertificate:
    """The one the source is configured with, else that of the folder of certificates, made if it is not there yet.

    Raises SourceUnavailableError (BadConfigurationError) when it cannot be read or made.
    """
    security = source.security
    if security.certificate is not None and security.private_key is not None:
        return _read(source, security.certificate, security.private_key)
    folder = security.folder / OWN
    with _making:
        if not folder.exists():
            _guarded(source, f"make a certificate in {folder}", lambda: _make(folder))
    return _read(source, folder / CERTIFICATE, folder / PRIVATE_KEY)


def read_pair(source: OpcUaSource, certificate: Path, private_key: Path) -> OwnCertificate:
    """A certificate, DER or PEM, and its private key.  Raises as :func:`own_certificate`."""
    return _read(source, certificate, private_key)


def _read(source: OpcUaSource, certificate: Path, private_key: Path) -> OwnCertificate:
    parsed = _guarded(source, f"use the certificate {certificate}", lambda: _load_certificate(certificate.read_bytes()))
    key = _guarded(source, f"use the private key {private_key}", lambda: _load_key(private_key.read_bytes()))
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != parsed.public_key():
        raise _unusable(source, f"use the private key {private_key}", f"it is not the RSA key of {certificate}")
    left = parsed.not_valid_after_utc - dt.datetime.now(dt.UTC)
    if left < WARN_BEFORE:
        log.warning("%s: the certificate %s is valid for %d more days", source.name, certificate, left.days)
    return OwnCertificate(parsed.public_bytes(serialization.Encoding.DER), key, application_uri_of(parsed))


def _load_certificate(content: bytes) -> x509.Certificate:
    is_text = content.lstrip().startswith(b"-----")
    return x509.load_pem_x509_certificate(content) if is_text else x509.load_der_x509_certificate(content)


def _load_key(content: bytes) -> object:
    is_text = content.lstrip().startswith(b"-----")
    load = serialization.load_pem_private_key if is_text else serialization.load_der_private_key
    return load(content, None)


def _guarded(source: OpcUaSource, doing: str, work: Callable[[], _T]) -> _T:
    try:
        return work()
    except OSError as error:
        raise _unusable(source, doing, error.strerror or str(error)) from error
    except (ValueError, TypeError) as error:
        # TypeError: a key with a passphrase.  What the library says of a key is not repeated, it may quote from it.
        raise _unusable(source, doing, "it is in no form that can be read here (DER or PEM, no passphrase)") from error


def _unusable(source: OpcUaSource, doing: str, reason: str) -> SourceUnavailableError:
    text = f"cannot connect to source {source.name!r}: cannot {doing}: {reason}"
    return SourceUnavailableError(text, BAD_CONFIGURATION_ERROR)


def _make(folder: Path) -> None:
    """Make key and certificate, both or none: in a folder of another name that is renamed at the end."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{OWN}-") as work:
        key = rsa.generate_private_key(65537, KEY_BITS)
        certificate = _signed(key).public_bytes(serialization.Encoding.DER)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        inner = Path(work) / OWN
        inner.mkdir(mode=0o700)
        _write_secret(inner / PRIVATE_KEY, secret)
        (inner / CERTIFICATE).write_bytes(certificate)
        with suppress(OSError):  # another process was first: then its pair is ours too
            inner.rename(folder)
            log.warning(
                "made a certificate for this historian: %s, fingerprint (SHA-256) %s; servers that ask for one have to "
                "trust it", folder / CERTIFICATE, fingerprint_of(certificate),
            )  # fmt: skip
    if not (folder / PRIVATE_KEY).exists():
        raise FileNotFoundError(f"no {PRIVATE_KEY} in it after it was made")


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read, from its first moment on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    host = socket.gethostname()
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, APPLICATION),
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, host[:64]),
    ])
    names = [x509.UniformResourceIdentifier(f"urn:{host}:{APPLICATION}"), x509.DNSName(host)]
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A server whose clock is behind ours must not find it not valid yet.
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(key_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
