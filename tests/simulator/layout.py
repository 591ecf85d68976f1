"""Layout: one configuration of the relay, and what the contract says follows from it.

Owns who may sign, which routes and destinations there are, and two readings of that: the relay's own
catalog, and the oracle's word on where an event goes. The one shares nothing with the other.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from relay.core.catalog import CALLBACK, Catalog, Channel, Source
from relay.core.credential import Credential
from relay.core.route import Route, Router, compile_match
from relay.core.signature import RunflowKey, RunflowVerifier
from relay.settings import Source as Asked
from tests.simulator.script import (
    Forget,
    Place,
    Reask,
    Rehire,
    Remove,
    Reroute,
    Rule,
    Script,
)
from tests.simulator.story import SOURCES, Asking, Subject

__all__ = ["FIRST_SECRET", "PUBLIC_URL", "Layout", "key_of"]

#: Where callbacks come.
PUBLIC_URL: Final = "https://relay.example.com"

#: The number of the secret that a source begins with; the one before it was never known to the relay.
FIRST_SECRET: Final = 1


@dataclass(frozen=True, slots=True)
class Layout:
    """What the file says. ``number`` tells one edition from the next."""

    number: int
    #: By source, the numbers of the secrets that count.
    secrets: tuple[tuple[str, tuple[int, ...]], ...]
    rules: tuple[Rule, ...]
    places: tuple[Place, ...]
    #: Whose API is asked, and how.
    asked: tuple[str, ...]
    asking: Asking
    #: Who is told of what happens to destinations.
    listener: str | None

    @classmethod
    def first(cls, script: Script) -> "Layout":
        """The one that a history begins with."""
        secrets = tuple((source, (FIRST_SECRET,)) for source in SOURCES)
        asked = tuple(sorted({course.subject.source for course in script.courses}))
        return cls(
            1,
            secrets,
            script.rules,
            script.places,
            asked,
            script.asking,
            script.listener,
        )

    @property
    def destinations(self) -> tuple[Place, ...]:
        """The same under the name that settings have for it."""
        return self.places

    @property
    def names(self) -> frozenset[str]:
        """Of all destinations."""
        return frozenset(place.name for place in self.places)

    @property
    def sources(self) -> tuple[Asked, ...]:
        """Those who are asked, as settings have them."""
        return tuple(_asked(name, self.asking) for name in self.asked)

    # --- editions ---------------------------------------------------------------------------------

    def after(self, fault: Reroute | Reask | Rehire | Remove | Forget) -> "Layout":
        """The next edition."""
        match fault:
            case Reroute(rules=rules):
                return self._next(rules=rules)
            case Reask(concurrency=concurrency):
                return self._next(asking=replace(self.asking, concurrency=concurrency))
            case Rehire(place=name, concurrency=concurrency, batch=batch):
                return self._next(
                    places=tuple(
                        replace(place, concurrency=concurrency, batch=batch)
                        if place.name == name
                        else place
                        for place in self.places
                    )
                )
            case Remove(place=name) | Forget(place=name):
                kept = tuple(place for place in self.places if place.name != name)
                return self._next(places=kept)

    def with_secrets(self, source: str, numbers: tuple[int, ...]) -> "Layout":
        """The next edition, in which these secrets of a source count."""
        secrets = tuple(
            (name, numbers if name == source else known) for name, known in self.secrets
        )
        return self._next(secrets=secrets)

    def with_places(self, *places: Place) -> "Layout":
        """The next edition, in which these are there too, if they were not."""
        names = {place.name for place in self.places}
        return self._next(
            places=self.places + tuple(p for p in places if p.name not in names)
        )

    def _next(self, **changes: object) -> "Layout":
        return replace(self, number=self.number + 1, **changes)  # type: ignore[arg-type] # fields of its own

    # --- what follows -----------------------------------------------------------------------------

    def accepts(self, source: str, number: int) -> bool:
        """Whether what is signed with this secret of a source is verified."""
        return number in dict(self.secrets)[source]

    def named(self, subject: Subject, outcome: str) -> frozenset[str]:
        """The destinations of an event."""
        here = self.names
        if not self.rules:
            return here
        takers = [rule for rule in self.rules if _takes(rule, subject, outcome)]
        return here & frozenset(name for rule in takers for name in rule.to)

    def catalog(self) -> Catalog:
        """The same as the relay has it."""
        return Catalog(
            sources={
                name: Source(name=name, channels={CALLBACK: _channel(name, numbers)})
                for name, numbers in self.secrets
            },
            router=Router(
                routes=[*map(_route, self.rules), *_told(self.listener)],
                destinations=[place.name for place in self.places],
            ),
        )


def _takes(rule: Rule, subject: Subject, outcome: str) -> bool:
    fits = (
        (not rule.outcomes or outcome in rule.outcomes)
        and rule.kind in (None, subject.kind)
        and rule.source in (None, subject.source)
    )
    return fits is not rule.negated


@cache
def key_of(source: str, number: int) -> RunflowKey:
    """A source's nth secret."""
    return RunflowKey(f"whsec_{source}_{number}")


@cache
def _asked(name: str, asking: Asking) -> Asked:
    return Asked.model_validate(
        {
            "name": name,
            "secret": "whsec_of_no_account",
            "api": {
                "token": "token",
                "organization_id": f"org-{name}",
                "concurrency": asking.concurrency,
                "timeout": "1s",
            },
            "on_unconfirmed": asking.on_unconfirmed,
            "sweep": {
                "every": f"{asking.every}s",
                "overlap": f"{asking.overlap}s",
                "grace": f"{asking.grace}s",
                "since": "30d",
                "redeliver": asking.redeliver,
            },
        }
    )


@cache
def _channel(source: str, numbers: tuple[int, ...]) -> Channel:
    credentials = tuple(
        Credential(
            id=f"k{number}", key=key_of(source, number), not_before=None, not_after=None
        )
        for number in numbers
    )
    return Channel(name=CALLBACK, verifier=RunflowVerifier(credentials=credentials))


@cache
def _told(listener: str | None) -> tuple[Route, ...]:
    """The route of what the relay tells of itself, where anybody is told."""
    if listener is None:
        return ()
    match = compile_match([])
    return (Route(name="told", match=match, to=(listener,), operational=True),)


@cache
def _route(rule: Rule) -> Route:
    parts: list[object] = []
    if rule.outcomes:
        ends = [{"suffix": {"type": f".{outcome}"}} for outcome in rule.outcomes]
        parts.append({"any": ends})
    if rule.kind is not None:
        parts.append({"prefix": {"type": f"io.runflow.{rule.kind}."}})
    if rule.source is not None:
        parts.append({"exact": {"source": f"/runflow/{rule.source}"}})
    if rule.negated:
        # An empty list means everything, and the contrary of that is nothing.
        nothing = {"exact": {"type": "io.runflow.none"}}
        match: object = {"not": {"all": parts}} if parts else nothing
    else:
        match = parts
    return Route(name="rule", match=compile_match(match), to=rule.to)
