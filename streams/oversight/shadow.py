"""Shadow: what a candidate flow decides on the recorded events, and for whom it differs.

The record is the order: each agent hears what it heard, from its one topic. What another agent had said is
replaced by what the candidate says in its stead, as long as the record still holds what it was said of: lesions of
years ago outlive the findings that they came from. Recorded model answers are used; no model is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import heappop, heappush

from streams.events import imaging, reading
from streams.events.envelope import Envelope, timestamp
from streams.events.identifiers import EventId, named_id
from streams.stage import LAST, Agent, decide

Address = Callable[[Envelope, str], tuple[tuple[str, Envelope], ...]]
RulesOf = Callable[[str, EventId], tuple[Agent, str] | None]
"""By an agent's name and an event's id: the agent of then, and the digest of its rules; None: the candidate."""


def by_the_candidate(_agent: str, _event: EventId) -> None:
    """Every event is decided under the candidate's rules."""


@dataclass(frozen=True, slots=True)
class Said:
    """One event on one topic."""

    topic: str
    envelope: Envelope


@dataclass(slots=True)
class _Replayed:
    """What the candidate has said so far, by topic and id."""

    by_topic: dict[str, dict[str, Envelope]] = field(default_factory=lambda: defaultdict(dict))
    readings: dict[str, reading.ReadingRequested] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()
    """Ids of all recorded events."""

    def add(self, said: Said) -> None:
        self.by_topic[said.topic].setdefault(said.envelope.id, said.envelope)
        if isinstance(said.envelope.data, reading.ReadingRequested):
            self.readings[said.envelope.data.reading] = said.envelope.data

    def answered(self, envelope: Envelope, recorded: Mapping[str, reading.ReadingRequested]) -> list[Envelope]:
        """A recorded answer as the candidate hears it: as it was, or for readings of the same images by that model.

        A candidate may ask in another revision than was asked live; the model would have said the same.
        """
        answer = envelope.data
        assert isinstance(answer, reading.ReadingAnswered | reading.ReadingFailed)
        if answer.reading in self.readings:
            return [envelope]
        asked = recorded.get(answer.reading)
        same = [
            r
            for r in self.readings.values()
            if r.reading not in recorded and asked and _question(r) == _question(asked)
        ]
        return [
            replace(
                envelope,
                id=named_id("shadow", envelope.id, r.reading),
                data=replace(answer, reading=r.reading, revision=r.revision, role=r.role),
            )
            for r in same
        ]


class _AgentShadow:
    """One agent's states and timers while its topic is replayed."""

    def __init__(self, agent: Agent, policy: str, address: Address, rules_of: RulesOf) -> None:
        self.agent, self.policy, self.address, self.rules_of = agent, policy, address, rules_of
        self.parts: dict[str, dict[str, object]] = defaultdict(dict)
        self.timers: dict[tuple[str, str], datetime] = {}
        self.by_due: list[tuple[datetime, str, str]] = []  # a heap; what was set anew or cancelled stands there still
        self.ever_set: set[str] = set()

    def timer_id(self, key: str, name: str, due: datetime) -> EventId:
        return named_id("timer", self.agent.name, key, name, timestamp(due))

    def step(self, heard: Envelope) -> list[Said]:
        held = self.parts[heard.key]
        agent, policy = self.rules_of(self.agent.name, heard.id) or (self.agent, self.policy)
        names = agent.needs(heard.data)
        parts = held if names is None else {n: held[n] for n in names if n in held}
        decision = decide(agent, parts, heard, policy)
        if decision.needs_all:
            decision = decide(agent, held, heard, policy)
        for name, part in decision.changes.items():
            if part is None:
                held.pop(name, None)
            else:
                held[name] = part
        for name, due in decision.timers.items():
            self.timers.pop((heard.key, name), None)
            if due is not None:
                self.timers[heard.key, name] = due
                heappush(self.by_due, (due, heard.key, name))
                self.ever_set.add(self.timer_id(heard.key, name, due))
        return [Said(*pair) for said in decision.says for pair in self.address(said, self.agent.name)]

    def due_before(self, time: datetime, recorded: Iterable[str]) -> list[Envelope]:
        """Timers of the candidate that the record does not hold, due before time, the earliest first."""
        fired = []
        while self.by_due and self.by_due[0][0] < time:
            due, key, name = heappop(self.by_due)
            identity = self.timer_id(key, name, due)
            if self.timers.get((key, name)) == due and identity not in recorded:
                del self.timers[key, name]
                stage, _, own = name.partition(".")
                if own == LAST:
                    self.parts.pop(key, None)
                    continue
                event = imaging.TimerFired(key=key, stage=stage, name=own)
                fired.append(Envelope(id=identity, time=due, key=key, data=event))
        return fired

    def settle(self, fired: Envelope) -> None:
        """A recorded timer is heard: it waits no longer, unless it was set anew meanwhile."""
        event = fired.data
        if isinstance(event, imaging.TimerFired):
            place = (event.key, f"{event.stage}.{event.name}")
            if self.timers.get(place) == fired.time:
                del self.timers[place]


def replay(
    agents: Sequence[Agent],
    policy: str,
    inputs: Mapping[str, Sequence[Envelope]],
    address: Address,
    rules_of: RulesOf = by_the_candidate,
) -> list[Said]:
    """All that the candidate's agents say when they hear the record.

    Args:
        agents: the deciding agents of the candidate, in the order of the flow.
        policy: digest of its policies.
        inputs: topic to its recorded events, each id once, each key in the order of the record.
        address: where an event goes (streams.flow.addressed).
        rules_of: the rules under which an event is decided, where they are not the candidate's.

    Returns:
        What is said, agent by agent, each in the order in which it decided.
    """
    replayed = _Replayed(recorded=frozenset(e.id for topic in inputs.values() for e in topic))
    asked = (e.data for topic in inputs.values() for e in topic)
    requests = {r.reading: r for r in asked if isinstance(r, reading.ReadingRequested)}
    everything: list[Said] = []
    retold = _retold_by(agents)
    for position, agent in enumerate(agents):
        shadow = _AgentShadow(agent, policy, address, rules_of)
        earlier = {t for a in agents[:position] for s in a.stages for t in s.says} & retold
        heard = _candidate_input(inputs.get(agent.topic, ()), agent.topic, replayed, earlier, requests)
        recorded = frozenset(e.id for e in inputs.get(agent.topic, ()) if isinstance(e.data, imaging.TimerFired))
        for envelope in heard:
            for timer in shadow.due_before(envelope.time, recorded):
                everything += _note(replayed, shadow.step(timer))
            if isinstance(envelope.data, imaging.TimerFired) and envelope.id not in shadow.ever_set:
                continue
            shadow.settle(envelope)
            if isinstance(envelope.data, tuple(agent.hears)):
                everything += _note(replayed, shadow.step(envelope))
    return everything


def _note(replayed: _Replayed, said: list[Said]) -> list[Said]:
    for one in said:
        replayed.add(one)
    return said


def _question(request: reading.ReadingRequested) -> tuple[str, str, str]:
    return request.study, request.model, request.manifest


def _retold_by(agents: Sequence[Agent]) -> set[type]:
    """Event types that one agent says and a later one hears: those the candidate may change."""
    return {
        heard
        for position, agent in enumerate(agents)
        for heard in agent.hears
        for earlier in agents[:position]
        for stage in earlier.stages
        if heard in stage.says
    }


def _candidate_input(
    recorded: Sequence[Envelope],
    topic: str,
    replayed: _Replayed,
    retold: set[type],
    requests: Mapping[str, reading.ReadingRequested],
) -> list[Envelope]:
    """The recorded input with what the candidate said in the place of what was said before it."""
    waiting = dict(replayed.by_topic.get(topic, {}))
    heard: list[Envelope] = []
    for envelope in recorded:
        if type(envelope.data) in retold and envelope.cause in replayed.recorded:
            if envelope.id in waiting:
                heard.append(waiting.pop(envelope.id))
        elif isinstance(envelope.data, reading.ReadingAnswered | reading.ReadingFailed):
            heard += replayed.answered(envelope, requests)
        else:
            heard.append(envelope)
    for new in waiting.values():
        later = (i for i, e in enumerate(heard) if e.key == new.key and e.time > new.time)
        heard.insert(next(later, len(heard)), new)
    return heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs for one study between the record and the candidate; None: nothing there."""

    study: str
    what: str
    live: str | None
    shadow: str | None
