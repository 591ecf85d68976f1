"""The Kafka sender against a real broker: what it writes, in which order, and what it refuses."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import ConsumerRecord
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused
from relay.core.event import Event
from relay.core.ports import Letter, Parcel
from relay.deliver.kafka import KafkaOptions, KafkaSender, record_of
from tests.deliver.conformance import Rig, SenderLaw, first, parcel, parcels
from tests.kafka_fixtures import Kafka, read_topic

pytestmark = pytest.mark.kafka

#: A limit for the tests that wait for it; others never come near.
SHORT_S = 3.0
_TYPED = {"confirmed": lambda text: text == "true", "revision": int}


def sender_to(kafka: Kafka, topic: str, **options: float) -> KafkaSender:
    changed = {"limit_s": 10.0, **options}
    return KafkaSender(
        options=msgspec.convert(
            {
                "bootstrap_servers": (kafka.broker.bootstrap_servers,),
                "topic": topic,
                **changed,
            },
            KafkaOptions,
        )
    )
