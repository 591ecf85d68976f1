import ssl
from collections.abc import Mapping, Sequence
from typing import TypedDict

from aiokafka import AIOKafkaClient
from aiokafka.admin.config_resource import ConfigResource

class NewTopic:
    def __init__(
        self,
        name: str,
        num_partitions: int,
        replication_factor: int,
        replica_assignments: Mapping[int, Sequence[int]] | None = ...,
        topic_configs: Mapping[str, str] | None = ...,
    ) -> None: ...

class _CreateTopicsResponse:
    #: topic, error code, reason; more in later versions of the protocol
    topic_errors: Sequence[tuple[str, int, str | None]]

class _DescribeConfigsResponse:
    #: error code, reason, resource type, resource name, entries that begin with name and value
    resources: Sequence[
        tuple[int, str | None, int, str, Sequence[tuple[str, str | None, object]]]
    ]

class _AlterConfigsResponse:
    resources: Sequence[tuple[int, str | None, int, str]]

class _Partition(TypedDict):
    error_code: int
    partition: int
    leader: int

class _Topic(TypedDict):
    error_code: int
    topic: str
    partitions: list[_Partition]

class _Broker(TypedDict):
    node_id: int
    host: str
    port: int

class _Cluster(TypedDict):
    brokers: list[_Broker]
    cluster_id: str
    controller_id: int

class AIOKafkaAdminClient:
    _client: AIOKafkaClient
    def __init__(
        self,
        *,
        bootstrap_servers: str | list[str] = ...,
        client_id: str = ...,
        request_timeout_ms: int = ...,
        security_protocol: str = ...,
        ssl_context: ssl.SSLContext | None = ...,
        sasl_mechanism: str = ...,
        sasl_plain_username: str | None = ...,
        sasl_plain_password: str | None = ...,
    ) -> None: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def create_topics(
        self, new_topics: list[NewTopic]
    ) -> _CreateTopicsResponse: ...
    async def delete_topics(self, topics: list[str]) -> object: ...
    async def describe_topics(self, topics: list[str] | None = ...) -> list[_Topic]: ...
    async def list_topics(self) -> list[str]: ...
    async def describe_cluster(self) -> _Cluster: ...
    async def describe_configs(
        self, config_resources: list[ConfigResource]
    ) -> list[_DescribeConfigsResponse]: ...
    async def alter_configs(
        self, config_resources: list[ConfigResource]
    ) -> list[_AlterConfigsResponse]: ...
