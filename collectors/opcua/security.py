"""Securing a connection: the endpoint that offers what the source asks for, and whether its server is trusted.

Nothing is ever negotiated down: a server that offers less is refused, by name of what it offers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies as policies
from asyncua.crypto import uacrypto
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from collectors.opcua.certificates import CertificateText, OwnCertificate, describe_certificate, fingerprint_of
from collectors.opcua.failures import log
from collectors.opcua.trust_list import TrustList
from historian.config.settings import OpcUaSource, SecurityPolicy
from historian.errors import SourceUnavailableError
from historian.model.status import BAD_CONFIGURATION_ERROR

POLICIES: Final[Mapping[SecurityPolicy, type[policies.SecurityPolicy]]] = {
    "None": policies.SecurityPolicyNone,
    "Basic256Sha256": policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": policies.SecurityPolicyAes256Sha256RsaPss,
}

_MODES: Final = {
    ua.MessageSecurityMode.None_: "None",
    ua.MessageSecurityMode.Sign: "Sign",
    ua.MessageSecurityMode.SignAndEncrypt: "SignAndEncrypt",
}
_TOKENS: Final = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "user and password",
    ua.UserTokenType.Certificate: "user certificate",
}


async def secure(client: Client, source: OpcUaSource, own: OwnCertificate) -> None:
    """Ask for the server's endpoints and set up ``client`` for the one that the source asks for.

    Raises SourceUnavailableError when there is none, or when the server's certificate is not trusted; what the library
    raises when the server does not answer.
    """
    endpoint = choose(source, await client.connect_and_get_server_endpoints())
    server = first_certificate(source, endpoint.ServerCertificate)
    require_trust(source, server)
    mode = ua.MessageSecurityMode[source.security.mode]
    certificate = x509.load_der_x509_certificate(own.certificate)
    peer = x509.load_der_x509_certificate(server)
    policy: Any = POLICIES[source.security.policy](peer, certificate, own.private_key, mode)
    client.application_uri = own.application_uri or client.application_uri
    client.security_policy = policy
    client.uaclient.set_security(policy)


def choose(source: OpcUaSource, endpoints: Sequence[ua.EndpointDescription]) -> ua.EndpointDescription:
    """The endpoint with the policy, the mode and the way to log in that the source asks for."""
    wanted = POLICIES[source.security.policy].URI
    mode = source.security.mode if source.security.is_on else "None"
    fitting = [each for each in endpoints if each.SecurityPolicyUri == wanted and _MODES.get(each.SecurityMode) == mode]
    if not fitting:
        remedy = "" if source.security.is_on else "; set security_policy (and security_mode)"
        wish = _named(source.security.policy, mode)
        raise _refused(source, f"it offers {offered(endpoints)}; wanted {wish}{remedy}")
    token = _token(source)
    for endpoint in fitting:
        found = next((each for each in endpoint.UserIdentityTokens or () if each.TokenType == token), None)
        if found is not None:
            _refuse_clear_password(source, found)
            return endpoint
    ways = {_TOKENS[each.TokenType] for each in fitting[0].UserIdentityTokens or () if each.TokenType in _TOKENS}
    known = " or by ".join(sorted(ways)) or "no way known here"
    raise _refused(source, f"it lets in by {known}; wanted {_TOKENS[token]}")


def _refuse_clear_password(source: OpcUaSource, token: ua.UserTokenPolicy) -> None:
    """Signed messages can be read by all; a password in them has to be encrypted by itself."""
    is_clear = token.SecurityPolicyUri == POLICIES["None"].URI
    if is_clear and token.TokenType == ua.UserTokenType.UserName and source.security.mode == "Sign":
        raise _refused(source, "it wants the password in the clear; set security_mode to SignAndEncrypt")


def offered(endpoints: Sequence[ua.EndpointDescription]) -> str:
    """What a server offers, in the words of the configuration."""
    kinds = {
        _named(str(each.SecurityPolicyUri).rpartition("#")[2], _MODES.get(each.SecurityMode, "an invalid mode"))
        for each in endpoints
    }
    return ", ".join(sorted(kinds)) or "nothing"


def first_certificate(source: OpcUaSource, chain: bytes | None) -> bytes:
    """The server's own certificate, of a chain that begins with it, in DER."""
    first: Any = uacrypto.x509_from_der  # of a chain; without annotations
    try:
        parsed: x509.Certificate | None = first(chain)
    except ValueError as error:
        raise _refused(source, f"the certificate of its endpoint cannot be read: {error}") from error
    if parsed is None:
        raise _refused(source, "its endpoint has no certificate")
    return parsed.public_bytes(Encoding.DER)


def require_trust(source: OpcUaSource, certificate: bytes) -> None:
    """Raise SourceUnavailableError unless the server's certificate (DER) is trusted; it is kept to be accepted then."""
    trust = TrustList(source.security.folder)
    try:
        if trust.is_trusted(certificate):
            _warn_of_dates(source, describe_certificate(certificate))
            return
        if source.security.trust_on_first_use and trust.meet(source.name, certificate):
            log.warning("%s: trusts the certificate %s on first use", source.name, fingerprint_of(certificate))
            return
        trust.show(certificate)
    except OSError as error:
        reason = f"cannot use the folder of certificates {source.security.folder}: {error.strerror or error}"
        raise _refused(source, reason) from error
    text = describe_certificate(certificate)
    changed = "; it is not the one that this source has met first" if source.security.trust_on_first_use else ""
    raise _refused(
        source,
        f"its certificate is not trusted{changed}: {text.subject}{_dates(text)}, "
        f"fingerprint (SHA-256) {text.fingerprint}; when its administrator says the same: "
        f"historian trust accept {text.fingerprint[:16]}",
    )


def _warn_of_dates(source: OpcUaSource, text: CertificateText) -> None:
    """A certificate that was accepted by its fingerprint stays good, but its server may have to get a new one."""
    if said := text.outside_of_dates(datetime.now(UTC)):
        log.warning("%s: the server's certificate %s", source.name, said)


def _dates(text: CertificateText) -> str:
    said = text.outside_of_dates(datetime.now(UTC))
    return f" ({said})" if said else ""


def _token(source: OpcUaSource) -> ua.UserTokenType:
    if source.security.user_certificate is not None:
        return ua.UserTokenType.Certificate
    return ua.UserTokenType.Anonymous if source.user is None else ua.UserTokenType.UserName


def _named(policy: str, mode: str) -> str:
    return "no security" if policy == "None" else f"{policy} with {mode}"


def _refused(source: OpcUaSource, reason: str) -> SourceUnavailableError:
    text = f"cannot connect to source {source.name!r} at {source.url}: {reason}"
    return SourceUnavailableError(text, BAD_CONFIGURATION_ERROR)
