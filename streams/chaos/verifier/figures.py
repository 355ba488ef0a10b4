"""Figures of a run: kills, lost, doubled, redone, waiting times, silences and recoveries, by the topics' own times."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from typing import Any

from streams.chaos.verifier.checks.outcomes import given_up
from streams.chaos.verifier.checks.setaside import source
from streams.chaos.verifier.growth import Growth, growths
from streams.chaos.verifier.history import Event, History, Torment
from streams.chaos.verifier.silence import Silences
from streams.chaos.verifier.violations import Violation

KILL, RESTART = ".kill", "all.restart"
KILLED = {"triton.model": "stub", "kafka.away": "kafka", "redis.cut": "redis"}
"""Further faults that are a SIGKILL, and of what; the stub is the process of Triton that runs the model."""
SILENCING = frozenset({"worker", "redis", "kafka", "broker", "link", "all", "point"})
"""Kinds of fault that silence partitions too."""
BEFORE, AFTER = timedelta(seconds=2), timedelta(seconds=10)
"""A worker's kill is counted where no other kind stands so near to it: whose silence it was could not be told. Another
worker's kill beside it makes the silence longer, and it counts.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Some durations in seconds: how many, median, 95th percentile (nearest rank), longest."""

    count: int
    median_s: float | None
    p95_s: float | None
    longest_s: float | None


def spread(seconds: Sequence[float]) -> Spread:
    """Of any number, none included."""
    ordered = sorted(seconds)
    if not ordered:
        return Spread(count=0, median_s=None, p95_s=None, longest_s=None)

    def rank(share: float) -> float:
        return round(ordered[max(0, ceil(share * len(ordered)) - 1)], 3)

    return Spread(count=len(ordered), median_s=rank(0.5), p95_s=rank(0.95), longest_s=round(ordered[-1], 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the run's table shows.

    Attributes:
        kills: kind of part to how often it was killed by SIGKILL, crashes at fault points not counted.
        points: fault point and side to how often a process was crashed there.
        faults: fault to how often it fell; unrecovered: of these, how often the part was not ready again in time.
        lost: acknowledged instances, outcomes and alerts that are missing; doubled: effects under two names.
        given_up: studies that ended as failed while the model could not be asked, and were shown so.
        redone_percent: requests that a model answered more than once, since somebody died; hastened_percent: readings
            that were asked for again in the urgent lane, as their study became urgent, and answered for both requests.
        repeated_percent: records that repeat an event.
        to_effect, to_alert: from the last image stored to the outcome, to the alert, as the broker took them.
        calm: the same to the outcome, of what no fault fell on; restart_delays: how much longer than calm's median it
            took where everything was being started anew, one after the other.
        poison: from when the broker took an event that nobody can handle until its dead letter.
        let_go: studies that left by the policy of a soak.
        growth: what of which part to how it grew while studies were sent.
        recovery: fault to the time from its end until the part was ready again.
        flow: fault to the time from its end until every partition in which something waited went on.
        silence_longest: the longest time for which a partition held an event that waited and said nothing.
        silence_after_kill: of each partition that a worker's kill silenced, how long something waited there.
    """

    studies: int
    acknowledged: int
    kills: Mapping[str, int]
    faults: Mapping[str, int]
    unrecovered: Mapping[str, int]
    lost: int
    doubled: int
    given_up: int
    readings: int
    redone_percent: float
    hastened_percent: float
    repeated_percent: float
    to_effect: Spread
    to_alert: Spread
    calm: Spread
    restart_delays: Spread
    recovery: Mapping[str, Spread]
    flow: Mapping[str, Spread]
    silence_longest: Spread
    silence_after_kill: Spread
    points: Mapping[str, int]
    poison: Spread
    let_go: int
    growth: Mapping[str, Growth]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def figures(history: History, violations: Sequence[Violation]) -> Figures:
    """All of them."""
    found = Counter(violation.effect for violation in violations)
    silences = Silences(history.record)
    requests, readings = _answers(history)
    by_fault = _by_fault(history.torments)
    calm, restarted = _untouched(history), _touched(history, by_fault.get(RESTART, ()))
    distinct = len({(event.topic, event.id) for event in history.record.all})
    return Figures(
        studies=sum(1 for study in history.studies if history.acknowledged(study)),
        acknowledged=sum(len({i for i, _sha in history.acknowledged(study)}) for study in history.studies),
        kills=dict(Counter(part for t in history.torments if (part := _killed(t)))),  # asdict breaks a Counter
        faults={fault: len(torments) for fault, torments in by_fault.items()},
        unrecovered={f: n for f, ts in by_fault.items() if (n := sum(t.recovered_at is None for t in ts))},
        lost=found["lost"],
        doubled=found["doubled"],
        given_up=sum(given_up(history, study) for study in history.studies),
        readings=len(readings),
        redone_percent=_percent(sum(map(len, requests.values())) - len(requests), len(requests)),
        hastened_percent=_percent(sum(map(len, readings.values())) - len(readings), len(readings)),
        repeated_percent=_percent(len(history.record.all) - distinct, distinct),
        to_effect=spread(_since_stored(history.record.of("StudyClosed"))),
        to_alert=spread(_since_stored(history.record.of("AlertRaised"))),
        calm=spread(calm),
        restart_delays=spread([s - median(calm) for s in restarted] if calm else []),
        recovery={fault: spread(_recoveries(torments)) for fault, torments in by_fault.items()},
        flow={fault: spread(_flow(silences, torments)) for fault, torments in by_fault.items()},
        silence_longest=spread(silences.longest()),
        silence_after_kill=spread(_after_kills(silences, history.torments)),
        points=history.run.get("points") or {},
        poison=spread(_set_aside(history)),
        let_go=len(history.let_go),
        growth=growths(history),
    )


def _killed(torment: Torment) -> str | None:
    return torment.part if torment.fault.endswith(KILL) else KILLED.get(torment.fault)


def _set_aside(history: History) -> list[float]:
    letters = {source(letter): letter for letter in history.letters}
    found = ((event, letters.get((event.topic, event.partition, event.offset))) for event in history.poison)
    return [(letter.at - event.at).total_seconds() for event, letter in found if letter is not None]


def _answers(history: History) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Request to its answers, reading to its requests.

    An answer that was remembered is said again in the same words, one made anew differs. A study that becomes urgent
    has its reading asked for again in the urgent lane, by another request: no death is behind that.
    """
    requests: dict[str, set[str]] = defaultdict(set)
    readings: dict[str, set[str]] = defaultdict(set)
    for event in history.record.all:
        if event.type == "ReadingAnswered":
            request = event.cause or event.id
            requests[request].add(event.text)
            readings[event.body["reading"]].add(request)
    return requests, readings


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def _by_fault(torments: Sequence[Torment]) -> dict[str, list[Torment]]:
    found: dict[str, list[Torment]] = defaultdict(list)
    for torment in torments:
        found[torment.fault].append(torment)
    return dict(sorted(found.items()))


def _since_stored(events: Sequence[Event]) -> list[float]:
    stored_at = [(e, datetime.fromisoformat(e.body["last_stored_at"])) for e in events if "last_stored_at" in e.body]
    return [(event.at - at).total_seconds() for event, at in stored_at]


def _touched(history: History, torments: Sequence[Torment]) -> list[float]:
    """Seconds from the last image to the outcome, of those that were on their way while one of these lasted."""
    return [seconds for begun, ended, seconds in _ways(history) if _fell_on(begun, ended, torments)]


def _untouched(history: History) -> list[float]:
    """The same of those on which nothing fell."""
    return [seconds for begun, ended, seconds in _ways(history) if not _fell_on(begun, ended, history.torments)]


def _ways(history: History) -> Iterator[tuple[datetime, datetime, float]]:
    for event in history.record.of("StudyClosed"):
        if "last_stored_at" in event.body:
            begun = datetime.fromisoformat(event.body["last_stored_at"])
            yield begun, event.at, (event.at - begun).total_seconds()


def _fell_on(begun: datetime, ended: datetime, torments: Sequence[Torment]) -> bool:
    return any(t.at <= ended and (t.recovered_at or ended) >= begun for t in torments)


def _recoveries(torments: Sequence[Torment]) -> list[float]:
    return [(t.recovered_at - t.ended_at).total_seconds() for t in torments if t.recovered_at is not None]


def _flow(silences: Silences, torments: Sequence[Torment]) -> list[float]:
    """Faults after whose end nothing waited tell nothing."""
    found = (silences.resumed(torment.ended_at) for torment in torments)
    return [(at - t.ended_at).total_seconds() for t, at in zip(torments, found, strict=True) if at is not None]


def _after_kills(silences: Silences, torments: Sequence[Torment]) -> list[float]:
    found: list[float] = []
    for torment in torments:
        if torment.fault == f"worker{KILL}" and not _near(torment, torments):
            found += silences.after(torment.at)
    return found


def _near(torment: Torment, torments: Sequence[Torment]) -> bool:
    return any(
        other.fault != torment.fault
        and other.part in SILENCING
        and other.at < torment.at + AFTER
        and (other.recovered_at or other.ended_at) > torment.at - BEFORE
        for other in torments
    )
