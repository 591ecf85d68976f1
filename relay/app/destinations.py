"""Destinations: settings become senders and the couriers that feed them.

Owns which sender a kind of destination has and how it is bounded.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import assert_never

from relay.app.endpoints import build_http, shape_of
from relay.app.system import System
from relay.core.delivery import Outcome, Policy, Queue
from relay.core.gate import GatePolicy
from relay.core.health import HealthPolicy
from relay.core.ports import Executor, Metrics, Outbox, Sender
from relay.deliver.file import FileOptions, FileSender
from relay.deliver.kafka import KafkaSender
from relay.deliver.kafka_options import KafkaOptions, KafkaSasl, KafkaTls
from relay.deliver.worker import Courier, CourierOptions
from relay.settings import (
    Destination,
    FileDestination,
    HttpDestination,
    KafkaDestination,
    Settings,
)

__all__ = ["build_courier", "build_sender", "health_policy", "kafka_options"]

#: Kafka and files answer for all at once: one fault says that the destination does not work.
_GATE_OF_ONE = GatePolicy(faults_to_open=1)
_GATE = GatePolicy()


async def build_sender(
    destination: Destination,
    *,
    settings: Settings,
    system: System,
    executor: Callable[[str], Executor],
) -> Sender:
    """Make a destination's sender, ready to send.

    Raises:
        MisconfiguredError: it cannot work as configured.
    """
    match destination:
        case HttpDestination():
            return await build_http(
                destination,
                settings=settings,
                system=system,
                executor=executor(destination.name),
            )
        case FileDestination():
            return await _file(destination, settings, executor(destination.name))
        case KafkaDestination():
            return KafkaSender(options=kafka_options(destination, settings))
        case _:
            assert_never(destination)


def build_courier(
    destination: Destination,
    *,
    sender: Sender,
    outbox: Outbox,
    settings: Settings,
    system: System,
    metrics: Metrics,
    told: Callable[[Queue, Sequence[Outcome]], None],
) -> Courier:
    """Make the courier that empties a destination's backlog into its sender."""
    return Courier(
        destination.name,
        sender=sender,
        outbox=outbox,
        clock=system.clock,
        checkpoints=system.checkpoints,
        metrics=metrics,
        options=_bounds(destination, settings),
        told=told,
    )


def health_policy(destination: Destination) -> HealthPolicy:
    """When the relay stops sending to a destination by itself."""
    after = destination.disable_after
    return HealthPolicy(
        disable_after=None if after is None else after.us, brake=destination.brake
    )


def _bounds(destination: Destination, settings: Settings) -> CourierOptions:
    limits, max_age = settings.limits, destination.max_age.us
    if isinstance(destination, HttpDestination):
        ladder = tuple(step.us for step in destination.ladder)
        return CourierOptions(
            policy=Policy(max_age=max_age, ladder=ladder),
            gate=_GATE,
            ready_max=limits.ready_parcels,
            ready_bytes=limits.ready_bytes,
            rate=destination.rate,
            ordered=destination.ordering == "run",
        )
    return CourierOptions(
        policy=Policy(max_age=max_age, laddered=False),
        gate=_GATE_OF_ONE,
        ready_max=limits.ready_parcels,
        ready_bytes=limits.ready_bytes,
    )


def _file(
    destination: FileDestination, settings: Settings, executor: Executor
) -> Awaitable[Sender]:
    rotate = destination.rotate
    return FileSender.open(
        options=FileOptions(
            path=settings.anchor(destination.path),
            rotate_bytes=rotate.bytes if rotate else None,
            keep=rotate.keep if rotate else 0,
            shape=shape_of(destination),
        ),
        executor=executor,
    )


def kafka_options(destination: KafkaDestination, settings: Settings) -> KafkaOptions:
    """What a Kafka destination's clients are told."""
    tls, sasl = destination.tls, destination.sasl
    return KafkaOptions(
        bootstrap_servers=destination.bootstrap_servers,
        topic=destination.topic,
        limit_s=destination.batch_timeout.seconds,
        shape=shape_of(destination),
        tls=None
        if tls is None
        else KafkaTls(
            ca_file=settings.anchor(tls.ca) if tls.ca else None,
            certificate_file=settings.anchor(tls.cert) if tls.cert else None,
            key_file=settings.anchor(tls.key) if tls.key else None,
            check_hostname=tls.check_hostname,
        ),
        sasl=None
        if sasl is None
        else KafkaSasl(
            mechanism=sasl.mechanism,
            username=sasl.username,
            password=sasl.password.reveal(),
        ),
    )
