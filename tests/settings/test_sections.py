"""Every section: what the sample of all of them becomes, and what is there without asking."""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from relay.core.delivery import DEFAULT_LADDER, Policy
from relay.settings import (
    ConfigError,
    Duration,
    FileDestination,
    HttpDestination,
    KafkaDestination,
    ListenAddress,
    RunflowChannel,
    Settings,
    StandardChannel,
    load,
    load_place,
    parse,
)
from relay.settings.document import Data, read_document

SIGNING = "whsec_" + "A" * 44
CONFIG = Path(__file__).parents[2] / "config" / "relay.yaml"

SMALLEST = f"""\
sources: [{{name: acme, secret: long enough}}]
destinations: [{{name: orders, kind: http, url: "http://a/", secret: {SIGNING}}}]
"""


def _keys(data: Data) -> set[str]:
    if isinstance(data, dict):
        return set(data).union(*(_keys(value) for value in data.values()))
    if isinstance(data, list):
        return set().union(*(_keys(value) for value in data))
    return set()


def _fields(model: BaseModel) -> set[str]:
    found = set(type(model).model_fields)
    for name in type(model).model_fields:
        value = getattr(model, name)
        for item in value if isinstance(value, tuple) else [value]:
            found |= _fields(item) if isinstance(item, BaseModel) else set()
    return found


def test_the_sample_holds_every_setting_there_is(
    sample: str, settings: Settings
) -> None:
    assert set() == _fields(settings) - _keys(read_document(sample).data)


def test_the_listeners_are_read(settings: Settings) -> None:
    public = settings.public
    assert ListenAddress("0.0.0.0", 8080) == public.listen  # noqa: S104 - compared with
    assert public.url == "https://relay.example.com"
    assert [
        ipaddress.ip_network(n) for n in ("10.0.0.0/8", "fd00::/8", "192.0.2.7")
    ] == [*public.trusted_proxies]
    assert ListenAddress("::1", 8081) == settings.operator.listen


def test_the_sources_are_read(settings: Settings) -> None:
    acme, beta = settings.sources
    first, second = acme.keys
    assert (first.id, first.secret.reveal()) == ("k1", "whsec_runflow_key_one")
    assert datetime(2026, 12, 31, tzinfo=UTC) == first.not_after
    assert datetime(2026, 11, 30, 23, tzinfo=UTC) == second.not_before
    assert acme.require == ("status", "client_ref")
    assert [key.id for key in beta.keys] == ["default"]
    assert beta.keys[0].secret.reveal() == "whsec_from_a_file"


def test_the_channels_are_read(settings: Settings) -> None:
    org, second = settings.sources[0].channels
    assert isinstance(org, StandardChannel)
    assert (["w1", "w2"], Duration.of("2m")) == (
        [k.id for k in org.keys],
        org.tolerance,
    )
    assert isinstance(second, RunflowChannel)
    assert second.keys[0].secret.reveal() == "whsec_runflow_key_one"


def test_the_destinations_are_read(settings: Settings) -> None:
    orders, lake, billing, audit = settings.destinations
    assert isinstance(orders, HttpDestination)
    assert isinstance(billing, HttpDestination)
    assert (orders.format, billing.format) == ("data", "runflow")
    assert (orders.omit, orders.max_bytes) == (("metadata", "output"), 256 << 10)
    assert [*orders.headers] == ["X-Tenant", "X-Key"]
    assert (ipaddress.ip_network("10.1.0.0/16"),) == orders.private
    assert [str(step) for step in orders.ladder] == ["0s", "5s", "5m"]
    assert isinstance(lake, KafkaDestination)
    assert lake.bootstrap_servers == ("kafka-1:9093", "kafka-2:9093")
    assert lake.tls is not None
    assert lake.sasl is not None
    assert lake.sasl.password.reveal() == "a-kafka-password"
    assert isinstance(audit, FileDestination)
    assert audit.rotate is not None
    assert (audit.rotate.bytes, audit.rotate.keep) == (1 << 30, 7)


def test_the_routes_keep_their_filters_as_written(settings: Settings) -> None:
    finished, everything, ops = settings.routes
    assert finished.match == {
        "any": [
            {"exact": {"type": "io.runflow.run.succeeded"}},
            {"exact": {"type": "io.runflow.run.failed"}},
        ]
    }
    assert (everything.match, everything.to) == ([], ("lake", "audit"))
    assert [finished.operational, ops.operational] == [False, True]


def test_the_limits_and_the_log_are_read(settings: Settings) -> None:
    limits = settings.limits
    assert (limits.body_bytes, limits.in_flight_bytes) == (8 << 20, 128_000_000)
    assert limits.ack_timeout.seconds == 2.5
    assert (settings.log.level, settings.log.format) == ("debug", "json")


def test_everything_but_a_source_and_a_destination_has_a_default() -> None:
    settings = parse(SMALLEST, {}, file="relay.yaml")
    orders = settings.destinations[0]
    assert isinstance(orders, HttpDestination)
    assert list(DEFAULT_LADDER) == [step.us for step in orders.ladder]
    assert Policy().max_age == orders.max_age.us
    assert (
        orders.concurrency,
        orders.private,
        orders.response_bytes,
    ) == (32, False, 16_384)
    assert (
        str(settings.public.listen),
        str(settings.operator.listen),
    ) == ("127.0.0.1:8080", "127.0.0.1:8081")
    assert settings.sources[0].require == ("status", "completed_at", "output")
    assert settings.routes == ()


def test_the_smallest_configuration_in_the_repository_loads() -> None:
    environ = {
        "RUNFLOW_CALLBACK_SECRET": "whsec_of_runflow",
        "RUNFLOW_TOKEN": "rf_live_of_runflow",
        "ORDERS_SECRET": SIGNING,
    }
    settings = load(CONFIG, environ)
    assert (
        settings.sources[0].name,
        settings.destinations[0].name,
    ) == ("acme", "orders")


def test_a_short_timeout_shortens_the_default_time_to_connect() -> None:
    text = SMALLEST.replace('"http://a/"', '"http://a/", timeout: 2s')
    orders = parse(text, {}, file="relay.yaml").destinations[0]
    assert isinstance(orders, HttpDestination)
    assert orders.connect_timeout.seconds == 2


@pytest.mark.parametrize(
    "extra,store,file",
    [
        ("", "var/relay.db", "var/events.jsonl"),
        ("data_dir: /srv", "/srv/relay.db", "/srv/events.jsonl"),
        ("store: sqlite:///a/b.db", "var/a/b.db", "var/events.jsonl"),
        ("store: sqlite:////a/b.db", "/a/b.db", "var/events.jsonl"),
    ],
)
def test_relative_paths_begin_at_data_dir(extra: str, store: str, file: str) -> None:
    settings = parse(f"{SMALLEST}{extra}\n", {}, file="relay.yaml")
    assert Path(store) == settings.store_path
    assert Path(file) == settings.anchor("events.jsonl")
    assert Path("/abs") == settings.anchor("/abs")


@pytest.mark.parametrize(
    "public,expected",
    [
        ("{url: https://relay.example.com}", "https://relay.example.com"),
        ("{url: https://example.com/runflow/}", "https://example.com/runflow"),
        ('{listen: "127.0.0.1:9000"}', "http://127.0.0.1:9000"),
        ('{listen: ":9000"}', "http://127.0.0.1:9000"),
        ('{listen: "[::]:9000"}', "http://[::1]:9000"),
    ],
)
def test_every_channel_of_every_source_has_a_url(public: str, expected: str) -> None:
    channel = "{name: org, scheme: runflow, secret: long enough}"
    text = SMALLEST.replace("}]", f", channels: [{channel}]}}]", 1)
    settings = parse(f"{text}public: {public}\n", {}, file="relay.yaml")
    assert settings.callback_urls() == [
        f"{expected}/callbacks/acme",
        f"{expected}/callbacks/acme/org",
    ]


def test_a_listener_that_may_take_any_port_is_reached_at_the_one_it_took() -> None:
    text = SMALLEST + 'public: {listen: "127.0.0.1:0"}\n'
    settings = parse(text, {}, file="relay.yaml")
    assert settings.callback_urls(4711) == ["http://127.0.0.1:4711/callbacks/acme"]


def test_where_the_store_is_can_be_read_without_any_secret(tmp_path: Path) -> None:
    path = tmp_path / "relay.yaml"
    path.write_text(
        "data_dir: ${HERE}\nstore: sqlite:///a.db\ncolour: red\n"
        'sources: [{name: acme, secret: "${UNSET}"}]\ndestinations: ${UNSET}\n'
    )
    assert load_place(path, {"HERE": "/srv"}).store_path == Path("/srv/a.db")
    environ = {"HERE": "/srv", "RELAY__STORE": "sqlite:////b.db", "RELAY__LOG": "x"}
    assert load_place(path, environ).store_path == Path("/b.db")
    with pytest.raises(ConfigError, match="1: data_dir: the environment variable HERE"):
        load_place(path, {})


def test_settings_cannot_be_changed(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings.limits, "headers", 5)  # noqa: B010 - the type checker would refuse it


def test_two_readings_of_one_file_are_equal(
    sample: str, settings: Settings, environ: dict[str, str]
) -> None:
    assert settings == parse(sample, environ, file="again")
    assert settings != parse(sample, environ | {"K2": "rotated!"}, file="again")


def test_settings_can_be_written_as_json(settings: Settings) -> None:
    text = settings.model_dump_json()
    assert '"private":["10.1.0.0/16"]' in text
    assert '"bootstrap_servers":["kafka-1:9093","kafka-2:9093"]' in text
    assert '"concurrency":64' in text
    assert '"headers":{"X-Tenant":"***","X-Key":"***"}' in text
