"""What is made of the answers of Runflow and of whoever answers behind public.url."""

import pytest

from relay.core.checking import Heard, judge_answer, judge_me, judge_runs, shown_url
from relay.core.finding import Finding, Result, summed

OWN = "https://relay.example.com/callbacks/acme"
SCOPES = ("runs:read",)


def _finding(result: Result) -> Finding:
    remedy = "do something" if result in ("warning", "failed", "unknown") else ""
    return Finding(check="store", result=result, found="x", remedy=remedy)


@pytest.mark.parametrize(
    "results,expected",
    [
        ([], "ok"),
        (["ok", "skipped", "warning"], "ok"),
        (["ok", "unknown"], "partly"),
        (["unknown", "failed", "ok"], "failed"),
    ],
)
def test_what_many_findings_come_to(results: list[Result], expected: str) -> None:
    assert summed(map(_finding, results)) == expected


@pytest.mark.parametrize("result", ["failed", "unknown", "warning"])
def test_whoever_finds_fault_says_what_to_do(result: Result) -> None:
    with pytest.raises(ValueError, match=result):
        Finding(check="store", result=result, found="x")
    with pytest.raises(ValueError, match="ok"):
        Finding(check="store", result="ok", found="x", remedy="nothing")


@pytest.mark.parametrize(
    "me,organization,result,word",
    [
        ({"org_id": "o-1", "scopes": ["runs:read"]}, "o-1", "ok", "o-1"),
        ({"org_id": "o-1"}, None, "ok", "o-1"),
        ({}, "o-1", "ok", "does not name"),
        ({"organization_id": "o-2"}, "o-1", "failed", "o-2, not to o-1"),
        ({"org_id": "a\x1b[31m"}, "o-1", "ok", "does not name"),
        ({"org_id": "o-1", "scopes": ["models:read"]}, "o-1", "failed", "runs:read"),
        ({"org_id": 7, "scopes": "all"}, "o-1", "ok", "does not name"),
        (
            {"org_id": "E2DD65BE-2381-5C5A-A7A1-404B6D0CC000"},
            "e2dd65be-2381-5c5a-a7a1-404b6d0cc000",
            "ok",
            "E2DD65BE",
        ),
    ],
)
def test_whose_token_it_is(
    me: dict[str, object], organization: str | None, result: Result, word: str
) -> None:
    found = judge_me("acme", me, organization=organization, scopes=SCOPES)
    assert (found.result, word in found.found) == (result, True)


@pytest.mark.parametrize(
    "urls,result,found",
    [
        ([OWN, f"{OWN}/org"], "ok", "2 of the latest 2 runs call back here"),
        ([OWN, None], "ok", "1 of the latest 2 runs call back here; 1 nowhere"),
        ([], "unknown", "there are no runs yet"),
        ([None], "failed", "0 of the latest 1 runs call back here; 1 nowhere"),
        (
            [OWN, "https://old.example.com/cb", "https://old.example.com/cb"],
            "warning",
            "1 of the latest 3 runs call back here; 2 elsewhere: https://old.example.com/cb (2)",
        ),
        (
            [f"https://{n}.example.com/" for n in "abcd"],
            "failed",
            (
                "0 of the latest 4 runs call back here; 4 elsewhere: https://a.example.com/ (1),"
                " https://b.example.com/ (1), https://c.example.com/ (1), …"
            ),
        ),
    ],
)
def test_where_runs_call_back_to(
    urls: list[str | None], result: Result, found: str
) -> None:
    judged = judge_runs("acme", urls, own=OWN)
    assert (judged.result, judged.found) == (result, found)
    assert (OWN in judged.remedy) == (result != "ok")


@pytest.mark.parametrize(
    "url,shown",
    [
        (
            "https://u:pw@h.example.com:8443/hooks/x?t=s#f",
            "https://h.example.com:8443/hooks/x",
        ),
        ("https://h/T024BE7LD4F8K2M9Q/in", "https://h/…/in"),
        ("https://[::1/x", "(not a URL)"),
        ("https://h/\x1b[31m", "(not a URL)"),
        ("https://h:99999/", "(not a URL)"),
    ],
)
def test_what_may_be_secret_in_somebodys_url_is_not_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "status,word,remedy",
    [
        (401, "", "same secret"),
        (404, "", "path unchanged"),
        (405, "", "public listener"),
        (413, "", "limits.body_bytes"),
        (415, "", "as they are"),
        (429, "", "trusted_proxies"),
        (301, "", "where it leads"),
        (200, "", "something else answers"),
        (202, "accepted", "older"),
        (500, "", "ingress's log"),
        (502, "", "start the relay"),
        (503, "unavailable", "not_before"),
        (503, "unavailable", "limits.in_flight_bytes"),
    ],
)
def test_every_answer_that_is_not_the_right_one_has_its_remedy(
    status: int, word: str, remedy: str
) -> None:
    heard = Heard(status, proven=False, word=word)
    found = judge_answer("acme", heard, size=6_291_456, runs_here=True)
    assert found is not None
    assert (found.result, str(status) in found.found) == ("failed", True)
    assert remedy in found.remedy


def test_a_proven_answer_leaves_nothing_to_say() -> None:
    heard = Heard(200, proven=True, word="checked")
    assert judge_answer("acme", heard, size=59, runs_here=False) is None


@pytest.mark.parametrize("runs_here,result", [(True, "failed"), (False, "unknown")])
def test_an_ingress_without_a_relay_is_no_fault_before_there_is_one(
    runs_here: bool, result: Result
) -> None:
    heard = Heard(503, proven=False)
    found = judge_answer("acme", heard, size=59, runs_here=runs_here)
    assert found is not None
    assert found.result == result
