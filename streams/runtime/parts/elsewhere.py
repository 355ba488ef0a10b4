"""A part that runs elsewhere, given by its address: never started or stopped by us, only asked whether it is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streams.runtime.parts.kafka import kafka_answers
from streams.runtime.parts.redis import redis_answers
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.parts.triton import failed_models, triton_answers


def _nothing(_address: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A running Kafka, Redis or Triton."""

    name: str
    address: str
    answers: Callable[[str], bool]
    notes: Callable[[str], str] = _nothing

    def is_ready(self) -> bool:
        """Whether it answers."""
        return self.answers(self.address)

    def is_alive(self) -> bool:
        """Not ours to judge: nothing here ends it."""
        return True

    def note(self) -> str:
        """What a person should know although it answers."""
        return self.notes(self.address)


def parts_elsewhere(settings: PartsSettings) -> tuple[Elsewhere, ...]:
    """The parts that these settings give by address."""
    given = (
        ("kafka", settings.kafka, kafka_answers, _nothing),
        ("redis", settings.redis, redis_answers, _nothing),
        ("triton", settings.triton, triton_answers, failed_models),
    )
    return tuple(Elsewhere(name, address, ask, note) for name, address, ask, note in given if address)
