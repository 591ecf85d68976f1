"""Endpoints: the settings of an HTTP destination become its sender.

Owns which key type each format signs with, and that certificates are read off the event loop.
"""

from typing import Final, TypeVar
from urllib.parse import urlsplit

from relay.app.catalogs import moment_us
from relay.app.system import System
from relay.core.credential import Credential
from relay.core.egress import EgressPolicy
from relay.core.errors import MisconfiguredError
from relay.core.ports import Executor
from relay.core.shape import Shape
from relay.core.signature import RunflowKey
from relay.core.signing import OutgoingKey, PrivateKey, StandardKey
from relay.deliver.egress import SystemResolver
from relay.deliver.http import HttpSender
from relay.deliver.http_options import BasicAuth, BearerAuth, HttpOptions, Proxy
from relay.settings import (
    Auth,
    Destination,
    HttpDestination,
    HttpProxy,
    Settings,
    SigningKey,
)
from relay.version import VERSION

__all__ = ["build_http", "shape_of"]

K = TypeVar("K", OutgoingKey, RunflowKey)

_PROXY_PORT: Final = 80


async def build_http(
    destination: HttpDestination,
    *,
    settings: Settings,
    system: System,
    executor: Executor,
) -> HttpSender:
    """Make the sender.

    Raises:
        MisconfiguredError: its TLS files cannot be used any more.
    """
    context = None
    if (tls := destination.tls) is not None:
        try:
            context = await executor.run(lambda: tls.context(settings.anchor(".")))
        except OSError as error:
            raise MisconfiguredError(
                f"destination {destination.name}: its TLS files cannot be used: "
                f"{error.strerror or type(error).__name__}"
            ) from error
    private = destination.private
    return HttpSender(
        options=_options(destination),
        policy=(
            EgressPolicy(private=private)
            if isinstance(private, bool)
            else EgressPolicy(allow=private)
        ),
        clock=system.clock,
        version=VERSION,
        resolver=SystemResolver(executor),
        tls=context,
    )


def shape_of(destination: Destination) -> Shape:
    """How much of each event any destination is sent."""
    return Shape(omit=destination.omit, max_bytes=destination.max_bytes)


def _options(destination: HttpDestination) -> HttpOptions:
    is_runflow = destination.format == "runflow"
    keys = destination.keys
    return HttpOptions(
        url=destination.url,
        keys=() if is_runflow else tuple(_credential(k, _standard(k)) for k in keys),
        runflow_keys=tuple(_credential(k, RunflowKey(k.secret.reveal())) for k in keys)
        if is_runflow
        else (),
        format=destination.format,
        shape=shape_of(destination),
        headers=tuple(
            (name.lower(), value.reveal())
            for name, value in destination.headers.items()
        ),
        auth=_auth(destination.auth),
        proxy=_proxy(destination.proxy),
        concurrency=destination.concurrency,
        connect_timeout_s=destination.connect_timeout.seconds,
        total_timeout_s=destination.timeout.seconds,
        response_bytes=destination.response_bytes,
    )


def _standard(key: SigningKey) -> OutgoingKey:
    text = key.secret.reveal()
    return (
        PrivateKey.parse(text) if text.startswith("whsk_") else StandardKey.parse(text)
    )


def _credential(key: SigningKey, usable: K) -> Credential[K]:
    return Credential(
        id=key.id,
        key=usable,
        not_before=moment_us(key.not_before),
        not_after=moment_us(key.not_after),
    )


def _auth(auth: Auth | None) -> BearerAuth | BasicAuth | None:
    if auth is None:
        return None
    if auth.bearer is not None:
        return BearerAuth(token=auth.bearer.reveal())
    return _basic(auth)


def _basic(login: Auth | HttpProxy) -> BasicAuth | None:
    if login.username is None or login.password is None:
        return None
    return BasicAuth(username=login.username, password=login.password.reveal())


def _proxy(proxy: HttpProxy | None) -> Proxy | None:
    if proxy is None:
        return None
    parts = urlsplit(proxy.url)
    return Proxy(
        host=parts.hostname or "", port=parts.port or _PROXY_PORT, auth=_basic(proxy)
    )
