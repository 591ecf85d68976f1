"""Partition: which partition a key belongs to.

Owns the hash that every Kafka client agrees on (murmur2, as in ``org.apache.kafka.common.utils.Utils``), so
that topics written by others with the same keys and partition count are co-partitioned with ours. aiokafka
has the same, byte by byte; this one takes the key four bytes at a time, in less than half the time.
"""

import random
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

__all__ = ["murmur2", "partition_of"]

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def partition_of(
    key: bytes | None, partitions: Sequence[int], available: Sequence[int]
) -> int:
    """The partition of a key; any that is available for a record without one."""
    if key is None:
        # Spread only; nobody's secret.
        return random.choice(available or partitions)  # noqa: S311
    return partitions[(murmur2(key) & 0x7FFFFFFF) % len(partitions)]


def murmur2(data: bytes) -> int:
    """MurmurHash2 of ``data``, 32 bits, with Kafka's seed."""
    length = len(data)
    hashed = _SEED ^ length
    for word in _words(length >> 2)(data):
        mixed = word * _MIX & _MASK
        hashed = (hashed * _MIX ^ (mixed ^ mixed >> 24) * _MIX) & _MASK
    rest = length & 3
    if rest:
        hashed = (hashed ^ int.from_bytes(data[-rest:], "little")) * _MIX & _MASK
    hashed = (hashed ^ hashed >> 13) * _MIX & _MASK
    return hashed ^ hashed >> 15


@cache
def _words(count: int) -> Callable[[bytes], tuple[int, ...]]:
    """Read so many little-endian words from the beginning. Keys are at most 255 bytes long."""
    return struct.Struct(f"<{count}I").unpack_from
