"""What may follow what: the written state machine of a study, as tables with reasons.

Each table is about one kind of thing (a study's revisions, a reading, a place, an alert ...) on the one topic whose
order tells. A row says: in this state, this event may come, under this condition, and then the state is that. What no
row allows is a violation. CAUSES says which event may lead to which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from streams.chaos.verifier.history import Event

ANY = "*"
"""Any state; as the next state: it stays."""
Naming = Callable[[Event], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One allowed step.

    Attributes:
        hears: event type; with ":value" the value of the table's word, such as "PlaceChanged:opened".
        revision: how the event's revision must stand to the last one heard: "first", "next", "same", "later",
            "same or later"; empty: it does not matter.
    """

    state: str
    hears: str
    then: str
    why: str
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A table and what it is about.

    Attributes:
        thing: in words, for the sentence.
        names: which thing an event is about; None: none of this table's.
        word: the field of the body whose value may stand in a row's `hears`.
    """

    thing: str
    topic: str
    begins: str
    rows: tuple[Row, ...]
    names: Naming
    word: str = ""

    def run(self, events: Iterable[Event]) -> Iterator[tuple[Event, str]]:
        """Events that no row allows, each with a sentence; the machine then goes on as if it had been allowed."""
        states: dict[str, tuple[str, int]] = {}
        for event in events:
            name = self.names(event)
            if name is None:
                continue
            state, last = states.get(name, (self.begins, 0))
            row = next((r for r in self.rows if self._allows(r, state, last, event)), None)
            if row is None:
                heard, revision = self._heard(event), event.revision
                yield event, f"{self.thing} {name}: {heard} (revision {revision}) after {state!r} (revision {last})"
                row = next((r for r in self.rows if r.hears in (heard, event.type)), None)
            if row is not None:
                states[name] = (state if row.then == ANY else row.then, max(last, event.revision))

    def _heard(self, event: Event) -> str:
        return f"{event.type}:{event.body.get(self.word)}" if self.word in event.body else event.type

    def _allows(self, row: Row, state: str, last: int, event: Event) -> bool:
        return row.state in (ANY, state) and row.hears in (event.type, self._heard(event)) and _stands(row, last, event)


def _stands(row: Row, last: int, event: Event) -> bool:
    revision = event.revision
    return {
        "": True,
        "first": revision == 1,
        "next": revision == last + 1,
        "same": revision == last,
        "later": revision > last,
        "same or later": revision >= last,
    }[row.revision]


def _study(event: Event) -> str | None:
    return event.study


def _reading(event: Event) -> str | None:
    """Study, model and revision: what a reading is named for, and what a finding carries of it."""
    model = event.body.get("model")
    return f"{event.study} {model}#{event.revision}" if model and event.type != "QualityReported" else None


def _measurement(event: Event) -> str | None:
    body = event.body
    what = body.get("name") or body.get("finding")
    return f"{event.study} {body.get('model')}#{event.revision} {event.type} {what} {body.get('edition', '')}".rstrip()


REVISIONS = Machine(
    thing="study",
    topic="imaging.studies",
    begins="unknown",
    names=_study,
    rows=(
        Row(state="unknown", hears="StudyAssembled", revision="first", then="assembled", why="revisions count from 1"),
        Row(state="assembled", hears="StudyRouted", revision="same", then="routed", why="one step says both"),
        Row(state="assembled", hears="StudyIneligible", revision="same", then="routed", why="no model reads it"),
        Row(state="routed", hears="StudyAssembled", revision="next", then="assembled", why="late images"),
        Row(state=ANY, hears="InstanceConflicted", then=ANY, why="one UID with other bytes changes no revision"),
    ),
)
ROUTES = Machine(
    thing="study at triage",
    topic="triage.findings",
    begins="unknown",
    names=lambda e: e.study if e.type in {"StudyRouted", "StudyIneligible", "PriorityChanged"} else None,
    rows=(
        Row(state=ANY, hears="StudyRouted", revision="next", then="routed", why="each revision once, in order"),
        Row(state=ANY, hears="StudyIneligible", revision="next", then="routed", why="each revision once, in order"),
        Row(state="routed", hears="PriorityChanged", then="routed", why="only what was routed needs to be told"),
    ),
)
READINGS = Machine(
    thing="reading",
    topic="triage.findings",
    begins="asked",
    names=_reading,
    word="final",
    rows=(
        Row(state="asked", hears="ReadingFailed:False", then="asked", why="it is tried again"),
        Row(state="asked", hears="ReadingFailed:True", then="failed", why="given up, or the images will not do"),
        Row(state="asked", hears="ReadingAnswered", then="answered", why="the model answered"),
        Row(state="answered", hears="FindingMade", then="found", why="each answered reading makes one finding"),
        Row(state="failed", hears="ReadingAnswered", then="answered", why="the other lane answered"),
        Row(state="failed", hears="ReadingFailed", then="failed", why="asked in both lanes"),
        Row(state="answered", hears="ReadingAnswered", then="answered", why="asked in both lanes, or answered twice"),
        Row(state="answered", hears="ReadingFailed", then="answered", why="asked in both lanes"),
        Row(state="found", hears="ReadingAnswered", then="found", why="the first answer stands"),
        Row(state="found", hears="ReadingFailed", then="found", why="the first answer stands"),
    ),
)
PLACES = Machine(
    thing="place of",
    topic="triage.worklist",
    begins="unlisted",
    names=_study,
    word="state",
    rows=(
        Row(state="unlisted", hears="PlaceChanged", revision="later", then="listed", why="once it is routed"),
        Row(state="listed", hears="PlaceChanged", revision="same or later", then="listed", why="no image is lost"),
    ),
)
HANDLING = Machine(
    thing="handling of",
    topic="triage.worklist",
    begins="waiting",
    names=_study,
    word="state",
    rows=(
        Row(state="waiting", hears="PlaceChanged:waiting", then="waiting", why="its reasons changed"),
        Row(state="waiting", hears="PlaceChanged:opened", then="opened", why="somebody has it on the screen"),
        Row(state="waiting", hears="PlaceChanged:read", then="read", why="it is read"),
        Row(state="opened", hears="PlaceChanged:opened", then="opened", why="its reasons changed"),
        Row(state="opened", hears="PlaceChanged:read", then="read", why="it is read"),
        Row(state="opened", hears="PlaceChanged:waiting", then="waiting", why="a finding on images nobody had seen"),
        Row(state="read", hears="PlaceChanged:read", then="read", why="its reasons changed"),
        Row(state="read", hears="PlaceChanged:waiting", then="waiting", why="a finding on images nobody had seen"),
    ),
)
ALERTS = Machine(
    thing="alert",
    topic="triage.alerts",
    begins="unknown",
    names=lambda e: e.body.get("alert"),
    rows=(
        Row(state="unknown", hears="AlertRaised", then="raised", why="a live model suspects it"),
        Row(state="raised", hears="AlertUpdated", revision="same or later", then="raised", why="a later revision"),
        Row(state="raised", hears="AlertClosed", revision="same or later", then="closed", why="opened or read"),
    ),
)
MEASUREMENTS = Machine(
    thing="measurement",
    topic="triage.measurements",
    begins="unknown",
    names=_measurement,
    rows=(
        Row(state="unknown", hears="MeasurementMade", then="told", why="once for each finding"),
        Row(state="unknown", hears="LesionsMeasured", then="told", why="once for each finding"),
        Row(state="unknown", hears="GrowthMeasured", then="told", why="once for each edition"),
    ),
)
MACHINES = (REVISIONS, ROUTES, READINGS, PLACES, HANDLING, ALERTS, MEASUREMENTS)

_ARRIVAL = ("InstancesStored", "SeriesClosed", "TimerFired")
_ROUTED = ("StudyRouted", "StudyIneligible")
_PEOPLE = ("StudyOpened", "ReportSigned", "PriorityOverridden")
CAUSES: dict[str, tuple[str, ...]] = {
    # from outside: an event of a door, of a person, of the clock
    **dict.fromkeys((*_ARRIVAL, "OrderPlaced", *_PEOPLE), ()),
    "AccessionSeen": ("InstancesStored",),
    "InstanceConflicted": ("InstancesStored",),
    "OrderMatched": ("OrderPlaced", "AccessionSeen"),
    "PriorityChanged": ("OrderMatched",),
    # a count, an association's end or silence tells that a series is whole
    **dict.fromkeys(("StudyAssembled", *_ROUTED), _ARRIVAL),
    # asked again in the urgent lane once an order says so
    "ReadingRequested": (*_ARRIVAL, "OrderMatched"),
    **dict.fromkeys(("QualityReported", "ReadingAnswered", "ReadingFailed"), ("ReadingRequested",)),
    "FindingMade": ("ReadingAnswered",),
    "PlaceChanged": (*_ROUTED, *_PEOPLE, "PriorityChanged", "ReadingAnswered", "ReadingFailed", "TimerFired"),
    # an answer that came before its study was routed is told then
    **dict.fromkeys(
        ("AlertRaised", "AlertUpdated", "MeasurementMade", "LesionsMeasured"), ("ReadingAnswered", *_ROUTED)
    ),
    "AlertClosed": ("StudyOpened", "ReportSigned"),
    "GrowthMeasured": ("LesionsMeasured",),
    # its days are over
    "StudyLetGo": ("TimerFired",),
    "StudyClosed": (*_ROUTED, "ReadingAnswered", "ReadingFailed"),
}
