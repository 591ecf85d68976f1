"""Client: what a user of Runflow's API holds in hand.

Owns how a client is made and ended, and the few verbs that belong to no resource.
"""

import os
import re
import ssl
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import aiohttp
from pydantic import SecretStr
from yarl import URL

from relay.runflow.answers import Answer
from relay.runflow.asking import path
from relay.runflow.calling import Caller
from relay.runflow.models import Health, Run
from relay.runflow.pacing import Pacer
from relay.runflow.resources import Auth, Batches, CallbackSecrets, Models, Runs
from relay.runflow.resources.runs import Embed, run_of
from relay.runflow.retrying import Retries
from relay.runflow.system import System
from relay.runflow.transport import BODY_BYTES_MAX, Timeouts, Transport
from relay.runflow.waiting import wait_for

__all__ = ["BASE_URL", "Runflow"]

BASE_URL: Final = "https://api.runflow.io"
USER_AGENT: Final = f"runflow-relay-client/{version('runflow-relay')}"

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


class Runflow:
    """A client of Runflow's API; one serves any number of tasks at once.

    ``async with`` closes its connections, as `close` does. They are opened with the first question.

    Attributes:
        auth: Who the token belongs to.
        batches: Many runs at once.
        callback_secrets: What callbacks are signed with.
        models: Create runs.
        runs: Read, search and change runs; their logs and callbacks.
    """

    def __init__(
        self,
        token: str | SecretStr,
        *,
        base_url: str = BASE_URL,
        organization_id: str | UUID | None = None,
        retries: int | Retries = Retries(),  # noqa: B008 - frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        body_bytes_max: int = BODY_BYTES_MAX,
        session: aiohttp.ClientSession | None = None,
        tls: ssl.SSLContext | None = None,
        trust_env: bool = False,
        user_agent: str | None = None,
        pacer: Pacer | None = None,
        system: System = System(),  # noqa: B008 - frozen
    ) -> None:
        """Make a client; nothing is sent or opened yet.

        Args:
            token: As Runflow shows it once; space around it is dropped. It is never printed.
            base_url: Where the API is, without ``/v1``.
            organization_id: Ask on behalf of this one; by default the token's own.
            retries: Further tries after the first, or a policy; 0 is exactly one request.
            timeouts: How long one request may take.
            body_bytes_max: An answer larger than this, once inflated, is an error.
            session: Use this one; it is then not closed here, and its middlewares are not run: what one
                of them repeats, nobody would see.
            tls: Whom to trust; by default the machine's certificates.
            trust_env: Whether proxies of the environment are used; a given session decides itself.
            user_agent: Put before this client's own.
            pacer: Says when each request may be sent; several clients may share it.
            system: Clock, sleep and dice.

        Raises:
            ValueError: The token or the address cannot be; the message does not show the token.
        """
        transport = Transport(
            base_url=_base(base_url),
            token=_token(token),
            user_agent=f"{user_agent} {USER_AGENT}" if user_agent else USER_AGENT,
            body_bytes_max=body_bytes_max,
            session=session,
            tls=tls,
            trust_env=trust_env,
            system=system,
        )
        self._assemble(
            Caller(
                transport=transport,
                organization_id=organization_id,
                retries=_policy(retries),
                timeouts=timeouts,
                system=system,
                pacer=pacer,
            ),
            origin=_origin(base_url),
        )
        self._owns_transport = True

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Self:
        """A client as ``RUNFLOW_TOKEN``, ``RUNFLOW_BASE_URL`` and ``RUNFLOW_ORGANIZATION_ID`` say.

        Raises:
            ValueError: There is no token, or what is there cannot be.
        """
        found = os.environ if environment is None else environment
        if not found.get("RUNFLOW_TOKEN"):
            raise ValueError("RUNFLOW_TOKEN is not set")
        return cls(
            found["RUNFLOW_TOKEN"],
            base_url=found.get("RUNFLOW_BASE_URL") or BASE_URL,
            organization_id=found.get("RUNFLOW_ORGANIZATION_ID") or None,
        )

    def with_options(
        self,
        *,
        organization_id: str | UUID | None = None,
        retries: int | Retries | None = None,
        timeouts: Timeouts | None = None,
        pacer: Pacer | None = None,
    ) -> "Runflow":
        """The same client with other options. It shares the connections and need not be closed."""
        twin = object.__new__(Runflow)
        twin._assemble(
            self._caller.changed(
                organization_id=organization_id,
                retries=None if retries is None else _policy(retries),
                timeouts=timeouts,
                pacer=pacer,
            ),
            origin=self._origin,
        )
        twin._owns_transport = False
        return twin

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Runflow({self._origin!r}, token=***)"

    async def close(self) -> None:
        """Close the connections, unless the session was given. May be called twice."""
        if self._owns_transport:
            await self._caller.transport.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        well_formed: bool = True,
    ) -> Answer:
        """Ask anything, and get the exact bytes, judged as every other answer is.

        Args:
            method: The HTTP method.
            path: From ``/v1`` on, with every segment encoded.
            query: Parameters; lists are joined by commas, None is left out.
            body: JSON.
            headers: Beside the usual ones.
            repeatable: Whether a second request does no harm; by default only for reads.
            well_formed: Whether a body that is not JSON as a whole is an error.

        Raises:
            ValueError: The path does not begin with ``/``.
            RunflowError: No usable answer; its ``reason`` says why.
        """
        if not path.startswith("/"):
            raise ValueError("a path begins with /")
        return await self._caller.ask(
            method,
            path,
            query=query,
            body=body,
            headers=headers,
            repeatable=repeatable,
            well_formed=well_formed,
        )

    async def wait(
        self,
        run_id: str | UUID,
        *,
        timeout: float = 600.0,  # noqa: ASYNC109 - ends with what was last seen
        poll: float = 2.0,
        embed: Iterable[Embed] = (),
        raise_on_failure: bool = False,
    ) -> Run:
        """Ask for a run until it has ended, and give it.

        Lives through 429, 5xx, broken connections and time-outs. Every terminal word is an end.

        Args:
            run_id: A UUID, or whatever text names a run.
            timeout: Seconds until the last question, which has one more to be answered in.
            poll: Seconds between an answer and the next question.
            embed: What to show inside of it.
            raise_on_failure: Whether ``failed`` and ``cancelled`` are errors; an end with a part of
                the output is none.

        Raises:
            WaitTimeoutError: It has not ended in time; names the last word seen.
            RunFailedError: Only with ``raise_on_failure``; has the run.
            RunflowError: A fault that does not pass by itself.
        """
        shown = tuple(embed)

        async def ask(limit_s: float) -> Run:
            answer = await self.runs.fetch(run_id, embed=shown, limit_s=limit_s)
            return run_of(answer, run_id)

        return await wait_for(
            ask,
            name=f"run {run_id}",
            timeout_s=timeout,
            poll_s=poll,
            raise_on_failure=raise_on_failure,
            retries=self._caller.retries,
            system=self._caller.system,
        )

    async def health(self) -> Health:
        """Whether the API is well.

        Raises:
            RunflowError: No usable answer.
        """
        return (await self._caller.ask("GET", path("health"))).parse(Health)

    def _assemble(self, caller: Caller, *, origin: str) -> None:
        self._caller = caller
        self._origin = origin
        self.auth = Auth(caller)
        self.batches = Batches(caller)
        self.callback_secrets = CallbackSecrets(caller)
        self.models = Models(caller)
        self.runs = Runs(caller)


def _policy(retries: int | Retries) -> Retries:
    return retries if isinstance(retries, Retries) else Retries(attempts=retries + 1)


def _token(token: str | SecretStr) -> SecretStr:
    text = token.get_secret_value() if isinstance(token, SecretStr) else token
    text = text.strip()
    if not _VISIBLE.fullmatch(text):
        raise ValueError("the token is empty, or has characters that no token has")
    return SecretStr(text)


def _base(text: str) -> str:
    """The address that paths are put behind.

    Raises:
        ValueError: It is not an address of HTTP, or holds more than host and path.
    """
    url = URL(text.strip())
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("base_url begins with https:// or http:// and names a host")
    if url.user or url.password or url.query_string or url.fragment:
        raise ValueError("base_url holds no user, query or fragment")
    # Paths bring their own /v1.
    return str(url).rstrip("/").removesuffix("/v1")


def _origin(text: str) -> str:
    return str(URL(text.strip()).origin())
