"""The story of one study: each event of the record as a sentence, in the order of causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from streams.events import imaging, measuring, quality, reading, telling, watching, words
from streams.events.codec import EVENT_TYPES
from streams.events.envelope import Envelope
from streams.oversight.growing import growth_told, lesions_told

_ORDER = {event_type: position for position, event_type in enumerate(EVENT_TYPES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """One thing that happened: when, where it is recorded, and the sentence."""

    at: datetime
    topic: str
    what: str
    sentence: str
    event: str


def belongs(envelope: Envelope, study: str) -> bool:
    """Whether an event is about this study."""
    event = envelope.data
    facts = getattr(event, "facts", None)
    return study in {envelope.key, getattr(event, "study", None), getattr(facts, "study", None)}


def story(record: Iterable[tuple[str, Envelope]], study: str) -> tuple[StoryLine, ...]:
    """What the record says of the study: effects after their causes, one step's words in the order of the flow."""
    seen: set[str] = set()
    mine: list[tuple[str, Envelope]] = []
    for topic, envelope in record:
        if envelope.id not in seen and belongs(envelope, study):
            seen.add(envelope.id)
            mine.append((topic, envelope))
    causes: dict[str, str | None] = {envelope.id: envelope.cause for _topic, envelope in mine}
    ordered = sorted(mine, key=lambda pair: (pair[1].time, _depth(pair[1].id, causes), _ORDER[type(pair[1].data)]))
    return tuple(
        StoryLine(
            at=envelope.time,
            topic=topic,
            what=type(envelope.data).__name__,
            sentence=sentence(envelope.data),
            event=envelope.id,
        )
        for topic, envelope in ordered
    )


def _depth(event: str, causes: Mapping[str, str | None]) -> int:
    """How many events of the study lead to this one."""
    chain = {event}
    while (cause := causes.get(event)) in causes and cause not in chain:
        event = str(cause)
        chain.add(event)
    return len(chain)


def sentence(event: object) -> str:
    """An event as a person would say it."""
    tell = _TELL.get(type(event))
    return tell(event) if tell else type(event).__name__


def _stored(e: imaging.InstancesStored) -> str:
    faults = sorted({i.fault for i in e.instances if i.fault})
    tail = f"; {'; '.join(faults)}" if faults else ""
    return f"{len(e.instances)} instances of {_series(e.series)} stored by {e.door}{tail}"


def _series(facts: imaging.SeriesFacts) -> str:
    number = f"series {facts.number}" if facts.number is not None else "a series"
    return f"{number} ({' '.join(w for w in (facts.modality, facts.description.lower()) if w)})"


def _assembled(e: imaging.StudyAssembled) -> str:
    parts = [
        f"{_series(s.facts)}: {s.count} images, {s.orientation}, {s.coverage_mm:.0f} mm, whole by {s.whole_by}"
        + (f" [{'; '.join(s.faults)}]" if s.faults else "")
        for s in e.series
    ]
    return f"revision {e.revision}: " + "; ".join(parts)


def _choices(choices: Iterable[imaging.Choice], verb: str) -> list[str]:
    return [f"{c.model} {verb} …{(c.series or '')[-8:]}: {c.why}" for c in choices]


def _routed(e: imaging.StudyRouted | imaging.StudyIneligible) -> str:
    chosen = e.chosen if isinstance(e, imaging.StudyRouted) else ()
    lines = _choices(chosen, "reads") + _choices(e.declined, "declines")
    head = f"revision {e.revision}, {e.priority}"
    return f"{head}: " + ("; ".join(lines) or getattr(e, "reason", ""))


def _finding(e: reading.FindingMade) -> str:
    verdict = words.verdict(e)
    beside = words.measured(e)
    value = f", {beside}" if beside else ""
    shadow = " (shadow: moves nobody)" if e.role == "shadow" else ""
    return f"{e.name.replace('_', ' ')} {verdict}: {e.score:.2f} against {e.threshold:.2f}{value}{shadow}"


def _quality(e: quality.QualityReported) -> str:
    said = " ".join(f.sentence for f in e.faults) or "nothing is wrong."
    shown = f" ({e.part})" if e.part else ""
    return f"images{shown} looked at for {e.model}: {said}"


def _failed(e: reading.ReadingFailed) -> str:
    then = "" if e.final else "; it will be tried again"
    return f"no AI result of {e.model} ({e.kind}): {e.reason}{then}"


def _place(e: telling.PlaceChanged) -> str:
    if e.state != "waiting":
        return f"off the list: {e.state}"
    return f"to be read by {e.read_by:%Y-%m-%d %H:%M:%S} UTC, because " + "; ".join(r.sentence for r in e.reasons)


_TELL: dict[type, Callable[..., str]] = {
    imaging.InstancesStored: _stored,
    imaging.SeriesClosed: lambda e: f"{e.how.replace('-', ' ')} after {sum(e.counts.values())} images",
    imaging.TimerFired: lambda e: f"timer {e.stage}.{e.name.split(':')[0]} came due",
    imaging.OrderMatched: lambda e: f"its order is known: {e.priority}",
    imaging.AccessionSeen: lambda _e: "it names an order",
    imaging.PriorityChanged: lambda e: f"the order says {e.priority}",
    imaging.InstanceConflicted: lambda e: f"…{e.instance[-8:]} came again with other bytes; the first is kept",
    imaging.StudyAssembled: _assembled,
    imaging.StudyRouted: _routed,
    imaging.StudyIneligible: lambda e: f"{e.reason} ({_routed(e)})",
    reading.ReadingRequested: lambda e: f"{e.model} is asked in the {e.lane} lane, {e.role}",
    quality.QualityReported: _quality,
    reading.ReadingAnswered: lambda e: (
        f"{e.model} {e.model_version} answered {e.study_logit:+.2f} in {e.model_seconds:.2f} s "
        f"(pixels {e.pixels_seconds:.2f} s)" + "".join(f"; {n.sentence}" for n in e.quality)
    ),
    reading.ReadingFailed: _failed,
    reading.FindingMade: _finding,
    telling.PlaceChanged: _place,
    telling.AlertRaised: lambda e: (
        f"ALERT {e.finding.replace('_', ' ')} {e.score:.2f} against {e.threshold:.2f}, read by {e.read_by:%H:%M:%S} UTC"
    ),
    telling.AlertUpdated: lambda e: f"revision {e.revision}: score is now {e.score:.2f}",
    telling.AlertClosed: lambda e: f"alert closed: {e.reason}",
    telling.MeasurementMade: lambda e: f"{e.name.replace('_', ' ')}: {e.value:.1f} {e.unit}",
    measuring.LesionsMeasured: lesions_told,
    measuring.GrowthMeasured: growth_told,
    watching.StudyOpened: lambda e: f"opened by {e.by}",
    watching.ReportSigned: lambda e: f"read by {e.by}",
    watching.PriorityOverridden: lambda e: f"{e.by} says {e.priority}",
    watching.StudyClosed: lambda e: f"revision {e.revision} ends: {e.outcome}, {e.reason}",
    watching.StudyLetGo: lambda e: f"kept no longer: it ended {e.ended_at:%Y-%m-%d} with revision {e.revision}",
}
