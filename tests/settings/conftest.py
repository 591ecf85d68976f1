"""What the tests of the settings share: a way to see every mistake, and the sample of all sections."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
import trustme

from relay.settings import ConfigError, Settings, parse

Found = list[tuple[int | None, str, str]]
Faults = Callable[..., Found]

SIGNING: Final = "whsec_" + base64.b64encode(b"s" * 32).decode()

#: Filled up with what a test does not speak of.
SOURCES: Final = "sources: [{name: acme, secret: long enough}]\n"
DESTINATIONS: Final = "destinations: [{name: audit, kind: file, path: events.jsonl}]\n"


def _found(text: str, environ: Mapping[str, str] = MappingProxyType({})) -> Found:
    """Give (line, path, message and hint) of every mistake in a text."""
    try:
        parse(text, environ, file="relay.yaml")
    except ConfigError as error:
        return [
            (m.line, m.path, f"{m.message} | {m.hint}" if m.hint else m.message)
            for m in error.mistakes
        ]
    return []


@pytest.fixture
def faults() -> Faults:
    """Every mistake of a text that is used as it stands."""
    return _found


@pytest.fixture
def faults_in() -> Faults:
    """Every mistake of a text that sources and destinations are put below, where it has none."""

    def found(text: str, environ: Mapping[str, str] = MappingProxyType({})) -> Found:
        whole = text.rstrip() + "\n"
        whole += "" if "sources:" in whole else SOURCES
        whole += "" if "destinations:" in whole else DESTINATIONS
        return _found(whole, environ)

    return found


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with a certificate, its key and who has signed it."""
    authority = trustme.CA()
    issued = authority.issue_cert("relay.test")
    path = tmp_path_factory.mktemp("tls") / "chain.pem"
    parts = [issued.private_key_pem, *issued.cert_chain_pems, authority.cert_pem]
    path.write_bytes(b"".join(part.bytes() for part in parts))
    return path


@pytest.fixture
def environ(tmp_path: Path, chain: Path) -> dict[str, str]:
    """The environment that the sample of all sections asks for."""
    secret = tmp_path / "beta-secret"
    secret.write_text("whsec_from_a_file\n")
    pem = tmp_path / "all.pem"
    pem.write_text("not read here")
    return {
        "K1": "whsec_runflow_key_one",
        "K2": "whsec_runflow_key_two",
        "W1": SIGNING,
        "W2": "whpk_" + base64.b64encode(b"p" * 32).decode(),
        "S1": SIGNING,
        "TOKEN": "rf_live_of_the_api",
        "PASSWORD": "a-kafka-password",
        "SECRET_FILE": str(secret),
        "PEM_FILE": str(pem),
        "CHAIN_FILE": str(chain),
    }


@pytest.fixture
def sample() -> str:
    """The text of the sample of all sections."""
    return Path(__file__).with_name("every-section.yaml").read_text()


@pytest.fixture
def settings(sample: str, environ: dict[str, str]) -> Settings:
    """The sample of all sections, read."""
    return parse(sample, environ, file="every-section.yaml")
