"""Intake and triage without Kafka: what they say is heard at once, and a reading is answered as it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from streams.adapters.partitioning import partition_of
from streams.events.envelope import Envelope, from_kafka, to_kafka
from streams.events.identifiers import Digest, digest_of, named_id
from streams.events.reading import ReadingRequested
from streams.events.watching import PriorityOverridden
from streams.flow import DEADLETTERS, FEEDBACK, INTAKE, PARTITIONS, TRIAGE, addressed, agents
from streams.ports import Message, Record, StateStore
from streams.runtime.processing.applying import Applier, Outside
from tests.support import studies

GROUPS, GROUP = 4, 7
"""A series of 28 slices in four events, as a door groups what arrives within 100 ms."""
TAKES = {"imaging.instances": INTAKE, "triage.findings": TRIAGE}


@dataclass(slots=True)
class Kept:
    """Sends to nobody and stores nothing; what was said is taken out by `said`."""

    messages: list[Message] = field(default_factory=list)

    async def send(self, messages: tuple[Message, ...]) -> None:
        self.messages += messages

    def put(self, content: bytes) -> Digest:
        return digest_of(content)

    def said(self) -> list[Message]:
        messages, self.messages = self.messages, []
        return messages


@dataclass(slots=True)
class Flow:
    """The two agents over one state store.

    Attributes:
        record: all that was said and heard, in order, where it is to be kept.
        events: how many were applied.
    """

    state: StateStore
    record: list[Message] | None = None
    kept: Kept = field(default_factory=Kept)
    appliers: dict[str, Applier] = field(init=False)
    offsets: Iterator[int] = field(default_factory=count)
    events: int = 0

    def __post_init__(self) -> None:
        outside = Outside(
            state=self.state,
            log=self.kept,  # type: ignore[arg-type]  # only `send` is asked of it
            objects=self.kept,  # type: ignore[arg-type]  # only `put`
            policy=studies.POLICIES.digest,
            deadletters=DEADLETTERS,
            addressed=addressed,
        )
        named = {agent.name: agent for agent in agents(studies.POLICIES, (studies.HEAD,))}
        self.appliers = {name: Applier(named[name], outside) for name in (INTAKE, TRIAGE)}

    async def take(self) -> None:
        """Take every partition."""
        for applier in self.appliers.values():
            for partition in range(PARTITIONS):
                await applier.take(partition)

    async def study(self, study: str) -> None:
        """One study, from its first slice to its alert."""
        alerted = 0
        waiting = arriving(study)
        while waiting:
            message = waiting.pop(0)
            if self.record is not None:
                self.record.append(message)
            alerted += message.topic == "triage.alerts"
            if message.topic in TAKES:
                waiting += await self.heard(message)
            elif message.topic.startswith("triage.readings."):
                waiting.append(answer(message))
        assert alerted == 1, f"{study} has {alerted} alerts"

    async def heard(self, message: Message) -> list[Message]:
        """An event of an agent's topic; what the agent says of it."""
        record = Record(
            topic=message.topic,
            partition=partition_of(message.key, PARTITIONS),
            offset=next(self.offsets),
            key=message.key,
            value=message.value,
            headers=message.headers,
            written_at=studies.T0,
        )
        await self.appliers[TAKES[message.topic]].apply(record, lambda: record.offset)
        self.events += 1
        return self.kept.said()


def arriving(study: str) -> list[Message]:
    """What a door says of a head of 28 slices."""
    series = f"{study}.1"
    slices = studies.stack(series)
    facts = studies.series_facts(series), studies.study_facts(study=study, order=None)
    events: list[object] = [
        studies.stored(slices[first : first + GROUP], *facts) for first in range(0, GROUPS * GROUP, GROUP)
    ]
    events.append(replace(studies.released({series: len(slices)}), study=study))
    return [to_message(event, f"{study} {number}") for number, event in enumerate(events)]


def answer(request: Message) -> Message:
    """What a reader answers: a bleed."""
    asked = from_kafka(request.value, request.headers)
    assert isinstance(asked.data, ReadingRequested)
    return to_message(studies.answer_to(asked.data), f"{asked.id} answer", cause=asked.id)


def to_message(event: object, name: str, agent: str = "door", cause: str | None = None) -> Message:
    """The event as a door, a reader or the forwarder sends it."""
    envelope = Envelope(id=named_id("bench", name), time=studies.T0, key="", data=event, cause=cause)
    ((topic, placed),) = addressed(envelope, agent)
    return Message(topic, *to_kafka(placed))


def late(study: str, name: str) -> Message:
    """A person gives a study another place: triage loads it, and writes its new place."""
    event = PriorityOverridden(study=study, by=name, priority="urgent")
    return to_message(event, f"{study} {name}", FEEDBACK)
