"""A small agent for tests of delivery: it counts a key's events and chains a digest over them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from streams.events.envelope import Envelope, to_kafka
from streams.events.identifiers import named_id
from streams.events.imaging import TimerFired
from streams.events.watching import ReportSigned, StudyOpened
from streams.ports import Message
from streams.stage import Agent, Listing, Outcome, Parts, Stage

TOPIC, SAID, DEAD = "toy.in", "toy.out", "toy.deadletters"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Events heard of a key, and the digest chained over their names in order."""

    heard: int = 0
    chain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One event that was heard."""

    by: str


def chained(chain: str, by: str) -> str:
    """The next link."""
    return hashlib.sha256(f"{chain}/{by}".encode()).hexdigest()[:16]


def step(parts: Parts, event: object, now: datetime) -> Outcome:
    """Count, chain, say the chain; "all" asks for all of its state, "bug" raises, "timer" sets a timer."""
    known = parts.get("count") or Count()
    assert isinstance(known, Count)
    if isinstance(event, TimerFired):
        return Outcome(changes={"count": replace(known, heard=known.heard + 1000)})
    assert isinstance(event, StudyOpened)
    if event.by == "bug":
        raise ZeroDivisionError("a bug of the step")
    if event.by == "all" and not any(name.startswith("mark:") for name in parts) and known.heard:
        return Outcome(needs_all=True)
    count = Count(heard=known.heard + 1, chain=chained(known.chain, event.by))
    marks = sum(1 for name in parts if name.startswith("mark:"))
    return Outcome(
        changes={"count": count, f"mark:{count.heard}": Mark(by=event.by)},
        says=(ReportSigned(study=event.study, by=f"{count.heard}/{count.chain}/{marks}"),),
        timers={"quiet": now + timedelta(seconds=2)} if event.by == "timer" else {},
        keeps=(event.by.encode(),) if event.by == "keep" else (),
        listing=Listing(read_by=now + timedelta(seconds=count.heard)),
    )


def toy_agent(name: str = "toy", topic: str = TOPIC) -> Agent:
    """The agent."""
    stage = Stage(
        name="counting",
        hears=(StudyOpened, TimerFired),
        says=(ReportSigned,),
        kinds={"count": Count, "mark": Mark},
        step=step,
        needs=lambda _event: ("count",),
    )
    return Agent(name=name, title="counts", topic=topic, keyed_by="study", stages=(stage,))


def addressed(envelope: Envelope, _agent: str) -> Iterator[tuple[str, Envelope]]:
    """Everything said goes out; a timer that fired goes to the agent's own topic."""
    data = envelope.data
    if isinstance(data, TimerFired):
        yield TOPIC, replace(envelope, key=data.key)
    else:
        assert isinstance(data, ReportSigned)
        yield SAID, replace(envelope, key=data.study)


def opened(study: str, by: str, name: str = "") -> Message:
    """An event for the toy; `name` tells two equal ones apart."""
    event = StudyOpened(study=study, by=by)
    envelope = Envelope(id=named_id("toy", study, by, name), time=START, key=study, data=event)
    return Message(TOPIC, *to_kafka(envelope))
