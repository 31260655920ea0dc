"""Secure connections: every policy and mode, ways to log in, whose certificate is trusted, and what is refused."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import ServiceError

from collectors.opcua.certificates import CertificateText, fingerprint_of
from collectors.opcua.driver import OpcUaDriver
from collectors.opcua.failures import CONNECT, unavailable
from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver, SubscribePlan
from collectors.opcua.trust_list import MOST_WAITING, TrustList
from conformance.collector_suite import eventually, group_of
from conformance.opcua_servers import USERS, AsyncuaServer, make_certificate, tag_at
from historian.config.settings import OpcUaSecurity
from historian.errors import SourceUnavailableError, UsageError
from historian.model.clock import SystemClock
from historian.model.status import BAD_CONFIGURATION_ERROR, GOOD

Connect = Callable[..., Any]
Policy = ua.SecurityPolicyType

POLICIES = ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
MODES = ["Sign", "SignAndEncrypt"]


@pytest.fixture(scope="module")
def secure_server() -> Iterator[AsyncuaServer]:
    """A server with every policy but None."""
    server = AsyncuaServer(
        Policy.Basic256Sha256_Sign,
        Policy.Basic256Sha256_SignAndEncrypt,
        Policy.Aes128Sha256RsaOaep_Sign,
        Policy.Aes128Sha256RsaOaep_SignAndEncrypt,
        Policy.Aes256Sha256RsaPss_Sign,
        Policy.Aes256Sha256RsaPss_SignAndEncrypt,
    )
    server.start()
    server.add("secret", 41.5, ua.VariantType.Double)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has a certificate of ours already, for making one takes a while."""
    return tmp_path_factory.mktemp("pki")


@pytest.fixture
async def connect(secure_server: AsyncuaServer, own_pki: Path) -> AsyncIterator[Connect]:
    """Connect with these settings of security, to a server that is trusted; closed after the test."""
    drivers: list[OpcUaDriver] = []

    async def open_driver(server: AsyncuaServer = secure_server, trust: bool = True, **settings: Any) -> OpcUaDriver:
        login = {name: settings.pop(name) for name in ("user", "password_env") if name in settings}
        folder = settings.pop("folder", own_pki)
        if trust and server.certificate:
            accept(folder, server.certificate)
        security = OpcUaSecurity(folder=folder, **settings)
        drivers.append(OpcUaDriver(server.source(security=security, **login), SystemClock()))
        await drivers[-1].connect()
        return drivers[-1]

    yield open_driver
    for driver in drivers:
        await driver.close()


def accept(folder: Path, certificate: bytes) -> None:
    trust = TrustList(folder)
    if not trust.is_trusted(certificate):
        trust.show(certificate)
        trust.accept(fingerprint_of(certificate))


async def value_of(driver: OpcUaDriver) -> float:
    group = group_of(tag_at("ns=2;s=secret"))
    reading = await driver.read(group, await driver.plan(group))
    assert reading.status.tolist() == [GOOD]
    return float(reading.value[0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
async def test_every_policy_and_mode(connect: Connect, policy: str, mode: str) -> None:
    assert await value_of(await connect(policy=policy, mode=mode)) == 41.5


async def test_nothing_is_readable_on_the_wire(
    secure_server: AsyncuaServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node's name is in every read that is not encrypted."""
    sent: list[bytes] = []
    driver = await connect(policy="Basic256Sha256", mode="SignAndEncrypt")
    transport = driver._connection._client.uaclient.protocol.transport
    write = transport.write
    monkeypatch.setattr(transport, "write", lambda data: (sent.append(bytes(data)), write(data)))
    assert await value_of(driver) == 41.5
    assert sent
    assert not any(b"secret" in each for each in sent)


@pytest.mark.parametrize("mode", MODES)
async def test_a_user_with_a_password(
    secure_server: AsyncuaServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("MIXER_PASSWORD", USERS["operator"])
    settings = {"policy": "Basic256Sha256", "mode": mode, "user": "operator", "password_env": "MIXER_PASSWORD"}
    assert await value_of(await connect(**settings)) == 41.5
    monkeypatch.setenv("MIXER_PASSWORD", "wrong")
    with pytest.raises(SourceUnavailableError, match="BadUserAccessDenied"):
        await connect(**settings)


async def test_a_user_with_a_certificate(secure_server: AsyncuaServer, connect: Connect, tmp_path: Path) -> None:
    key, certificate = make_certificate("urn:user")
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "user.der").write_bytes(certificate)
    secure_server.users.seen.clear()
    driver = await connect(
        policy="Aes256_Sha256_RsaPss",
        user_certificate=tmp_path / "user.der",
        user_private_key=tmp_path / "key.pem",
    )
    assert await value_of(driver) == 41.5
    assert secure_server.users.seen == [certificate]


# -- our certificate


async def test_our_certificate_is_made_on_first_use(
    secure_server: AsyncuaServer, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "pki"
    await asyncio.gather(*(connect(policy="Basic256Sha256", folder=folder) for _ in range(3)))
    certificate = (folder / "own" / "certificate.der").read_bytes()
    assert caplog.text.count("made a certificate") == 1
    assert fingerprint_of(certificate) in caplog.text
    key = folder / "own" / "private_key.pem"
    if os.name == "posix":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text().splitlines()[1] not in caplog.text
    await connect(policy="Basic256Sha256", folder=folder)
    assert (folder / "own" / "certificate.der").read_bytes() == certificate, "kept from then on"
    assert not list(folder.glob("own-*")), "nothing half made is left"


async def test_our_certificate_says_what_the_standard_asks_for(connect: Connect, own_pki: Path, tmp_path: Path) -> None:
    """OPC 10000-6, 6.2.2: the application URI among the names; as OpenSSL reads it."""
    driver = await connect(policy="Basic256Sha256")
    pem = tmp_path / "own.pem"
    pem.write_text(ssl.DER_cert_to_PEM_cert((own_pki / "own" / "certificate.der").read_bytes()))
    told = ssl._ssl._test_decode_cert(str(pem))  # what the standard library has for its own tests
    names = dict(told["subjectAltName"])
    assert names["URI"] == driver._connection._client.application_uri
    assert names["URI"].endswith(":plant-historian")
    assert told["subject"] == told["issuer"]


async def test_a_certificate_of_the_plants_own(connect: Connect, tmp_path: Path) -> None:
    key, certificate = make_certificate("urn:plant:historian-7")
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "cert.pem").write_text(ssl.DER_cert_to_PEM_cert(certificate))
    paths = {"certificate": tmp_path / "cert.pem", "private_key": tmp_path / "key.pem"}
    driver = await connect(policy="Basic256Sha256", folder=tmp_path / "pki", **paths)
    assert driver._connection._client.application_uri == "urn:plant:historian-7"
    assert not (tmp_path / "pki" / "own").exists()


@pytest.mark.parametrize("which", ["missing", "another's", "rubbish"])
async def test_a_key_that_does_not_fit_is_said(connect: Connect, tmp_path: Path, which: str) -> None:
    _, certificate = make_certificate("urn:a")
    (tmp_path / "cert.der").write_bytes(certificate)
    key = tmp_path / "key.pem"
    if which != "missing":
        key.write_bytes(b"-----rubbish" if which == "rubbish" else make_certificate("urn:b")[0])
    wanted = {"missing": "No such file", "another's": "not the RSA key", "rubbish": "in no form"}[which]
    with pytest.raises(SourceUnavailableError, match=wanted) as caught:
        await connect(policy="Basic256Sha256", certificate=tmp_path / "cert.der", private_key=key)
    assert caught.value.status == BAD_CONFIGURATION_ERROR


async def test_a_server_that_does_not_trust_us_is_said(secure_server: AsyncuaServer, connect: Connect) -> None:
    async def refuse(*_: object) -> None:
        raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    secure_server.server.iserver.certificate_validator = refuse
    try:
        with pytest.raises(SourceUnavailableError, match=r"does not take our certificate.*Untrusted.*own"):
            await connect(policy="Basic256Sha256")
    finally:
        secure_server.server.iserver.certificate_validator = None


def test_a_fault_in_place_of_a_secure_channel_is_said(secure_server: AsyncuaServer, own_pki: Path) -> None:
    """The library then fails in an assertion of its own."""
    security = OpcUaSecurity("Basic256Sha256", folder=own_pki)
    error = unavailable(secure_server.source(security=security), CONNECT, AssertionError())
    assert "does not take our certificate: it refuses a secure channel" in str(error)
    assert error.status == BAD_CONFIGURATION_ERROR


# -- the server's certificate


@pytest.mark.parametrize(
    ("days", "said"), [(-1, "is not valid before 2026-11-25"), (1, ""), (11, "has expired on 2026-12-05")]
)
def test_what_is_said_of_dates(days: int, said: str) -> None:
    begin = datetime(2026, 11, 25, tzinfo=UTC)
    text = CertificateText("", "", "", "", begin, begin + timedelta(days=10))
    assert text.outside_of_dates(begin + timedelta(days=days)) == said


async def test_a_certificate_that_has_expired_is_said_before_and_after_it_is_accepted(
    secure_server: AsyncuaServer, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CertificateText, "outside_of_dates", lambda _, __: "has expired on 2026-10-26")
    folder = tmp_path / "pki"
    with pytest.raises(SourceUnavailableError, match=r"not trusted: .*\(has expired on 2026-10-26\), fingerprint"):
        await connect(policy="Basic256Sha256", folder=folder, trust=False)
    await connect(policy="Basic256Sha256", folder=folder)
    assert "the server's certificate has expired on 2026-10-26" in caplog.text

async def test_an_unknown_server_is_refused_until_it_is_accepted(
    secure_server: AsyncuaServer, connect: Connect, own_pki: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pki"
    fingerprint = fingerprint_of(secure_server.certificate)
    for _ in range(2):
        with pytest.raises(SourceUnavailableError, match=f"not trusted.*{fingerprint}.*trust accept") as caught:
            await connect(policy="Basic256Sha256", folder=folder, trust=False)
        assert caught.value.status == BAD_CONFIGURATION_ERROR
    trust = TrustList(folder)
    assert [(each.state, each.text.fingerprint) for each in trust.all()] == [("waiting", fingerprint)]
    assert trust.accept(fingerprint[:8]).fingerprint == fingerprint
    assert await value_of(await connect(policy="Basic256Sha256", folder=folder, trust=False)) == 41.5
    trust.remove(fingerprint)
    with pytest.raises(SourceUnavailableError, match="not trusted"):
        await connect(policy="Basic256Sha256", folder=folder, trust=False)


async def test_trust_on_first_use_is_for_the_first_certificate_only(
    secure_server: AsyncuaServer, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pki"
    settings = {"policy": "Basic256Sha256", "folder": folder, "trust": False, "trust_on_first_use": True}
    for _ in range(2):
        assert await value_of(await connect(**settings)) == 41.5
    trust = TrustList(folder)
    assert [each.state for each in trust.all()] == ["trusted"]
    # Another server in its place: what this one shows is not what was met first.
    _, other = make_certificate("urn:other")
    assert not trust.meet("plant", other)
    assert not trust.is_trusted(other)
    assert trust.meet("another source", other)
    # After it was removed by hand, the source meets it for the first time again.
    trust.remove(fingerprint_of(secure_server.certificate))
    assert await value_of(await connect(**settings)) == 41.5


def test_certificates_that_wait_do_not_fill_the_disk(tmp_path: Path) -> None:
    _, certificate = make_certificate("urn:server")
    trust = TrustList(tmp_path)
    for number in range(MOST_WAITING + 5):
        trust.show(certificate + bytes([number]))
    trust.show(certificate)
    assert len(list((tmp_path / "waiting").iterdir())) == MOST_WAITING
    assert trust.accept(fingerprint_of(certificate)[:10])


def test_certificates_are_told_by_enough_digits_that_name_one(tmp_path: Path) -> None:
    _, certificate = make_certificate("urn:server")
    trust = TrustList(tmp_path)
    trust.show(certificate)
    (tmp_path / "waiting" / "note.der").write_text("no certificate")
    (known,) = trust.all()
    for digits, wanted in (("abc", "got 3 digits"), ("0" * 64, "got no certificate")):
        with pytest.raises(UsageError, match=wanted):
            trust.accept(digits)
    shown = ":".join(known.text.thumbprint[place : place + 2].upper() for place in range(0, 40, 2))
    assert trust.accept(shown).fingerprint == known.text.fingerprint, "as other programs show it"


# -- what a server offers


@pytest.fixture(scope="module")
def modest_server() -> Iterator[AsyncuaServer]:
    """A server that signs, but does not encrypt, and lets in nobody without a password."""
    server = AsyncuaServer(Policy.NoSecurity, Policy.Basic256Sha256_Sign)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(("policy", "mode"), [("Basic256Sha256", "SignAndEncrypt"), ("Aes256_Sha256_RsaPss", "Sign")])
async def test_a_server_that_offers_less_is_refused_by_name(
    modest_server: AsyncuaServer, connect: Connect, policy: str, mode: str
) -> None:
    offer = f"offers Basic256Sha256 with Sign, no security; wanted {policy} with {mode}"
    with pytest.raises(SourceUnavailableError, match=offer) as caught:
        await connect(modest_server, policy=policy, mode=mode)
    assert caught.value.status == BAD_CONFIGURATION_ERROR


async def test_a_server_without_an_open_endpoint_is_refused_by_name(
    secure_server: AsyncuaServer, connect: Connect
) -> None:
    with pytest.raises(SourceUnavailableError, match=r"offers Aes128.*wanted no security; set security_policy"):
        await connect()


@pytest.mark.parametrize("tells", [True, False])
async def test_a_server_that_refuses_an_open_channel_is_refused_by_name(
    secure_server: AsyncuaServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    """Some tell of themselves on a channel on which they let nobody work; others do not tell there either."""

    async def refuse(_: object) -> None:
        raise ua.uaerrors.BadSecurityModeRejected

    async def hang_up(_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(Client, "connect", refuse)
    if not tells:
        monkeypatch.setattr(Client, "connect_and_get_server_endpoints", hang_up)
    with pytest.raises(SourceUnavailableError, match="offers Aes128" if tells else "BadSecurityModeRejected"):
        await connect()


async def test_a_server_that_lets_nobody_in_so_is_refused_by_name(
    secure_server: AsyncuaServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = secure_server.server.iserver.endpoints
    fewer = [ua.EndpointDescription(**{name: getattr(each, name) for name in each.__slots__}) for each in kept]
    for each in fewer:
        each.UserIdentityTokens = [token for token in each.UserIdentityTokens if "cert" in str(token.PolicyId)]
    monkeypatch.setattr(secure_server.server.iserver, "endpoints", fewer)
    with pytest.raises(SourceUnavailableError, match="lets in by user certificate; wanted anonymous"):
        await connect(policy="Basic256Sha256")


async def test_a_password_in_the_clear_is_said(
    modest_server: AsyncuaServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MIXER_PASSWORD", USERS["operator"])
    login = {"user": "operator", "password_env": "MIXER_PASSWORD"}
    await connect(modest_server, **login)
    assert "goes over the network in the clear" in caplog.text
    assert USERS["operator"] not in caplog.text


async def test_a_secure_session_is_taken_up_again_after_a_short_loss(
    secure_server: AsyncuaServer, own_pki: Path
) -> None:
    """With new keys on a new channel, and the same subscription."""
    accept(own_pki, secure_server.certificate)
    security = OpcUaSecurity("Aes256_Sha256_RsaPss", folder=own_pki)
    driver = OpcUaSubscriptionDriver(secure_server.source(mode="subscribe", security=security), SystemClock())
    group = group_of(tag_at("ns=2;s=secret"))
    await driver.connect()
    try:
        plan = await driver.plan(group)
        assert isinstance(plan, SubscribePlan)
        number = plan.number
        assert (await driver.read(group, plan)).value.tolist() == [41.5]

        async def cut() -> None:
            for protocol in list(secure_server.server.bserver.clients):
                protocol.transport.abort()

        secure_server.do(cut())
        publisher = driver._publisher
        assert publisher is not None
        await eventually(lambda: publisher.failure is not None, "the loss is noticed")
        assert (await driver.read(group, plan)).value.tolist() == [41.5]
        assert plan.number == number
        assert publisher.failure is None
    finally:
        await driver.close()
