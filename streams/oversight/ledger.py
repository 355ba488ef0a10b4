"""Every study ends in exactly one outcome: a fold of the record into one line per study."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from streams.events import imaging, measuring, reading, telling, watching
from streams.events.envelope import Envelope


@dataclass(slots=True, kw_only=True)
class StudyLine:
    """What the record says of one study so far.

    Attributes:
        instances: SOP Instance UIDs stored; assembled: how many of them the newest revision holds.
        outcomes: revision to its outcomes; more than one for a revision is a broken promise.
        growths: model to the newest edition of what it says of growth.
        told_at: alert id to when Kafka wrote the alert.
    """

    study: str
    facts: imaging.StudyFacts | None = None
    modality: str = ""
    priority: str = ""
    revision: int = 0
    instances: set[str] = field(default_factory=set)
    assembled: int = 0
    first_stored_at: datetime | None = None
    last_stored_at: datetime | None = None
    closed_at: datetime | None = None
    outcomes: dict[int, list[watching.StudyClosed]] = field(default_factory=dict)
    findings: dict[tuple[str, int], reading.FindingMade] = field(default_factory=dict)
    answers: dict[tuple[str, int], reading.ReadingAnswered] = field(default_factory=dict)
    failures: list[reading.ReadingFailed] = field(default_factory=list)
    measurements: list[telling.MeasurementMade] = field(default_factory=list)
    growths: dict[str, measuring.GrowthMeasured] = field(default_factory=dict)
    alerts: dict[str, telling.AlertRaised] = field(default_factory=dict)
    alerts_closed: set[str] = field(default_factory=set)
    told_at: dict[str, datetime] = field(default_factory=dict)
    place: telling.PlaceChanged | None = None

    @property
    def outcome(self) -> watching.StudyClosed | None:
        """The outcome of the newest revision; None while it is open."""
        found = self.outcomes.get(self.revision, [])
        return found[0] if found else None

    @property
    def settled(self) -> bool:
        """All that was stored is in a revision, and every revision has exactly one outcome."""
        ended = (len(self.outcomes.get(r, ())) == 1 for r in range(1, self.revision + 1))
        return self.revision > 0 and self.assembled >= len(self.instances) and all(ended)

    @property
    def whole(self) -> bool:
        """What its outcomes rest on was read as well: topics are read side by side, and theirs may be ahead."""
        read = {*self.findings, *((failure.model, failure.revision) for failure in self.failures if failure.final)}
        return all(
            set(end.alerts) <= self.alerts.keys()
            and all(any(m == model and r <= end.revision for m, r in read) for model in end.models)
            for ends in self.outcomes.values()
            for end in ends
        )

    @property
    def newest_findings(self) -> tuple[reading.FindingMade, ...]:
        """Of each model, the finding of the newest revision that it read."""
        newest: dict[str, reading.FindingMade] = {}
        for (model, revision), finding in sorted(self.findings.items(), key=lambda item: item[0][1]):
            del revision
            newest[model] = finding
        return tuple(newest.values())

    @property
    def seconds_to_alert(self) -> float | None:
        """Last slice stored to the first alert written by Kafka, the model's time included."""
        if not self.told_at:
            return None
        alert = min(self.told_at, key=lambda a: self.told_at[a])
        return (self.told_at[alert] - self.alerts[alert].last_stored_at).total_seconds()


class Ledger:
    """The lines of all studies; repeats of an event are passed over by their id."""

    def __init__(self) -> None:
        self.lines: dict[str, StudyLine] = {}
        self.closed: dict[str, datetime] = {}
        self.studies_of_object: dict[str, str] = {}
        self._seen: set[tuple[str, str]] = set()

    def line(self, study: str) -> StudyLine:
        """The line of a study, begun if it is new."""
        if study not in self.lines:
            self.lines[study] = StudyLine(study=study)
        return self.lines[study]

    def take(self, topic: str, envelope: Envelope, written_at: datetime) -> bool:
        """Take one event of the record in; False: it was a repeat, or says nothing of a study."""
        mark = (topic, envelope.id)
        if mark in self._seen:
            return False
        self._seen.add(mark)
        event = envelope.data
        if isinstance(event, imaging.InstancesStored | imaging.StudyAssembled):
            self._arrived(event)
        elif isinstance(event, imaging.SeriesClosed):
            self.closed[event.study] = envelope.time
        elif isinstance(event, imaging.StudyRouted | imaging.StudyIneligible):
            self._routed(event)
        elif isinstance(event, reading.FindingMade | reading.ReadingFailed | reading.ReadingAnswered):
            self._read(event)
        else:
            return self._told(event, written_at)
        return True

    def _arrived(self, event: imaging.InstancesStored | imaging.StudyAssembled) -> None:
        line = self.line(event.facts.study)
        line.facts = event.facts
        if isinstance(event, imaging.StudyAssembled):
            line.revision = max(line.revision, event.revision)
            line.assembled = max(line.assembled, sum(s.count for s in event.series))
            return
        line.instances.update(i.instance for i in event.instances)
        self.studies_of_object |= {i.digest: event.facts.study for i in event.instances}
        line.modality = line.modality or event.series.modality
        line.first_stored_at = min(line.first_stored_at or event.stored_at, event.stored_at)
        line.last_stored_at = max(line.last_stored_at or event.stored_at, event.stored_at)

    def _routed(self, event: imaging.StudyRouted | imaging.StudyIneligible) -> None:
        line = self.line(event.facts.study)
        line.facts, line.modality = event.facts, event.modality
        line.priority = line.place.priority if line.place else event.priority  # topics are read side by side
        line.revision = max(line.revision, event.revision)

    def _read(self, event: reading.FindingMade | reading.ReadingFailed | reading.ReadingAnswered) -> None:
        line = self.line(event.study)
        if isinstance(event, reading.FindingMade):
            line.findings[event.model, event.revision] = event
        elif isinstance(event, reading.ReadingAnswered):
            line.answers[event.model, event.revision] = event
        else:
            line.failures.append(event)

    def _told(self, event: object, written_at: datetime) -> bool:
        if isinstance(event, telling.PlaceChanged):
            line = self.line(event.study)
            line.place, line.priority = event, event.priority
        elif isinstance(event, telling.AlertRaised):
            line = self.line(event.study)
            line.alerts[event.alert] = event
            line.told_at.setdefault(event.alert, written_at)
        elif isinstance(event, telling.AlertClosed):
            self.line(event.study).alerts_closed.add(event.alert)
        elif isinstance(event, telling.MeasurementMade | measuring.GrowthMeasured):
            self._measured(event)
        elif isinstance(event, watching.StudyClosed):
            line = self.line(event.study)
            line.outcomes.setdefault(event.revision, []).append(event)
            line.closed_at = written_at
        else:
            return False
        return True

    def _measured(self, event: telling.MeasurementMade | measuring.GrowthMeasured) -> None:
        line = self.line(event.study)
        if isinstance(event, telling.MeasurementMade):
            line.measurements.append(event)
        elif event.model not in line.growths or event.edition > line.growths[event.model].edition:
            line.growths[event.model] = event

    def worklist(self) -> list[StudyLine]:
        """Studies that wait to be read, the earliest read-by time first: the fold of triage.worklist."""
        waiting = [line for line in self.lines.values() if line.place and line.place.state == "waiting"]
        return sorted(waiting, key=lambda line: (line.place.read_by, line.study) if line.place else ())

    def place_of(self, study: str) -> int | None:
        """1 for the study that is to be read first; None: it is not on the list."""
        order = [line.study for line in self.worklist()]
        return order.index(study) + 1 if study in order else None
