"""The keys of a secure OPC UA connection: what goes together, and what each fault says."""

from __future__ import annotations

from pathlib import Path

import pytest

from historian.config.load import load_configuration
from historian.config.settings import OpcUaSecurity, OpcUaSource
from historian.errors import ConfigurationError
from support.plant_files import SETTINGS, write


def security_of(folder: Path, lines: str, top: str = "") -> OpcUaSecurity:
    source = load_configuration(write(folder, top + SETTINGS + lines)).sources["mixer"]
    assert isinstance(source, OpcUaSource)
    return source.security


def test_all_keys(tmp_path: Path) -> None:
    lines = """
        security_policy = "Aes256_Sha256_RsaPss"
        security_mode = "Sign"
        trust_on_first_use = true
        certificate = "own.der"
        private_key = "own.pem"
        user_certificate = "user.der"
        user_private_key = "/keys/user.pem"
    """
    assert security_of(tmp_path, lines, 'pki = "certificates"\n') == OpcUaSecurity(
        "Aes256_Sha256_RsaPss", "Sign", tmp_path / "certificates", True,
        tmp_path / "own.der", tmp_path / "own.pem", tmp_path / "user.der", Path("/keys/user.pem"),
    )  # fmt: skip


def test_without_them_nothing_is_secured_and_the_folder_is_beside_the_file(tmp_path: Path) -> None:
    security = security_of(tmp_path, "")
    assert security == OpcUaSecurity(folder=tmp_path / "pki")
    assert not security.is_on


@pytest.mark.parametrize(
    ("lines", "key", "said"),
    [
        ('security_policy = "Basic256"', "security_policy", "Aes256_Sha256_RsaPss"),
        ('security_mode = "sign"', "security_mode", '"Sign" or "SignAndEncrypt"'),
        ('security_policy = "Basic256Sha256"\ncertificate = "a.der"', "private_key", "certificate is of no use"),
        ('user_private_key = "a.pem"', "user_certificate", "user_private_key is of no use"),
        (
            'user = "a"\npassword_env = "B"\nuser_certificate = "a"\nuser_private_key = "b"',
            "user_certificate",
            "not both",
        ),
    ],
)
def test_faults(tmp_path: Path, lines: str, key: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        security_of(tmp_path, lines)
    (fault,) = caught.value.faults
    assert fault.place.endswith(f"sources.mixer.{key}")
    assert said in str(fault)
