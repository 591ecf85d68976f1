"""A key goes where every Kafka client would put it."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from relay.deliver.kafka_partition import murmur2, partition_of


@given(st.binary(max_size=255))
def test_the_hash_is_that_of_kafka(key: bytes) -> None:
    assert murmur2(key) == reference(key)


@given(key=st.binary(max_size=40), count=st.integers(1, 50))
def test_a_key_has_the_partition_that_others_give_it(key: bytes, count: int) -> None:
    partitions = list(range(count))
    expected = DefaultPartitioner()(key, partitions, partitions)
    assert partition_of(key, partitions, partitions) == expected


def test_a_record_without_a_key_goes_where_there_is_a_leader() -> None:
    assert {partition_of(None, [0, 1, 2], [1]) for _ in range(20)} == {1}
    assert {partition_of(None, [4], []) for _ in range(20)} == {4}
