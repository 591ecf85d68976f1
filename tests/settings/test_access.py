"""What stands in a destination's TLS files is part of the configuration, and is looked at with it."""

from pathlib import Path

import pytest
import trustme

from relay.settings import ConfigError, Settings, parse
from tests.settings.conftest import SIGNING


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "own.pem"
    renew(path)
    return path


def renew(path: Path) -> None:
    issued = trustme.CA().issue_cert("relay.test")
    parts = [issued.private_key_pem, *issued.cert_chain_pems]
    path.write_bytes(b"".join(part.bytes() for part in parts))


def settings_of(cert: Path, key: Path) -> Settings:
    text = (
        "sources: [{name: acme, secret: long enough}]\n"
        "destinations: [{name: orders, kind: http, url: https://a.example.com/,"
        f" secret: {SIGNING}, tls: {{cert: {cert}, key: {key}}}}}]\n"
    )
    return parse(text, {}, file="relay.yaml")


def test_a_renewed_certificate_is_another_configuration(pem: Path) -> None:
    """It lies where the old one lay: by what stands in it a running relay notices."""
    before = settings_of(pem, pem)
    assert before == settings_of(pem, pem)
    renew(pem)
    assert before != settings_of(pem, pem)


def test_a_key_of_another_certificate_is_a_mistake(pem: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    renew(other)
    with pytest.raises(ConfigError, match="KEY_VALUES_MISMATCH"):
        settings_of(pem, other)
