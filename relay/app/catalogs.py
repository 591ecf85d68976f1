"""Catalogs: settings become what receiving and recording work with.

Owns turning secrets into keys and routes into predicates; afterwards no one needs the settings.
"""

from collections.abc import Iterable
from datetime import datetime

from relay.core.catalog import CALLBACK, Catalog, Channel, Source
from relay.core.credential import Credential
from relay.core.route import (
    InvalidMatchError,
    Place,
    Route,
    Router,
    compile_match,
)
from relay.core.signature import (
    IncomingKey,
    PublicKey,
    RunflowKey,
    RunflowVerifier,
    StandardVerifier,
    Verifier,
)
from relay.core.signing import StandardKey
from relay.settings import RunflowChannel, Settings, StandardChannel, VerifyingKey
from relay.settings import RunflowKey as RunflowKeySetting
from relay.settings import Source as SourceSetting

__all__ = ["build_catalog", "check_match", "moment_us"]


def build_catalog(settings: Settings) -> Catalog:
    """The catalog that a configuration describes."""
    return Catalog(
        sources={source.name: _source(source) for source in settings.sources},
        router=Router(
            routes=[
                Route(
                    name=route.name,
                    match=compile_match(route.match),
                    to=route.to,
                    operational=route.operational,
                )
                for route in settings.routes
            ],
            destinations=[destination.name for destination in settings.destinations],
        ),
    )


def check_match(match: object) -> tuple[Place, str] | None:
    """Where a route's ``match`` is wrong, and what is; None when nothing is."""
    try:
        compile_match(match)
    except InvalidMatchError as error:
        return error.where, str(error)
    return None


def _source(setting: SourceSetting) -> Source:
    channels = [
        Channel(name=CALLBACK, verifier=_runflow(setting.keys)),
        *(
            Channel(name=channel.name, verifier=_verifier(channel))
            for channel in setting.channels
        ),
    ]
    return Source(
        name=setting.name,
        channels={channel.name: channel for channel in channels},
        require=setting.require,
        always_asked=setting.enrich == "always",
        collapses=setting.collapse_client_ref == "first_success",
    )


def _verifier(channel: RunflowChannel | StandardChannel) -> Verifier:
    if isinstance(channel, RunflowChannel):
        return _runflow(channel.keys)
    return StandardVerifier(
        credentials=tuple(_standard(key) for key in channel.keys),
        tolerance=channel.tolerance.us,
    )


def _runflow(keys: Iterable[RunflowKeySetting]) -> RunflowVerifier:
    return RunflowVerifier(
        credentials=tuple(
            Credential(
                id=key.id,
                key=RunflowKey(key.secret.reveal()),
                not_before=moment_us(key.not_before),
                not_after=moment_us(key.not_after),
            )
            for key in keys
        )
    )


def _standard(key: VerifyingKey) -> Credential[IncomingKey]:
    text = key.secret.reveal()
    return Credential(
        id=key.id,
        key=PublicKey(text) if text.startswith("whpk_") else StandardKey.parse(text),
        not_before=moment_us(key.not_before),
        not_after=moment_us(key.not_after),
    )


def moment_us(moment: datetime | None) -> int | None:
    """A setting's moment in wall microseconds."""
    return None if moment is None else int(moment.timestamp() * 1_000_000)
