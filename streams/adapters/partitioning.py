"""Which partition a key stands in: Kafka's default partitioner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from aiokafka.partitioner import murmur2

_POSITIVE = 0x7FFFFFFF


class _Partition(Protocol):
    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...


class At(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


P = TypeVar("P", bound=_Partition)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key."""
    return int(murmur2(key) & _POSITIVE) % partitions


def holding(partitions: Iterable[P], keys: Sequence[bytes] | None) -> list[P]:
    """Those of all partitions of some topics that these keys stand in; all of them, where keys is None."""
    every = list(partitions)
    if keys is None:
        return every
    counts = Counter(each.topic for each in every)
    return [each for each in every if each.partition in {partition_of(key, counts[each.topic]) for key in keys}]
