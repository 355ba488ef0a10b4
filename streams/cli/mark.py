"""`wetread open`, `read`, `prioritise`, `order`: what people and other systems say of a study."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from streams.doors.orders import place_order
from streams.events.envelope import Envelope, to_kafka
from streams.events.identifiers import named_id
from streams.events.imaging import Priority
from streams.events.watching import PriorityOverridden, ReportSigned, StudyOpened
from streams.flow import addressed
from streams.ports import EventLog, Message
from streams.runtime.record.about import find_study
from streams.runtime.settings import Settings, load
from streams.runtime.wiring import connected, pseudonym

Level = Annotated[str, typer.Argument(help="stat, urgent or routine")]
Study = Annotated[str, typer.Argument(help="Study Instance UID, or the end of one that is unique")]
LEVELS: dict[str, Priority] = {"stat": "stat", "urgent": "urgent", "routine": "routine"}


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("open")(open_study)
    app.command("read")(read_study)
    app.command("prioritise")(prioritise)
    app.command("order")(order)


def open_study(study: Study) -> None:
    """Say that somebody has the study on the screen: it leaves the list, its alerts close."""
    _say(study, lambda uid, by: StudyOpened(study=uid, by=by))


def read_study(study: Study) -> None:
    """Say that the study is read."""
    _say(study, lambda uid, by: ReportSigned(study=uid, by=by))


def prioritise(study: Study, priority: Level) -> None:
    """Override how urgent the study is, until it is said again."""
    asked = level(priority)
    _say(study, lambda uid, by: PriorityOverridden(study=uid, by=by, priority=asked))


def order(accession: Annotated[str, typer.Argument(help="Accession Number (0008,0050)")], priority: Level) -> None:
    """Place an order's priority; the study is found by its accession number, before or after it arrives."""
    settings = load()
    envelope = place_order(accession, level(priority), pseudonym(settings), datetime.now(UTC))
    asyncio.run(_send(settings, envelope, "door"))


def level(text: str) -> Priority:
    """A priority by its name."""
    if text not in LEVELS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(LEVELS)}")
    return LEVELS[text]


def _say(study: str, event_of: Callable[[str, str], object]) -> None:
    asyncio.run(_find_and_say(study, event_of))


async def _find_and_say(study: str, event_of: Callable[[str, str], object]) -> None:
    settings = load()
    async with connected(settings) as parts:
        uid = await find_study(parts.log, study)
        event = event_of(uid, getpass.getuser())
        await say(parts.log, event, uid)
    print(f"{type(event).__name__}: {uid}")


async def say(log: EventLog, event: object, study: str) -> None:
    """Put what a person says of a study on the record."""
    now = datetime.now(UTC)
    identity = named_id("cli", type(event).__name__, study, now.isoformat())
    await _publish(log, Envelope(id=identity, time=now, key=study, data=event), "door")


async def _send(settings: Settings, envelope: Envelope, agent: str) -> None:
    async with connected(settings) as parts:
        await _publish(parts.log, envelope, agent)
    print(f"{type(envelope.data).__name__}: {envelope.key}")


async def _publish(log: EventLog, envelope: Envelope, agent: str) -> None:
    messages = [Message(topic, *to_kafka(e)) for topic, e in addressed(envelope, agent)]
    await log.send(messages)
