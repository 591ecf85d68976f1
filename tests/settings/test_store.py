"""The store's URL: two forms, and a password that never shows."""

from pathlib import Path

import pytest
from pydantic_core import PydanticCustomError

from relay.settings import ConfigError, parse
from relay.settings.store import StoreForm, StoreUrl

URL = "postgresql://relay:hidden@db.example:5433/relay?sslmode=require"
REST = """
sources: [{name: acme, secret: whsec_something}]
destinations: [{name: audit, kind: file, path: events.jsonl}]
"""


def test_a_database_is_shown_without_who_enters_it() -> None:
    url = StoreForm().read(URL)
    assert url.reveal() == URL
    assert url.file is None
    for shown in (str(url), repr(url), f"{url}", str([url])):
        assert "db.example:5433/relay" in shown
        assert "hidden" not in shown


@pytest.mark.parametrize(
    "text,file",
    [("sqlite:///relay.db", "relay.db"), ("sqlite:////srv/a.db", "/srv/a.db")],
)
def test_a_file_is_below_data_dir_or_absolute(text: str, file: str) -> None:
    url = StoreForm().read(text)
    assert (url.file, str(url)) == (file, text)


def test_equal_urls_are_equal() -> None:
    assert StoreForm().read(URL) == StoreUrl(URL)
    assert StoreUrl(URL) != StoreUrl(URL + "x")
    assert StoreUrl(URL) != URL
    assert len({StoreUrl(URL), StoreUrl(URL)}) == 1


def refused(text: object) -> str:
    with pytest.raises(PydanticCustomError) as told:
        StoreForm().read(text)
    return str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://relay@db/relay",
        "postgresql://db/relay?sslmode=verify-full&sslrootcert=/run/ca.pem",
        "postgresql://relay:p%40ss%2Fw%23rd@db:5432/relay",
        "postgresql://relay@[::1]:5432/relay",
        "postgresql://relay@a:5432,b:5433/relay?target_session_attrs=read-write",
        "postgres://relay@db/relay?search_path=relay",
    ],
)
def test_what_clients_of_postgresql_understand_is_accepted(url: str) -> None:
    assert StoreForm().read(url).reveal() == url


@pytest.mark.parametrize("password", ["p@ss", "p@1:2", "a/b", "1/x?y", "12#3", "1?x=y"])
def test_a_password_that_must_be_encoded_is_not_taken_for_anything_else(
    password: str,
) -> None:
    """Else a part of it would be a host, a port or a database, and be shown as such."""
    said = refused(f"postgresql://relay:{password}@db/relay")
    assert "must be percent-encoded" in said
    assert password not in said


@pytest.mark.parametrize(
    "url,word",
    [
        ("postgresql://db", "name a host and a database"),
        ("postgresql:///relay", "name a host and a database"),
        ("postgresql://db:port/relay", "name a host and a database"),
        ("postgresql://[::1/relay", "name a host and a database"),
        ("postgresql://db/relay?verify", "NAME=VALUE"),
        ("postgresql://db/relay?sslmode=verify_full", "verify-full"),
    ],
)
def test_what_could_not_be_dialled_is_refused_when_it_is_read(
    url: str, word: str
) -> None:
    assert word in refused(url)


def test_the_whole_url_may_stand_in_a_file(tmp_path: Path) -> None:
    """As an operator of databases writes it into a Secret that is mounted."""
    (tmp_path / "uri").write_text(f"{URL}\n")
    text = f"data_dir: {tmp_path}\nstore: {{file: uri}}\n{REST}"
    assert parse(text, {}, file="relay.yaml").store.reveal() == URL


@pytest.mark.parametrize("content", ["", "mysql://hidden@db/relay"])
def test_a_file_that_holds_no_url_is_a_mistake_of_the_store(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "uri").write_text(content)
    text = f"data_dir: {tmp_path}\nstore: {{file: uri}}\n{REST}"
    with pytest.raises(ConfigError) as told:
        parse(text, {}, file="relay.yaml")
    assert [mistake.path for mistake in told.value.mistakes] == ["store"]
    assert "hidden" not in str(told.value)


def test_the_environment_may_name_the_store() -> None:
    settings = parse(REST, {"RELAY__STORE": URL}, file="relay.yaml")
    assert settings.store.reveal() == URL
