"""A history: what was sent, what was answered, what was broken, and what topics, store and Redis held at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

SUCCESS = 0
"""DIMSE status of an instance that is stored (PS3.7 C.1.1)."""
RETRY, DEADLETTERS = ".retry", "triage.deadletters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A record of a topic.

    Attributes:
        at: when the broker took it.
        type: "AlertRaised" of "wetread.AlertRaised.v1"; empty where the header is missing.
        headers: the first of each name.
        body: empty where the value is no JSON object.
        text: the value as it stands.
    """

    topic: str
    partition: int
    offset: int
    at: datetime
    key: str
    type: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    text: str

    @property
    def id(self) -> str:
        """CloudEvents id; empty where there is none."""
        return self.headers.get("ce_id", "")

    @property
    def cause(self) -> str | None:
        """Id of the event that led to this one."""
        return self.headers.get("ce_causationid")

    @property
    def where(self) -> str:
        """topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def study(self) -> str | None:
        """The study that the body is about."""
        named = self.body.get("study") or self.body.get("facts", {}).get("study")
        return str(named) if named else None

    @property
    def revision(self) -> int:
        """Of the study; 0 where the body names none."""
        return int(self.body.get("revision", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance that was to be sent; `sha256` of its data set's bytes, `code` what the model makes of it."""

    instance: str
    series: str
    sha256: str
    code: float | None
    batch: int
    conflicts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A study that was to be sent, and what is to become of it once all of it is acknowledged."""

    study: str
    kinds: frozenset[str]
    patient: str
    order: str | None
    canaries: tuple[str, ...]
    birth_date: str
    series: frozenset[str]
    instances: tuple[Instance, ...]
    outcome: str
    positive: bool | None
    alert: bool

    @property
    def codes(self) -> tuple[float, ...]:
        """Of all slices that a model may read; of an instance with two contents, the first, which stays."""
        return tuple(i.code for i in self.instances if i.code is not None and not i.conflicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """One attempt to send one instance, and what the door answered; None: nothing."""

    at: datetime
    study: str
    instance: str
    sha256: str
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Torment:
    """A fault: from when to when the harness kept it up, and when the part was ready again."""

    number: int
    fault: str
    target: str
    at: datetime
    ended_at: datetime
    recovered_at: datetime | None

    @property
    def part(self) -> str:
        """The kind of part that was hit."""
        return self.fault.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """What came by another way than C-STORE: an order, feedback, a bad file, a poison event, a flood of retries."""

    at: datetime
    what: str
    said: Mapping[str, Any]

    @property
    def place(self) -> tuple[str, int, int]:
        """Of a poison event: topic, partition, offset."""
        return str(self.said.get("topic")), int(self.said.get("partition", -1)), int(self.said.get("offset", -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object of the store; `sha256` computed anew over its bytes, `instance` of its file meta."""

    name: str
    sha256: str
    dataset_sha256: str | None
    instance: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for the whole run: waits in seconds, the model, and what its answer is (logit of a code).

    Attributes:
        slopes, digests: of each version of the model; empty: there is one.
        ended_s: for which a study is kept after it has ended; None: days, and none leaves in a run.
    """

    by_priority: Mapping[str, float]
    by_finding: Mapping[str, float]
    no_ai_after_s: float
    unordered: str
    alerts_on: frozenset[str]
    model: str
    finding: str
    slope: float
    middle: float
    slopes: Mapping[str, float] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    ended_s: float | None = None

    def logit(self, code: float, version: str = "") -> float:
        """What the stand-in model in this version says of a series whose largest code this is."""
        return (code - self.middle) * self.slopes.get(version, self.slope)


class Record:
    """The topics of the flow as they are to be read: each event once, by its id (repeats keep the first place)."""

    def __init__(self, events: Iterable[Event]) -> None:
        """Events of one partition come in their order."""
        self.all: tuple[Event, ...] = tuple(events)
        self.by_id: dict[str, Event] = {}
        self.nameless: list[Event] = []
        self._by_type: dict[str, list[Event]] = defaultdict(list)
        self._by_study: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
        seen: set[tuple[str, str]] = set()
        for event in self.all:
            if event.id and (event.topic, event.id) in seen:
                continue
            seen.add((event.topic, event.id))
            if not event.id:
                self.nameless.append(event)
                continue
            self._by_study[event.study or event.key][event.topic].append(event)
            if event.id not in self.by_id:
                self.by_id[event.id] = event
                self._by_type[event.type].append(event)

    def of(self, *types: str) -> list[Event]:
        """All events of these types, each id once."""
        return [event for name in types for event in self._by_type.get(name, ())]

    def on(self, topic: str, study: str) -> list[Event]:
        """What a topic says of a study, in order."""
        return self._by_study.get(study, {}).get(topic, [])

    def about(self, study: str, *types: str) -> list[Event]:
        """Events of a study of these types (none named: all), each id once, topic by topic in order."""
        found: dict[str, Event] = {}
        for events in self._by_study.get(study, {}).values():
            for event in events:
                if not types or event.type in types:
                    found.setdefault(event.id, event)
        return list(found.values())

    @property
    def studies(self) -> list[str]:
        """Every study that any event is about."""
        return sorted({e.study for e in self.all if e.study})


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All of it.

    Attributes:
        record: the flow's topics, without poison; letters, retries: of the other topics, as they stand.
        hollow: records of the flow's topics that lack what their schema asks for: nothing can be read from them.
        stored_of: study to what was acknowledged of it.
        worklist: study to read-by time, as Redis held it; None: it was not asked.
        why: study to the lines of `wetread why`.
        run, plan: as written by the harness.
        samples, stores: of each process, and of what is stored, as they were looked at.
    """

    folder: Path
    plan: Mapping[str, Any]
    run: Mapping[str, Any]
    policy: Policy
    studies: Mapping[str, Sent]
    acks: tuple[Ack, ...]
    stored_of: Mapping[str, frozenset[tuple[str, str]]]
    others: tuple[Other, ...]
    torments: tuple[Torment, ...]
    record: Record
    letters: tuple[Event, ...]
    retries: tuple[Event, ...]
    poison: tuple[Event, ...]
    hollow: tuple[Event, ...]
    objects: Mapping[str, Stored]
    worklist: Mapping[str, datetime] | None
    why: Mapping[str, Sequence[Mapping[str, Any]]]
    samples: Sequence[tuple[datetime, Mapping[str, Any]]] = ()
    stores: Sequence[tuple[datetime, Mapping[str, Any]]] = ()

    @property
    def sent_until(self) -> datetime | None:
        """When the last study was begun; None: the run did not come so far."""
        at = self.run.get("sent_until")
        return datetime.fromisoformat(at) if at else None

    @property
    def let_go(self) -> Mapping[str, datetime]:
        """Study to when it was let go last."""
        return {event.study or event.key: event.at for event in self.record.of("StudyLetGo")}

    def acknowledged(self, study: str) -> frozenset[tuple[str, str]]:
        """Instances of a study, each with the SHA-256 of the data set, for which the door has answered success."""
        return self.stored_of.get(study, frozenset())

    def complete(self, sent: Sent) -> bool:
        """Whether all that was to be sent of a study is acknowledged."""
        return {(i.instance, i.sha256) for i in sent.instances} <= self.acknowledged(sent.study)


def stored_of(acks: Iterable[Ack]) -> dict[str, frozenset[tuple[str, str]]]:
    """Study to what was acknowledged of it."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for ack in acks:
        if ack.status == SUCCESS:
            found[ack.study].add((ack.instance, ack.sha256))
    return {study: frozenset(pairs) for study, pairs in found.items()}
