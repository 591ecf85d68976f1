"""The store's URL: two forms, and a password that never shows."""

import pytest

from relay.settings.store import StoreForm, StoreUrl

URL = "postgresql://relay:hidden@db.example:5433/relay?sslmode=require"


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
