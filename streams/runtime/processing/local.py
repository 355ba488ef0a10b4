"""The whole flow in one process, without a broker: each topic's keys in order, timers by a given clock."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from streams.contract import Contract
from streams.errors import SetAside
from streams.events.codec import decode_part, encode_part
from streams.events.envelope import Envelope, from_kafka, timestamp, to_kafka
from streams.events.identifiers import digest_of, event_id, named_id
from streams.events.imaging import TimerFired
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.events.watching import PriorityOverridden, ReportSigned, StudyOpened
from streams.flow import FEEDBACK, READING, addressed, agents
from streams.policy import Policies
from streams.stage import LAST, Agent, Decision, Listing, decide

Read = Callable[[ReadingRequested], ReadingAnswered | ReadingFailed]
Queue = tuple[str, str]
"""Topic and key: within one the order stands, between two anything may come first, as in Kafka."""
Pick = Callable[[Sequence[Queue]], Queue]
DOOR = "door"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An event that was set aside, and why."""

    envelope: Envelope
    reason: str


def first(queues: Sequence[Queue]) -> Queue:
    """Take what has waited longest."""
    return queues[0]


class LocalFlow:
    """All agents of the map on queues in memory.

    Every event and every part of a state passes through its bytes, as on the real way.

    Attributes:
        records: topic to what was said on it, in order.
        objects: what stages had stored, by digest.
        listed: each agent's sorted view: key to read-by time.
        refused: what was set aside.
    """

    def __init__(self, policies: Policies, contracts: Sequence[Contract], read: Read, pick: Pick = first) -> None:
        """`read` is asked for each reading, and again while its failure is not final."""
        self.records: dict[str, list[Envelope]] = defaultdict(list)
        self.objects: dict[str, bytes] = {}
        self.listed: dict[str, dict[str, datetime]] = defaultdict(dict)
        self.refused: list[Refusal] = []
        self._agents = {agent.topic: agent for agent in agents(policies, contracts)}
        self._lanes = {f"triage.readings.{lane}": name for lane, name in READING.items()}
        self._policy, self._read, self._pick = policies.digest, read, pick
        self._parts: dict[Queue, dict[str, bytes]] = defaultdict(dict)
        self._timers: dict[tuple[str, str, str], datetime] = {}
        self._queues: dict[Queue, deque[Envelope]] = {}
        self._applied: set[tuple[str, str]] = set()

    def put(self, envelope: Envelope, door: str = DOOR) -> None:
        """An event from outside, to the topics that the map gives it."""
        self._send(envelope, door)

    def run(self) -> None:
        """Until nothing is left to hear; timers stay."""
        while self._queues:
            name = self._pick(tuple(self._queues))
            envelope = self._queues[name].popleft()
            if not self._queues[name]:
                del self._queues[name]
            self._hear(name[0], envelope)

    def advance(self, to: datetime) -> None:
        """Run, firing each timer that is due by `to`, the earliest first."""
        self.run()
        while due := sorted((time, name) for name, time in self._timers.items() if time <= to):
            time, (agent, key, timer) = due[0]
            del self._timers[agent, key, timer]
            stage, _, name = timer.partition(".")
            if name == LAST:
                self._forget((agent, key))
                continue
            identity = named_id("timer", agent, key, timer, timestamp(time))
            event = TimerFired(key=key, stage=stage, name=name)
            self._send(Envelope(id=identity, time=time, key=key, data=event), agent)
            self.run()

    def _send(self, envelope: Envelope, agent: str) -> None:
        for topic, copy in addressed(envelope, agent):
            _key, value, headers = to_kafka(copy)
            received = from_kafka(value, headers)
            self.records[topic].append(received)
            self._queues.setdefault((topic, received.key), deque()).append(received)

    def _hear(self, topic: str, envelope: Envelope) -> None:
        if isinstance(envelope.data, StudyOpened | ReportSigned | PriorityOverridden) and topic == "triage.feedback":
            self._send(envelope, FEEDBACK)
        elif topic in self._lanes and isinstance(envelope.data, ReadingRequested):
            self._answer(self._lanes[topic], envelope, envelope.data)
        elif topic in self._agents:
            agent = self._agents[topic]
            if isinstance(envelope.data, tuple(agent.hears)) and (agent.name, envelope.id) not in self._applied:
                self._applied.add((agent.name, envelope.id))
                self._decide(agent, envelope)

    def _answer(self, lane: str, asked: Envelope, request: ReadingRequested) -> None:
        attempt, final = 0, False
        while not final:
            answer = self._read(request)
            final = not isinstance(answer, ReadingFailed) or answer.final
            identity = event_id(asked.id, lane, attempt)
            self._send(replace(asked, id=identity, data=answer, cause=asked.id, policy=None), lane)
            attempt += 1

    def _decide(self, agent: Agent, envelope: Envelope) -> None:
        held = self._parts[agent.name, envelope.key]
        names = agent.needs(envelope.data)
        wanted = held if names is None else {name: held[name] for name in names if name in held}
        try:
            decision = decide(agent, _read_parts(agent, wanted), envelope, self._policy)
            if decision.needs_all:
                decision = decide(agent, _read_parts(agent, held), envelope, self._policy)
        except SetAside as fault:
            self.refused.append(Refusal(envelope=envelope, reason=str(fault)))
            return
        self._keep((agent.name, envelope.key), decision)
        for said in decision.says:
            self._send(said, agent.name)

    def _keep(self, place: Queue, decision: Decision) -> None:
        held = self._parts[place]
        for name, part in decision.changes.items():
            if part is None:
                held.pop(name, None)
            else:
                held[name] = encode_part(part)
        for name, due in decision.timers.items():
            self._timers.pop((*place, name), None)
            if due is not None:
                self._timers[(*place, name)] = due
        self.objects |= {digest_of(content): content for content in decision.keeps}
        if decision.listing:
            self._list(*place, decision.listing)

    def _forget(self, place: Queue) -> None:
        self._parts.pop(place, None)
        self.listed[place[0]].pop(place[1], None)

    def _list(self, agent: str, key: str, listing: Listing) -> None:
        if listing.read_by is None:
            self.listed[agent].pop(key, None)
        else:
            self.listed[agent][key] = listing.read_by


def _read_parts(agent: Agent, parts: dict[str, bytes]) -> dict[str, object]:
    return {name: decode_part(agent.kind(name), content) for name, content in parts.items()}
