"""``historian trust``: which OPC UA servers are trusted, by the fingerprints of their certificates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.columns import aligned
from cli.options import config_option
from historian.config.load import load_sections

if TYPE_CHECKING:
    from collectors.opcua.certificates import CertificateText


@click.group()
def trust() -> None:
    """See which OPC UA servers are trusted, and accept or remove one.

    A server that a source with a security_policy meets for the first time is refused, and its certificate waits here.
    Compare the fingerprint with what the server's administrator says, then accept it.
    """


@trust.command("list")
@config_option
def list_(config_path: Path) -> None:
    """List our own certificate, those that are trusted and those that wait to be accepted."""
    # Imported here, so that --help does not wait for it.
    from collectors.opcua.certificates import CERTIFICATE, OWN, describe_certificate  # noqa: PLC0415 - as above
    from collectors.opcua.trust_list import Known, TrustList  # noqa: PLC0415 - as above

    folder = load_sections(config_path).pki
    known = TrustList(folder).all()
    own = folder / OWN / CERTIFICATE
    if own.is_file():
        known.insert(0, Known("own", describe_certificate(own.read_bytes())))
    if not known:
        click.echo(f"there is no certificate in {folder} yet: servers are met by historian check --connect", err=True)
        return
    rows = [
        (each.state, each.text.fingerprint, each.text.thumbprint, _dates(each.text),
         each.text.application_uri, each.text.subject)
        for each in known
    ]  # fmt: skip
    header = ("state", "fingerprint (SHA-256)", "thumbprint (SHA-1)", "valid until", "application", "subject")
    for line in aligned(header, rows):
        click.echo(line)


@trust.command("accept")
@click.argument("fingerprint")
@config_option
def accept(fingerprint: str, config_path: Path) -> None:
    """Trust the server whose certificate has this FINGERPRINT; its first 8 digits suffice where they name one."""
    from collectors.opcua.trust_list import TrustList  # noqa: PLC0415 - as above

    text = TrustList(load_sections(config_path).pki).accept(fingerprint)
    click.echo(f"trusted from now on: {text.subject}, fingerprint (SHA-256) {text.fingerprint}")
    if said := text.outside_of_dates(datetime.now(UTC)):
        click.echo(f"warning: the certificate {said}", err=True)


@trust.command("remove")
@click.argument("fingerprint")
@config_option
def remove(fingerprint: str, config_path: Path) -> None:
    """Trust it no more, and forget it; a running connection stays until it is lost."""
    from collectors.opcua.trust_list import TrustList  # noqa: PLC0415 - as above

    text = TrustList(load_sections(config_path).pki).remove(fingerprint)
    click.echo(f"no longer trusted: {text.subject}, fingerprint (SHA-256) {text.fingerprint}")


def _dates(text: CertificateText) -> str:
    """Until when it is valid, and whether that matters today."""
    now = datetime.now(UTC)
    state = " (expired)" if now > text.valid_until else " (not valid yet)" if now < text.valid_from else ""
    return f"{text.valid_until:%Y-%m-%d}{state}"
