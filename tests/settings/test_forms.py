"""Names, addresses, networks, URLs, brokers."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from relay.settings.forms import (
    Brokers,
    Form,
    HttpUrl,
    Listen,
    ListenAddress,
    Named,
    Network,
    PathText,
    Text,
)

ANYTHING = (
    st.text()
    | st.text("0123456789:.[]/abchtps@?#-,", max_size=30)
    | st.integers()
    | st.booleans()
    | st.none()
    | st.lists(st.text(max_size=5), max_size=3)
)


@given(
    ANYTHING,
    st.sampled_from(
        [
            Brokers(),
            HttpUrl(query=True),
            Listen(),
            Named(),
            Network(),
            PathText(),
            Text(),
        ]
    ),
)
def test_any_value_is_read_or_refused_in_words(value: object, form: Form) -> None:
    try:
        said = str(form.read(value))
    except PydanticCustomError as error:
        said = error.message()
    assert said


@pytest.mark.parametrize("text", ["a", "acme", "a-1", "0", "a" * 63])
def test_a_name_is_lower_case_letters_digits_and_inner_hyphens(text: str) -> None:
    assert text == Named().read(text)


@pytest.mark.parametrize(
    "value", ["", "-a", "a-", "A", "a_b", "a.b", "a b", "ä", "a\n", "a" * 64, 5, None]
)
def test_what_is_no_name_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        Named().read(value)


@pytest.mark.parametrize(
    "text,host,port",
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("0.0.0.0:8080", "0.0.0.0", 8080),  # noqa: S104 - read, not bound to
        ("[::1]:8080", "::1", 8080),
        (":8080", "", 8080),
        ("127.0.0.1:0", "127.0.0.1", 0),
    ],
)
def test_an_address_reads_as_it_is_written(text: str, host: str, port: int) -> None:
    address = ListenAddress.of(text)
    assert (host, port, text) == (address.host, address.port, str(address))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "80",
        8080,
        "127.0.0.1",
        "127.0.0.1:",
        "localhost:8080",
        "::1:8080",
        "1.2.3.4:65536",
        "1.2.3.4:٣",
        "1.2.3.4:-1",
        "[1.2.3.4]:1",
        "http://127.0.0.1:80",
    ],
)
def test_what_is_no_address_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        Listen().read(value)


@pytest.mark.parametrize(
    "one,other,clash",
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "0.0.0.0:80", True),
        (":80", "[::1]:80", True),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_two_addresses_clash_when_one_process_cannot_bind_both(
    one: str,
    other: str,
    clash: bool,
) -> None:
    first, second = ListenAddress.of(one), ListenAddress.of(other)
    assert (clash, clash) == (first.clashes(second), second.clashes(first))


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8", "fd00::/8", "192.0.2.7", "10.0.0.0/255.0.0.0"]
)
def test_a_network_is_cidr_or_one_address(text: str) -> None:
    assert ipaddress.ip_network(text) == Network().read(text)


@pytest.mark.parametrize("value", ["", "10.0.0.0/33", "10.0.0.1/8", "lan", 10, None])
def test_what_is_no_network_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        Network().read(value)


@pytest.mark.parametrize(
    "text",
    [
        "http://orders.shop.svc/hooks",
        "https://a.example:8443",
        "http://[::1]:80/x?y=%20",
    ],
)
def test_a_url_is_kept_as_written(text: str) -> None:
    assert text == HttpUrl(query=True).read(text)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "orders",
        "ftp://a/",
        "http://",
        "http:///x",
        "http://u:p@a/",
        "http://u@a/",
        "http://a/#f",
        "http://a/#",
        "http://a:0/",
        "http://a:99999/",
        "http://a b/",
        "http://a\\b/",
        "http://ä.example/",
        "http://[::1/",
        "http://a/\n",
        "http://" + "a" * 2048,
        80,
    ],
)
def test_what_is_no_usable_url_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        HttpUrl(query=True).read(value)


def test_our_own_url_has_no_query() -> None:
    with pytest.raises(PydanticCustomError, match="query"):
        HttpUrl(query=False).read("https://relay.example.com/?a=1")


@pytest.mark.parametrize(
    "value",
    [
        "kafka-1:9092,kafka-2:9092",
        "kafka-1:9092, kafka-2:9092",
        ["kafka-1:9092", "kafka-2:9092"],
    ],
)
def test_brokers_are_one_text_or_a_list(value: object) -> None:
    assert Brokers().read(value) == ("kafka-1:9092", "kafka-2:9092")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "kafka",
        "kafka:",
        ":9092",
        "kafka:0",
        "kafka:65536",
        "a:1,",
        "a b:1",
        "kafka://a:1",
        [],
        [5],
        {"a": 1},
        9092,
    ],
)
def test_what_is_no_list_of_brokers_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        Brokers().read(value)
