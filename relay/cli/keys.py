"""``relay keys``: make a key, say how one is replaced by another, and which callback secret is used."""

import json as js
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from relay.app.catalogs import moment_us
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    WRONG,
    Config,
    Json,
    fail,
    load_settings,
    mistakes_exit,
    print_json,
    say,
)
from relay.core.rotation import (
    NEW_BYTES,
    KeyKind,
    Term,
    free_id,
    new_key,
    rotated,
)
from relay.core.signing import PrivateKey, StandardKey
from relay.settings import (
    Duration,
    HttpDestination,
    Settings,
    secrets_as_written,
)

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Make the keys that deliveries are signed with, replace them; see which callback secret is used.",
)

#: In the place of a secret that the file has by itself: pasted as it is, the configuration is refused.
_LEFT_AS_IT_IS: Final = "${THE_SECRET_THAT_STANDS_THERE_NOW}"


class Kind(Enum):
    """The kinds of key of Standard Webhooks."""

    V1 = "v1"
    V1A = "v1a"


_KINDS: Final = (
    "v1: one secret that both sides share. v1a: an ed25519 pair,"
    " the public half for who verifies."
)


@app.command("new", short_help="Make a key.")
def new(
    kind: Annotated[Kind, typer.Option("--kind", help=_KINDS)] = Kind.V1,
    json: Json = False,
) -> None:
    """Make a key and print it, and nothing else; it is kept nowhere.

    For v1 that is one line, the secret (whsec_…). For v1a it is two: the private key (whsk_…), which goes
    under `secrets` of the destination, and the public one (whpk_…), which goes to whoever verifies.
    """
    made = _made(kind)
    if json:
        public = {"public": made.public} if isinstance(made, PrivateKey) else {}
        print_json({"kind": kind.value, "secret": made.text, **public})
        return
    say(made.text)
    if isinstance(made, PrivateKey):
        say(made.public)


@app.command("rotate", short_help="Say how a destination gets a new key.")
def rotate(
    destination: Annotated[str, typer.Argument(help="The destination's name.")],
    config: Config = DEFAULT_CONFIG,
    overlap: Annotated[
        str, typer.Option("--overlap", help="How long the old keys count on.")
    ] = "24h",
    kind: Annotated[
        Kind | None,
        typer.Option("--kind", help=f"{_KINDS} Unless said, that of the latest key."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a new key for an HTTP destination and print the `secrets` to put into the configuration.

    Nothing is changed by this: put in what is printed, in place of the destination's `secret` or `secrets`,
    and give the new key to whoever verifies. A running relay takes it over by itself.

    Until the overlap ends every delivery carries both signatures, and a receiver that knows either key
    accepts it; so change the receiver within that time, in whatever order its instances come. Then the
    old keys stop by themselves (`not_after`) and may be deleted from the file.

    With `format: runflow` there is room for one signature: let the receiver accept both secrets before
    the overlap ends, for that is when the new one begins.

    Secrets that stand in the file itself are not shown again; those of `${NAME}` and `{file: PATH}` are
    printed as these words. Where the file is kept with others' eyes upon it, put the new secret into a
    variable or a file of its own.
    """
    with mistakes_exit():
        settings = load_settings(config)
    found = _http(settings, destination)
    try:
        overlap_us = Duration.of(overlap).us
    except ValueError:
        fail("--overlap: write a time such as 1h, 24h or 7d", WRONG)
    is_runflow = found.format == "runflow"
    kind = kind or _latest(found)
    if is_runflow and kind is Kind.V1A:
        fail("with `format: runflow` there is no ed25519: use --kind v1", WRONG)
    now = System.real().clock.now_us()
    terms = rotated(
        [
            Term(
                id=key.id,
                not_before=moment_us(key.not_before),
                not_after=moment_us(key.not_after),
            )
            for key in found.keys
        ],
        free_id(f"k{_time(now):%Y%m%d}", [key.id for key in found.keys]),
        now=now,
        overlap=overlap_us,
        together=not is_runflow,
    )
    made, known = _made(kind), secrets_as_written(config, destination)
    if json:
        print_json(_for_programs(terms, made, known))
    else:
        say("\n".join(_yaml(terms, made, known, config)))


@app.command("used", short_help="Say when each callback secret was last used.")
def used(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Say of each callback secret how many callbacks it has signed, and when the last one came.

    What counts is the callbacks that are kept (`retention.payloads`). Callbacks that were refused are not
    among them. Secrets are named by their id in the configuration, and never shown.
    """
    from relay.cli.uses import show  # noqa: PLC0415 - who makes a key waits for no store

    show(config, json=json)


def _http(settings: Settings, name: str) -> HttpDestination:
    every = {d.name: d for d in settings.destinations if isinstance(d, HttpDestination)}
    if name not in every:
        there = (
            f"there {'is' if len(every) == 1 else 'are'} {', '.join(every) or 'none'}"
        )
        fail(f"no HTTP destination is named {name}; {there}", WRONG)
    return every[name]


def _latest(destination: HttpDestination) -> Kind:
    latest = destination.keys[0].secret.reveal()
    is_pair = latest.startswith("whsk_") and destination.format != "runflow"
    return Kind.V1A if is_pair else Kind.V1


def _made(kind: Kind) -> StandardKey | PrivateKey:
    named: KeyKind = "v1" if kind is Kind.V1 else "v1a"
    return new_key(named, System.real().dice.bytes(NEW_BYTES))


def _time(moment: int) -> datetime:
    return datetime.fromtimestamp(moment // 1_000_000, UTC)


def _for_programs(
    terms: tuple[Term, ...],
    made: StandardKey | PrivateKey,
    known: Mapping[str, object],
) -> dict[str, object]:
    """``secrets`` as the file has them; a secret that is spelled out there is null here."""
    new, *old = terms
    entries = [_entry(new, made.text), *(_entry(t, known.get(t.id)) for t in old)]
    public = {"public": made.public} if isinstance(made, PrivateKey) else {}
    return {"secrets": entries, **public}


def _entry(term: Term, secret: object) -> dict[str, object]:
    spans = {"not_before": term.not_before, "not_after": term.not_after}
    return {"id": term.id, "secret": secret} | {
        name: f"{_time(moment):%Y-%m-%dT%H:%M:%SZ}"
        for name, moment in spans.items()
        if moment is not None
    }


def _yaml(
    terms: tuple[Term, ...],
    made: StandardKey | PrivateKey,
    known: Mapping[str, object],
    config: Path,
) -> Iterator[str]:
    new, *old = terms
    yield f"# for {config}, in place of the destination's `secret` or `secrets`"
    if isinstance(made, PrivateKey):
        yield f"# public key, for who verifies: {made.public}"
    yield "    secrets:"
    for term in terms:
        secret = made.text if term is new else known.get(term.id) or _LEFT_AS_IT_IS
        entry = _entry(term, secret)
        yield f"      - id: {entry.pop('id')}"
        for name, value in entry.items():
            yield f"        {name}: {value if name != 'secret' else js.dumps(value)}"
    if not old:
        yield "# no other key is in force any more"
