"""How long partitions were silent although something waited in them, told by causes and effects on the topics."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.chaos.verifier.history import Event, Record

INPUTS = ("imaging.instances", "imaging.orders", "triage.feedback", "triage.findings", "triage.measurements")
"""Topics that workers decide on; readings wait for a model and are no silence."""
BY_READERS = frozenset({"QualityReported", "ReadingAnswered", "ReadingFailed"})
SILENCED_S = 1.0
"""A partition counts as silenced by a kill if it kept an event waiting for longer than this."""
BEGUN_WITHIN = timedelta(seconds=10)
"""A silence belongs to a kill if it began so soon after it: at once, or as the process came back for its own."""
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Served:
    """An event that workers answered at once: when it was written, and its first effect."""

    written: datetime
    effect: datetime


class Silences:
    """Per input partition the events that had an effect, in the order of their effects.

    An event whose effect comes by a timer has that timer as its cause; so each pair is work that could be done at once.
    """

    def __init__(self, record: Record) -> None:
        """Of the whole record, repeats included: the first effect counts."""
        first: dict[str, Event] = {}
        for event in record.all:
            if event.cause and event.type not in BY_READERS:
                known = first.get(event.cause)
                if known is None or event.at < known.at:
                    first[event.cause] = event
        self._served: dict[Partition, list[Served]] = defaultdict(list)
        taken: set[str] = set()
        for event in record.all:
            effect = first.get(event.id)
            if event.topic in INPUTS and effect is not None and event.id not in taken and effect.at >= event.at:
                taken.add(event.id)
                self._served[event.topic, event.partition].append(Served(event.at, effect.at))
        for served in self._served.values():
            served.sort(key=lambda pair: pair.effect)
        self._effects = {where: [s.effect for s in served] for where, served in self._served.items()}

    def longest(self) -> list[float]:
        """Seconds, one figure for each partition."""
        found = []
        for served in self._served.values():
            before = [served[0].written, *(s.effect for s in served[:-1])]
            pairs = zip(served, before, strict=True)
            found.append(max((s.effect - max(s.written, b)).total_seconds() for s, b in pairs))
        return found

    def after(self, at: datetime) -> list[float]:
        """Seconds of silence, of each partition that kept something waiting: the longest that began soon after then.

        It is silent while an event waits and nothing has an effect; not while nothing waits. What the killed process
        had sent a moment before ends no silence: the one that follows counts.
        """
        found = []
        for where, served in self._served.items():
            longest = 0.0
            for number in range(bisect_right(self._effects[where], at), len(served)):
                quiet = max(at, served[number - 1].effect) if number else at
                if quiet - at > BEGUN_WITHIN:
                    break
                begun = max(quiet, served[number].written)
                if begun - at <= BEGUN_WITHIN:
                    longest = max(longest, (served[number].effect - begun).total_seconds())
            if longest > SILENCED_S:
                found.append(longest)
        return found

    def resumed(self, at: datetime) -> datetime | None:
        """When the last partition in which something waited then had its first effect; None: nothing waited."""
        found = []
        for where, pairs in self._served.items():
            number = bisect_right(self._effects[where], at)
            if number < len(pairs) and pairs[number].written <= at:
                found.append(pairs[number].effect)
        return max(found, default=None)
