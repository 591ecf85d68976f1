"""Explaining: a store, a configuration and an API become what is known of one run.

Owns which store a URL names, whether a source's API may be asked and within which time, and what the
configuration has to do with what comes next. Reads only. Knows nothing of terminals.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from relay.app.presence import look
from relay.app.sweeps import build_client
from relay.core.identity import Kind, RunKey, UnusableIdError
from relay.core.notice import RELAY_SOURCE
from relay.core.ports import Clock
from relay.core.timeline import (
    Account,
    Explanation,
    Findings,
    History,
    Plan,
    Presence,
    Unanswered,
    explain,
    explain_hidden,
    missing_words,
    named_words,
)
from relay.reconcile.account import named_runs, take_account, unasked
from relay.record.postgres import history as postgres
from relay.record.sqlite import history as sqlite
from relay.settings import Place, Settings, Source

__all__ = ["Explainer", "Missing"]

#: Nobody waits longer than this for what the API says, in seconds.
LIMIT_S: Final = 5.0


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked for and is not there."""

    #: Where it was looked for.
    looked: str
    #: What the API of each source says of it: source, then sentences.
    upstream: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """Explains runs of one store."""

    place: Place
    #: None where the configuration cannot be used but for where the store is.
    settings: Settings | None
    clock: Clock
    #: Whether no API is asked.
    offline: bool = False
    #: Whether the beginnings of what destinations answered are shown.
    excerpts: bool = False

    async def find(self, text: str, source: str | None) -> Findings:
        """What the store has under an id, an event's id or a ``client_ref``.

        Raises:
            MisconfiguredError: there is no store there, or it cannot be read.
            StoreBusyError: it does not answer.
        """
        if self.place.store.file is None:
            return await postgres.find_in(self.place.store.reveal(), text, source)
        path = self.place.store_path
        return await asyncio.to_thread(sqlite.find_in, path, text, source)

    async def whole(self, history: History, findings: Findings) -> Explanation:
        """Explain one run, with what the API says of it now."""
        account, presence = await asyncio.gather(
            self._account(history.key.source, history.key), self._presence()
        )
        return self._explained(history, findings, account, presence)

    def brief(self, history: History, findings: Findings) -> Explanation:
        """Explain one run without asking anybody."""
        return self._explained(history, findings, None, None)

    def hidden(self, text: str, findings: Findings) -> Explanation:
        """Explain what nothing but callbacks in quarantine name."""
        return explain_hidden(text, findings, now=self.clock.now_us())

    async def missing(self, text: str, source: str | None) -> Missing:
        """Say where was looked, and what the APIs say of what was not found."""
        looked = (
            f"{self.place.store_place} has no run, batch, event or client_ref {text!r}"
        )
        if source is not None:
            looked += f" of the source {source}"
        if self.offline or self.settings is None:
            return Missing(looked=looked)
        asked = [one for one in self.settings.sources if source in (None, one.name)]
        said = await asyncio.gather(*(self._unheard_of(one, text) for one in asked))
        named = [one.name for one in asked]
        return Missing(looked=looked, upstream=tuple(zip(named, said, strict=True)))

    def _explained(
        self,
        history: History,
        findings: Findings,
        account: Account | None,
        presence: Presence | None,
    ) -> Explanation:
        key = history.key
        plan = self._plan(key.source)
        return explain(
            history,
            account,
            hidden=findings.quarantined if findings.by == "id" else (),
            plan=None if plan is None else replace(plan, presence=presence),
            now=self.clock.now_us(),
            excerpts=self.excerpts,
        )

    async def _presence(self) -> Presence | None:
        if self.settings is None:
            return None
        return await look(str(self.settings.operator.listen.reached()))

    async def _unheard_of(self, source: Source, text: str) -> tuple[str, ...]:
        try:
            key = RunKey.of(source.name, Kind.RUN, text)
        except UnusableIdError:
            return ("It can be no id, so no API was asked.",)
        account = await self._account(source.name, key)
        if isinstance(account.run, Unanswered) and account.run.reason == "not_found":
            batch = RunKey.of(source.name, Kind.BATCH, text)
            other = await self._account(source.name, batch)
            if not isinstance(other.run, Unanswered):
                account = other
            elif named := await self._named(source, text):
                return tuple(named_words(source.name, named))
        base = None if self.settings is None else self.settings.public.url
        return tuple(
            missing_words(
                account,
                plan=self._plan(source.name),
                base=base,
                now=self.clock.now_us(),
            )
        )

    async def _named(self, source: Source, client_ref: str) -> list[str]:
        client = build_client(source)
        if client is None:
            return []
        async with client:
            limit_s = min(LIMIT_S, source.api.timeout.seconds)
            return await named_runs(client, client_ref, limit_s=limit_s)

    async def _account(self, name: str, key: RunKey) -> Account:
        now = self.clock.now_us()
        if name == RELAY_SOURCE:
            return unasked(name, "own", now=now)
        return await self._asked(name, key, now=now)

    async def _asked(self, name: str, key: RunKey, *, now: int) -> Account:
        if self.offline:
            return unasked(name, "offline", now=now)
        if self.settings is None:
            return unasked(name, "no_settings", now=now)
        found = [one for one in self.settings.sources if one.name == name]
        if not found:
            return unasked(name, "no_source", now=now)
        source = found[0]
        if source.enrich == "never":
            return unasked(name, "never", now=now)
        client = build_client(source)
        if client is None:
            return unasked(name, "no_token", now=now)
        async with client:
            return await take_account(
                client,
                key,
                organization=source.api.organization_id,
                limit_s=min(LIMIT_S, source.api.timeout.seconds),
                now=now,
            )

    def _plan(self, name: str) -> Plan | None:
        if self.settings is None:
            return None
        ages = {one.name: one.max_age.us for one in self.settings.destinations}
        for number, source in enumerate(self.settings.sources):
            if source.name == name:
                return Plan(
                    setting=f"sources[{number}]",
                    asks=source.api.token is not None and source.enrich != "never",
                    deadline=source.api.give_up_after.us,
                    on_unconfirmed=source.on_unconfirmed,
                    max_age=ages,
                )
        return Plan(asks=False, deadline=0, on_unconfirmed="hold", max_age=ages)
