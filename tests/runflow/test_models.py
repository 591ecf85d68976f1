"""What a model keeps, types and forgives."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from relay.runflow import Answer, Batch, CallbackSecret, Run, RunStatus
from relay.runflow.errors import UnexpectedShapeError


def _read(body: str) -> Run:
    answer = Answer(request="GET /v1/x", status=200, headers={}, body=body.encode())
    return answer.parse(Run)


@pytest.mark.parametrize(
    "word, outcome",
    [
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
        ("canceled", "cancelled"),
        ("partial_succeeded", "partial_succeeded"),
    ],
)
def test_each_terminal_word_is_an_end_with_one_outcome(word: str, outcome: str) -> None:
    run = _read(f'{{"status_code": "{word}"}}')
    assert (run.status, run.status.is_terminal, run.outcome) == (word, True, outcome)


@pytest.mark.parametrize(
    "word", ["queued", "dispatching", "running", "errored", "", "Succeeded"]
)
def test_any_other_word_is_kept_and_is_no_end(word: str) -> None:
    status = _read(f'{{"status_code": "{word}"}}').status
    assert (status, status.is_terminal, status.outcome) == (word, False, None)


def test_only_a_whole_success_is_one() -> None:
    words = ["succeeded", "partial_succeeded", "failed", "running"]
    assert [RunStatus(word).is_success for word in words] == [True, False, False, False]


def test_a_run_without_a_status_is_no_end() -> None:
    assert _read("{}").status == RunStatus("")
    assert not _read("{}").status.is_terminal


@pytest.mark.parametrize("field", ["target_type", "source_code", "failure_stage_code"])
def test_a_new_word_breaks_no_run(field: str) -> None:
    assert getattr(_read(f'{{"{field}": "quantum"}}'), field) == "quantum"


def test_an_id_is_a_uuid_where_it_is_written_as_one() -> None:
    run = _read('{"id": "019A8C3E-5b10-7c44-9f21-3d5e8a7b6c01"}')
    assert run.id == UUID("019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01")


@pytest.mark.parametrize(
    "text",
    [
        "01J0ZK5T9QW3Y8M2C4N6R7S1VB",
        "batch_01J0ZK5T9QW3Y8M2C4N6R7S1VB",
        "019a8c3e5b107c449f213d5e8a7b6c01",
        "run 7",
    ],
)
def test_any_other_id_is_kept_as_it_is_written(text: str) -> None:
    run = _read(f'{{"id": "{text}", "org_id": "{text}"}}')
    assert (run.id, run.org_id) == (text, text)


@pytest.mark.parametrize(
    "written", ["2026-05-06T10:00:00.250Z", "2026-05-06T12:00:00.250000+02:00"]
)
def test_moments_are_aware_and_in_utc(written: str) -> None:
    run = _read(f'{{"created_at": "{written}"}}')
    assert run.created_at == datetime(2026, 5, 6, 10, 0, 0, 250_000, UTC)
    assert run.created_at.tzinfo is UTC


def test_a_moment_without_an_offset_is_taken_for_utc() -> None:
    run = _read('{"created_at": "2026-05-06T10:00:00"}')
    assert run.created_at == datetime(2026, 5, 6, 10, tzinfo=UTC)


def test_a_moment_outside_of_all_calendars_is_an_unexpected_shape() -> None:
    with pytest.raises(UnexpectedShapeError):
        _read('{"created_at": "0001-01-01T00:00:00+14:00"}')


@pytest.mark.parametrize("written", ['"1.10"', "1.10", '"+1.10"'])
def test_a_cost_keeps_its_places_as_text_and_as_a_number(written: str) -> None:
    cost = _read(f'{{"cost": {written}}}').cost
    assert str(cost) == "1.10"


def test_a_cost_with_more_digits_than_a_float_has_keeps_them_all() -> None:
    digits = "12345678901234567.123456789012345678"
    assert _read(f'{{"cost": {digits}}}').cost == Decimal(digits)


def test_numbers_inside_an_output_are_plain_floats_that_know_their_text() -> None:
    output = _read('{"output": {"total": 1.10, "count": 123456789012345678901}}').output
    assert output == {"total": 1.1, "count": 123456789012345678901}
    assert output["total"].text == "1.10"


@pytest.mark.parametrize("written", ["[1, 2]", '"text"', "7", "true"])
def test_an_output_that_is_no_object_is_kept_all_the_same(written: str) -> None:
    assert _read(f'{{"output": {written}}}').output is not None


def test_unknown_fields_are_kept_at_every_depth() -> None:
    run = _read('{"colour": "blue", "node_runs": [{"mood": 3}]}')
    assert run.model_extra == {"colour": "blue"}
    assert run.node_runs is not None
    assert run.node_runs[0].model_extra == {"mood": 3}


def test_an_absent_field_can_be_told_from_a_null() -> None:
    assert _read('{"output": null}').model_fields_set == {"output"}


def test_models_are_frozen() -> None:
    run = _read("{}")
    with pytest.raises(ValidationError):
        run.client_ref = "other"  # type: ignore[misc]


def test_a_batch_is_over_by_the_same_words() -> None:
    batch = Batch.model_validate({"status_code": "canceled"})
    assert batch.outcome == "cancelled"


def test_a_new_secret_is_not_printed_with_its_record() -> None:
    secret = CallbackSecret.model_validate({"plain_secret": "whsec_not-for-logs"})
    assert "not-for-logs" not in f"{secret!r} {secret} {secret.model_dump_json()}"
    assert secret.plain_secret is not None
    assert secret.plain_secret.get_secret_value() == "whsec_not-for-logs"


def test_an_answer_reads_any_model_of_the_callers() -> None:
    class Mine(BaseModel):
        id: str

    answer = Answer(request="GET /v1/x", status=200, headers={}, body=b'{"id": "a"}')
    assert answer.parse(Mine).id == "a"
