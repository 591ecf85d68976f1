"""Identity: one run has one key, and one outcome of it one event id, for ever."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.identity import (
    EVENT_NAMESPACE,
    ID_BYTES_MAX,
    Kind,
    Namespace,
    Outcome,
    RunKey,
    UnusableIdError,
    event_id,
    event_id_bytes,
)

UUID = "0197b0c8-6e6a-7c3d-9a55-3f1d5b1f2a01"
ULID = "01J0ZK7Q2M8Y3N5R6T7V8W9XAB"


@pytest.mark.parametrize(
    "source,kind,upstream_id,outcome,revision,expected",
    [
        ("acme", "run", UUID, "succeeded", 1, "d02e03e3-64ae-56ea-bc81-c7041abacc1e"),
        ("acme", "run", UUID.upper(), "succeeded", 1,
         "d02e03e3-64ae-56ea-bc81-c7041abacc1e"),
        ("acme", "run", UUID, "failed", 1, "5c294122-c3a1-5f34-9b36-e3804cff9b9e"),
        ("acme", "run", UUID, "cancelled", 1, "b01d95c6-4ff9-5774-b4bf-02eb0c7c818a"),
        ("acme", "run", UUID, "partial_succeeded", 1,
         "f4396bca-8fdf-5170-b3f2-98da3cd1f9bc"),
        ("acme", "run", UUID, "other", 1, "56a5417d-2a6d-58b2-b1b6-0fc5aafb980f"),
        ("acme", "run", UUID, "succeeded", 2, "108f647f-ec58-55c8-b1d5-4b2fa68114b5"),
        ("acme", "run", UUID, "succeeded", 10, "f3ad4e5c-cb95-52cf-b704-a0a889c40125"),
        ("acme", "batch", UUID, "succeeded", 1, "55ae977c-b04c-5400-9890-634d837d99b2"),
        ("acme", "run", ULID, "succeeded", 1, "29a79a90-a17c-5af4-816b-3cc84b093288"),
        ("umbrella", "run", ULID, "succeeded", 1,
         "be9ce9e1-8442-517a-8de8-e7896a759781"),
        ("acme", "batch", "batch_01J0ZK7Q2M", "partial_succeeded", 3,
         "6261f53e-385c-5143-9269-58ac9a608d97"),
        ("acme", "run", "läuft-☃", "failed", 1, "77d5d3fa-fbf3-5b26-9e1f-d2c0f1d7a539"),
    ],
)  # fmt: skip
def test_event_ids_are_the_ones_written_down(
    source: str, kind: str, upstream_id: str, outcome: str, revision: int, expected: str
) -> None:
    """The literals come from ``uuid.uuid5`` over the five words joined by newlines."""
    key = RunKey.of(source, Kind(kind), upstream_id)
    assert str(event_id(key, Outcome(outcome), revision)) == expected


def test_the_namespace_of_event_ids_never_changes() -> None:
    assert str(EVENT_NAMESPACE) == "8a0def7b-d79e-47aa-8d40-2bccf4a180cb"


@pytest.mark.parametrize(
    "received,canonical",
    [
        (UUID, UUID),
        (UUID.upper(), UUID),
        (UUID.upper().replace("A", "a"), UUID),
        (ULID, ULID),
        (ULID.lower(), ULID.lower()),
        ("batch_01J0ABC", "batch_01J0ABC"),
        # Forms that some parsers take for UUIDs, and that are not the upstream's.
        (UUID.upper().replace("-", ""), UUID.upper().replace("-", "")),
        (f"{{{UUID.upper()}}}", f"{{{UUID.upper()}}}"),
        (f"urn:uuid:{UUID.upper()}", f"urn:uuid:{UUID.upper()}"),
        (f"{UUID.upper()} ", f"{UUID.upper()} "),
        (" ", " "),
        ("É", "É"),
    ],
)
def test_only_a_uuid_is_lower_cased(received: str, canonical: str) -> None:
    assert RunKey.of("acme", Kind.RUN, received).id == canonical


@pytest.mark.parametrize(
    "unusable,why",
    [
        ("", "empty"),
        ("a\x00b", "control_character"),
        ("\n", "control_character"),
        ("a\x7f", "control_character"),
        ("a\x9f", "control_character"),
        (f"{UUID}\n", "control_character"),
        (".", "only_dots"),
        ("..", "only_dots"),
        ("\ud800", "lone_surrogate"),
        ("a" * 256, "too_long"),
        ("é" * 128, "too_long"),
        ("a" * 253 + "☃", "too_long"),
    ],
)
def test_an_id_that_can_name_nothing_is_refused(unusable: str, why: str) -> None:
    with pytest.raises(UnusableIdError, match=f"^{why}$"):
        RunKey.of("acme", Kind.RUN, unusable)


@pytest.mark.parametrize("longest", ["a" * 255, "é" * 127 + "a", "a" * 252 + "☃"])
def test_an_id_may_have_255_bytes(longest: str) -> None:
    assert len(longest.encode()) == ID_BYTES_MAX
    assert RunKey.of("acme", Kind.RUN, longest).id == longest


@pytest.mark.parametrize(
    "kind,upstream_id,namespace,stored",
    [
        (Kind.RUN, UUID, Namespace.RUN_UUID, uuid.UUID(UUID).bytes),
        (Kind.RUN, ULID, Namespace.RUN_TEXT, ULID.encode()),
        (Kind.BATCH, UUID, Namespace.BATCH_UUID, uuid.UUID(UUID).bytes),
        (Kind.BATCH, "batch_☃", Namespace.BATCH_TEXT, "batch_☃".encode()),
        # As long as a UUID, and none.
        (Kind.RUN, "x" * 36, Namespace.RUN_TEXT, b"x" * 36),
        # Sixteen characters are not sixteen bytes of a UUID.
        (Kind.RUN, "y" * 16, Namespace.RUN_TEXT, b"y" * 16),
    ],
)
def test_an_id_is_stored_in_its_shortest_form(
    kind: Kind, upstream_id: str, namespace: Namespace, stored: bytes
) -> None:
    key = RunKey.of("acme", kind, upstream_id)
    assert (key.namespace, key.stored) == (namespace, stored)


def test_numbers_of_namespaces_are_on_disk_and_never_change() -> None:
    assert {space.name: space.value for space in Namespace} == {
        "RUN_UUID": 1,
        "RUN_TEXT": 2,
        "BATCH_UUID": 3,
        "BATCH_TEXT": 4,
        "DESTINATION": 5,
    }


ids = st.uuids().map(str) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=60
)
keys = st.builds(
    RunKey.of, st.from_regex("[a-z]{1,8}", fullmatch=True), st.sampled_from(Kind), ids
)


@given(key=keys)
def test_a_stored_key_is_restored_as_it_was(key: RunKey) -> None:
    assert RunKey.restore(key.source, key.namespace, key.stored) == key


@given(key=keys)
def test_a_canonical_id_is_its_own_canonical_form(key: RunKey) -> None:
    assert RunKey.of(key.source, key.kind, key.id) == key


@given(key=keys, outcome=st.sampled_from(Outcome), revision=st.integers(1, 10**6))
def test_an_event_id_is_the_standard_librarys_uuid5(
    key: RunKey, outcome: Outcome, revision: int
) -> None:
    name = "\n".join([key.source, key.kind.value, key.id, outcome.value, str(revision)])
    identifier = event_id(key, outcome, revision)
    assert identifier == uuid.uuid5(EVENT_NAMESPACE, name)
    assert event_id_bytes(key, outcome, revision) == identifier.bytes


@given(
    one=st.tuples(keys, st.sampled_from(Outcome), st.integers(1, 30)),
    other=st.tuples(keys, st.sampled_from(Outcome), st.integers(1, 30)),
)
def test_two_identities_never_share_an_event_id(
    one: tuple[RunKey, Outcome, int], other: tuple[RunKey, Outcome, int]
) -> None:
    assert (event_id(*one) == event_id(*other)) is (one == other)
