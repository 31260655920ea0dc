"""Who we are to a server: password and certificates, read at each connect, so that changed ones are picked up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from collectors.opcua.certificates import OwnCertificate, own_certificate, read_pair
from historian.config.settings import OpcUaSource
from historian.errors import SourceUnavailableError
from historian.model.status import BAD_CONFIGURATION_ERROR


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection needs: ``password`` and ``user`` certificate to log in with, ``own`` to secure it."""

    password: str | None = None
    own: OwnCertificate | None = None
    user: OwnCertificate | None = None


def read_credentials(source: OpcUaSource) -> Credentials:
    """Everything that ``source`` needs; our certificate is made on first use, which takes a second.

    Raises SourceUnavailableError (BadConfigurationError) for what is not there or cannot be read.
    """
    security = source.security
    user = None
    if security.user_certificate is not None and security.user_private_key is not None:
        user = read_pair(source, security.user_certificate, security.user_private_key)
    return Credentials(read_password(source), own_certificate(source) if security.is_on else None, user)


def read_password(source: OpcUaSource) -> str | None:
    """The password; None for an anonymous session or a user without one.

    Raises SourceUnavailableError (BadConfigurationError) when the place that the configuration names does not hold one.
    """
    if source.user is None:
        return None
    if source.password_env is not None:
        return _from_environment(source, source.password_env)
    if source.password_file is not None:
        return _from_file(source, source.password_file)
    return None


def _from_environment(source: OpcUaSource, variable: str) -> str:
    password = os.environ.get(variable)
    if password is None:
        raise _missing(
            source, f"the environment variable {variable} (password_env) is not set; set it where the collector starts"
        )
    return password


def _from_file(source: OpcUaSource, path: Path) -> str:
    try:
        # Editors end a file with a line break and, on Windows, begin it with a byte order mark.
        return path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise _missing(source, f"cannot read password_file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _missing(source, f"password_file {path} is not text in UTF-8") from error


def _missing(source: OpcUaSource, reason: str) -> SourceUnavailableError:
    text = f"cannot log in to source {source.name!r} as user {source.user!r}: {reason}"
    return SourceUnavailableError(text, BAD_CONFIGURATION_ERROR)
