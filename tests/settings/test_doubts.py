"""What a configuration hardly means is said, at its line, and keeps nobody from using it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from relay.settings import review

NOBODY = 65534
NOW = datetime(2026, 6, 1, tzinfo=UTC)
SIGNING = "whsec_" + "A" * 44
OLD = "not_after: 2026-06-01T00:00:00Z"
BASE = """\
sources: [{name: acme, secret: long enough, api: {token: t}, sweep: {enabled: false}}]
destinations: [{name: audit, kind: file, path: events.jsonl}]
"""


def doubts(directory: Path, text: str) -> list[tuple[int | None, str, str]]:
    path = directory / "relay.yaml"
    path.write_text(f"{text}data_dir: {directory}\n")
    _, found = review(path, {}, now=NOW)
    return [(doubt.line, doubt.path, doubt.message) for doubt in found]


def test_a_plain_configuration_leaves_no_doubt(tmp_path: Path) -> None:
    assert doubts(tmp_path, BASE) == []


def test_keys_that_have_all_expired_are_pointed_out(tmp_path: Path) -> None:
    text = f"""\
sources:
  - name: acme
    api: {{token: t}}
    sweep: {{enabled: false}}
    secrets:
      - {{id: a, secret: long enough, {OLD}}}
      - {{id: b, secret: long enough, {OLD}}}
    channels:
      - {{name: org, scheme: runflow, secrets: [{{id: a, secret: long enough, {OLD}}}]}}
  - name: beta
    api: {{token: t}}
    sweep: {{enabled: false}}
    secrets: [{{id: a, secret: long enough, {OLD}}}, {{id: b, secret: long enough}}]
destinations:
  - name: orders
    kind: http
    url: https://orders.example.com
    secrets: [{{id: a, secret: {SIGNING}, {OLD}}}]
"""
    refused = "every key has expired: callbacks are answered with 503"
    assert doubts(tmp_path, text) == [
        (5, "sources[0].secrets", refused),
        (9, "sources[0].channels[0].secrets", refused),
        (18, "destinations[0].secrets", "every key has expired: nothing can be signed"),
    ]


def test_what_no_event_will_ever_reach_is_pointed_out(tmp_path: Path) -> None:
    text = """\
sources: [{name: acme, secret: long enough, api: {token: t}, sweep: {enabled: false}}]
destinations:
  - {name: audit, kind: file, path: events.jsonl}
  - {name: spare, kind: file, path: spare.jsonl}
routes:
  - name: ends
    match:
      any:
        - exact: {type: io.runflow.run.completed}
        - suffix: {type: .failed}
    to: [audit]
"""
    assert doubts(tmp_path, text) == [
        (4, "destinations[1]", "no route names it, so it gets nothing"),
        (9, "routes[0].match.any[0].exact.type", "no event has such a type"),
    ]


def test_routes_for_the_relay_alone_leave_runs_as_they_were(tmp_path: Path) -> None:
    """And a type of the one kind is never met by a route of the other."""
    text = """\
sources: [{name: acme, secret: long enough, api: {token: t}, sweep: {enabled: false}}]
destinations:
  - {name: audit, kind: file, path: events.jsonl}
  - {name: ops, kind: file, path: ops.jsonl}
routes:
  - name: ops
    match: {exact: {type: io.runflow.run.failed}}
    to: [ops]
    operational: true
"""
    assert doubts(tmp_path, text) == [
        (
            5,
            "routes",
            "none of them is for runs, so every destination gets the end of every run",
        ),
        (7, "routes[0].match.exact.type", "no event has such a type"),
    ]


def test_a_route_for_a_name_that_there_is_not_is_pointed_out(tmp_path: Path) -> None:
    """With the names that there are, as events have them: a source's own name is not what `source` says."""
    text = """\
sources:
  - {name: beta, secret: long enough, api: {token: t}, sweep: {enabled: false}}
  - {name: acme, secret: long enough, api: {token: t}, sweep: {enabled: false}}
destinations:
  - {name: audit, kind: file, path: events.jsonl}
routes:
  - {name: short, match: {exact: {source: acme}}, to: [audit]}
  - {name: mistyped, match: [{prefix: {source: /runflow/amce}}], to: [audit]}
  - {name: all, match: {glob: {source: "/runflow/*"}}, to: [audit]}
  - {name: right, match: {exact: {source: /runflow/beta}}, to: [audit]}
  - name: ops
    match: {any: [{exact: {subject: orders}}, {exact: {subject: audit}}]}
    to: [audit]
    operational: true
"""
    path = tmp_path / "relay.yaml"
    path.write_text(f"{text}data_dir: {tmp_path}\n")
    _, found = review(path, {}, now=NOW)
    sources = "no source of this configuration has such events"
    names = "there is `/runflow/acme`, `/runflow/beta`"
    assert [(it.line, it.path, it.message, it.hint) for it in found] == [
        (7, "routes[0].match.exact.source", sources, names),
        (8, "routes[1].match[0].prefix.source", sources, names),
        (
            12,
            "routes[4].match.any[0].exact.subject",
            "no destination of this configuration has such a name",
            "there is `audit`",
        ),
    ]


def test_of_many_names_some_are_shown(tmp_path: Path) -> None:
    sources = "\n".join(
        f"  - {{name: s{n}, secret: long enough, api: {{token: t}}, sweep: {{enabled: false}}}}"
        for n in range(7)
    )
    text = f"""\
sources:
{sources}
destinations: [{{name: audit, kind: file, path: events.jsonl}}]
routes: [{{name: all, match: {{exact: {{source: s1}}}}, to: [audit]}}]
data_dir: {tmp_path}
"""
    path = tmp_path / "relay.yaml"
    path.write_text(text)
    _, [found] = review(path, {}, now=NOW)
    assert found.hint.endswith("`/runflow/s4` and 2 more")


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may write anywhere, so it is somebody else for a while."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_data_dir_that_this_user_may_not_write_to_is_pointed_out() -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "relay.yaml")
        path.write_text(f"{BASE}data_dir: {name}\n")
        path.parent.chmod(0o555)
        with an_ordinary_user():
            _, found = review(path, {}, now=NOW)
        path.parent.chmod(0o755)
    said = [(doubt.line, doubt.path, doubt.message) for doubt in found]
    assert said == [(3, "data_dir", "this user may not write there")]


def test_a_source_that_nobody_is_asked_about_is_pointed_out(tmp_path: Path) -> None:
    """Without a token, and where nobody knows which runs call back here."""
    text = """\
sources:
  - {name: acme, secret: long enough}
  - {name: beta, secret: long enough, api: {token: t}}
  - {name: all, secret: long enough, api: {token: t}, sweep: {only: all}}
destinations: [{name: audit, kind: file, path: events.jsonl}]
"""
    found = doubts(tmp_path, text)
    assert [(line, path) for line, path, _ in found] == [
        (2, "sources[0]"),
        (3, "sources[1].sweep"),
    ]
    assert "api.token" in found[0][2]
    assert "public.url" in found[1][2]
