"""What deliveries would be refused is said when the configuration is read, and nothing else is."""

import pytest

from relay.settings.document import Data
from relay.settings.reach import unreachable


@pytest.mark.parametrize(
    "url,private",
    [
        ("https://orders.example.com/hooks", False),
        ("https://1.1.1.1/", False),
        ("http://127.0.0.1:9000/", True),
        ("http://localhost:9000/", True),
        ("http://localhost.:9000/", ["127.0.0.0/8"]),
        ("http://localhost:9000/", ["::1"]),
        ("http://10.1.2.3/", ["10.0.0.0/8"]),
        ("http://169.254.7.7/", ["169.254.0.0/16"]),
    ],
)
def test_a_name_and_what_the_destination_permits_are_left_alone(
    url: str, private: Data
) -> None:
    assert unreachable(url, private) is None


@pytest.mark.parametrize(
    "url,private",
    [
        ("http://[::1/", False),
        ("", False),
        ("http://10.1.2.3/", "yes"),
        ("http://10.1.2.3/", ["10.0.0.0/8", "lan"]),
    ],
)
def test_what_is_a_mistake_by_itself_is_not_judged(url: str, private: Data) -> None:
    assert unreachable(url, private) is None


@pytest.mark.parametrize("private", [True, ["169.254.0.0/16", "fd00::/8"]])
@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"]
)
def test_a_metadata_service_is_never_permitted(host: str, private: Data) -> None:
    message, hint = unreachable(f"http://{host}/", private) or ("", "")
    assert "metadata service" in message
    assert hint == "no setting permits it"


def test_what_came_from_a_variable_is_not_quoted() -> None:
    message, _ = unreachable("http://10.1.2.3/", None, shown="the host") or ("", "")
    assert message.startswith("the host is a private address")
