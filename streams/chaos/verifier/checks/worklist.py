"""The worklist in Redis equals the fold of its topic: the newest place of each study that still waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.loading import moment
from streams.chaos.verifier.violations import Violation, broken

NAME = "worklist"
TOPIC = "triage.worklist"


def check(history: History) -> Iterator[Violation]:
    """Study by study, and then the order in which they are shown."""
    if history.worklist is None:
        yield broken(NAME, None, "redis.json is missing: nothing can be said of the worklist")
        return
    newest = folded(history)
    waiting = {study: at for study, event in newest.items() if (at := read_by(event)) is not None}
    for study in sorted(waiting.keys() | history.worklist.keys()):
        wanted, shown = waiting.get(study), history.worklist.get(study)
        if wanted != shown:
            told = f"the topic says {_said(wanted)}, Redis says {_said(shown)}"
            yield broken(NAME, study, told, [newest[study]] if study in newest else [])
    times = list(history.worklist.values())
    if times != sorted(times):
        yield broken(NAME, None, "Redis does not show the worklist in the order of its read-by times")


def folded(history: History) -> Mapping[str, Event]:
    """Study to its newest place: a repeat of an older event changes nothing."""
    studies = {event.study for event in history.record.all if event.topic == TOPIC and event.study}
    return {study: events[-1] for study in studies if (events := history.record.on(TOPIC, study))}


def read_by(place: Event) -> datetime | None:
    """By when it is to be read; None: it is off the list."""
    return moment(place.body["read_by"]) if place.body["state"] == "waiting" else None


def _said(at: datetime | None) -> str:
    return f"it waits until {at.isoformat()}" if at else "it is off the list"
