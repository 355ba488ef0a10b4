"""Assembly against an oracle that only knows which images came, what was told of them, and what time it is."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from streams.assembly.step import MOST_URGENT, assembly
from streams.events.codec import decode_part
from streams.events.identifiers import digest_of
from streams.events.imaging import InstanceConflicted, InstanceFacts, OrderMatched, PriorityChanged, StudyAssembled
from streams.events.manifest import Manifest
from tests.support.stepping import Stepped
from tests.support.stepwise import SHORT, Counted
from tests.support.studies import ASSEMBLY, STUDY, T0, released, series_facts, slice_of, stored, timer

SERIES, ASSOCIATIONS = ("1.2.1", "1.2.2"), ("A", "B", "C")
QUIET, LONGEST = timedelta(seconds=ASSEMBLY.quiet_s), timedelta(seconds=ASSEMBLY.longest_s)
ROUNDED = timedelta(milliseconds=2)


@dataclass
class Known:
    """A series as the oracle knows it: its images by their first bytes, and when they came."""

    held: dict[str, str] = field(default_factory=dict)
    opened: datetime | None = None
    last: datetime | None = None
    brought: dict[str, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    revised: dict[str, str] | None = None

    @property
    def is_new(self) -> bool:
        """Images that no revision holds."""
        return bool(self.held) and self.held != self.revised


class AssemblyMachine(Counted):
    """Images in any order, twice, with other bytes, late; associations that end or break off; timers late or old."""

    @initialize()
    def begin(self) -> None:
        self.stage = Stepped(assembly(ASSEMBLY, "routine"))
        self.now = 0.0
        self.series = {uid: Known() for uid in SERIES}
        self.orders: dict[str, str] = {}
        self.revision = 0
        self.generation = 0
        self.closed: set[str] = set()
        self.aborted: set[str] = set()
        self.conflicts: set[tuple[str, str]] = set()
        self.forgot = False

    def _hear(self, event: object, seconds: float | None = None) -> tuple[object, ...]:
        at = self.now if seconds is None else seconds
        with_all = self.stage.stage.step(self.stage._given(None), event, T0 + timedelta(seconds=at)).says
        said = self.stage.hear(event, at)
        assert said == with_all, "it decides otherwise when it is given more than it asked for"
        for one in said:
            if isinstance(one, StudyAssembled):
                self._revised(one, T0 + timedelta(seconds=at))
        return said

    @rule(
        uid=st.sampled_from(SERIES),
        by=st.sampled_from(ASSOCIATIONS),
        numbers=st.lists(st.integers(0, 5), min_size=1, max_size=4),
        other=st.sampled_from([False] * 9 + [True]),
        late_s=st.sampled_from([0.0] * 8 + [1.5]),
    )
    def store(self, uid: str, by: str, numbers: list[int], other: bool, late_s: float) -> None:
        """Some images of one series, perhaps heard before, perhaps with other bytes, perhaps overtaken."""
        facts = [slice_of(uid, n) for n in numbers]
        if other:
            facts = [replace(f, digest=digest_of(f.instance.encode() + b"other")) for f in facts]
        if self._name(by) not in self.closed:
            self._store(uid, self._name(by), facts, max(self.now - late_s, 0.0))

    def _store(self, uid: str, name: str, facts: list[InstanceFacts], seconds: float) -> None:
        known, at = self.series[uid], T0 + timedelta(seconds=seconds)
        new_conflicts = set()
        reopened = known.opened is None or not known.is_new
        for one in facts:
            if one.instance not in known.brought[name]:
                known.brought[name][one.instance] = at
            if one.instance not in known.held:
                known.held[one.instance] = one.digest
                known.opened = at if reopened else min(known.opened or at, at)
                known.last = max(known.last or at, at)
                reopened = False
            elif known.held[one.instance] != one.digest:
                new_conflicts.add((one.instance, one.digest))
        said = self._hear(stored(facts, series_facts(uid), association=name, seconds=seconds), seconds)
        conflicts = {(s.instance, s.refused) for s in said if isinstance(s, InstanceConflicted)}
        assert conflicts == new_conflicts - self.conflicts
        self.conflicts |= conflicts

    @rule(by=st.sampled_from(ASSOCIATIONS), broken=st.booleans())
    def close(self, by: str, broken: bool) -> None:
        """An association ends, as its door tells: with the number of images that it brought of each series."""
        name = self._name(by)
        counts = self._counts(name)
        if name in self.closed or not counts:
            return
        (self.aborted if broken else self.closed).add(name)
        self.closed.add(name)
        alone = {
            uid
            for uid in counts
            if not (broken or self.forgot) and counts[uid] > 1 and not (self.series[uid].brought.keys() - self.closed)
        }
        self._hear(released(counts, name, "association-aborted" if broken else "association-released"))
        for uid in alone:
            assert not self.series[uid].is_new, "its last association has ended, and no revision holds it"

    @rule(
        uid=st.sampled_from(SERIES),
        by=st.sampled_from(ASSOCIATIONS),
        numbers=st.sets(st.integers(6, 9), min_size=2, max_size=3),
    )
    def close_first(self, uid: str, by: str, numbers: set[int]) -> None:
        """The end of an association is heard before the last of its images: it counts once they are here."""
        name = self._name(by)
        if name in self.closed:
            return
        known = self.series[uid]
        counts = self._counts(name)
        news = sorted(n for n in numbers if f"{uid}.{n}" not in known.brought.get(name, {}))
        alone = not (known.brought.keys() - self.closed - {name})
        self.closed.add(name)
        self._hear(released(counts | {uid: counts.get(uid, 0) + len(news)}, name))
        if news:
            self._store(uid, name, [slice_of(uid, n) for n in news], self.now)
            if alone and not self.forgot and counts.get(uid, 0) + len(news) > 1:
                assert not known.is_new, "all that its association told is here, and no revision holds it"

    @rule()
    def reconnect(self) -> None:
        """The same senders come again, under other names; what they left open stays so."""
        self.generation += 1

    def _name(self, by: str) -> str:
        return f"{by}{self.generation}"

    def _counts(self, name: str) -> dict[str, int]:
        return {uid: len(known.brought[name]) for uid, known in self.series.items() if known.brought.get(name)}

    @rule(seconds=st.sampled_from([0.3, 1.0, 2.5, 10.0, 61.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, and the ticker says each timer that is due, at the time it was set for."""
        until = self.now + seconds
        while due := [(at, name) for name, at in self.stage.timers.items() if at <= T0 + timedelta(seconds=until)]:
            at, name = min(due)
            del self.stage.timers[name]
            self.now = max(self.now, (at - T0).total_seconds())
            self._fire(name, (at - T0).total_seconds())
        self.now = until

    def _fire(self, name: str, seconds: float) -> None:
        if name == "forget":
            self._forgets()
        self._hear(timer(name), seconds)

    def _forgets(self) -> None:
        """The images of what is whole may go, and what was refused beside them; what is open stays."""
        self.forgot = True
        for uid, known in self.series.items():
            if f"quiet:{uid}" not in self.stage.timers:
                self.conflicts -= {told for told in self.conflicts if told[0] in known.held}
                known.held.clear()

    @rule()
    def forget(self) -> None:
        """So long without a new image that the study is let go."""
        self.wait(ASSEMBLY.forget_s + 1)
        whole = [n for n in self.stage.parts if n.startswith("instance:")]
        assert not whole, "a study that nothing was heard of keeps its images for ever"

    @rule(uid=st.sampled_from(SERIES), before_s=st.sampled_from([0.0, 0.5, 1.9]))
    def old_timer(self, uid: str, before_s: float) -> None:
        """A ticker that was killed says a timer again that was moved since."""
        known = self.series[uid]
        seconds = max(self.now - before_s, 0.0)
        was_new = known.is_new
        self._hear(timer(f"quiet:{uid}"), seconds)
        if was_new and known.last and known.opened and T0 + timedelta(seconds=seconds) < self._quiet(known):
            assert known.is_new, "an old timer ended a series that was not quiet"

    def _quiet(self, known: Known) -> datetime:
        assert known.last
        assert known.opened
        return min(known.last + QUIET, known.opened + LONGEST) - ROUNDED

    @rule(order=st.sampled_from(["o1", "o2"]), priority=st.sampled_from(MOST_URGENT))
    def order(self, order: str, priority: str) -> None:
        """The most urgent order counts, and a change after the study was told is told."""
        before = self._priority()
        self.orders[order] = priority
        said = self._hear(OrderMatched(study=STUDY, order=order, priority=priority))
        changed = [s for s in said if isinstance(s, PriorityChanged)]
        expected = [PriorityChanged(study=STUDY, priority=self._priority())]
        assert changed == (expected if self.revision and self._priority() != before else [])

    def _priority(self) -> str:
        return min(self.orders.values(), key=MOST_URGENT.index, default="routine")

    def _revised(self, said: StudyAssembled, now: datetime) -> None:
        """What must hold of every revision."""
        self.revision += 1
        assert said.revision == self.revision
        assert said.priority == self._priority()
        assert said.changed, "a revision without anything new"
        listed = {s.facts.series: s for s in said.series}
        assert set(said.changed) <= set(listed)
        for uid, known in self.series.items():
            if uid in said.changed:
                assert known.is_new
                assert self._listed(listed[uid].manifest) == known.held
                assert self._may_be_whole(known, listed[uid].whole_by, now)
                known.revised = dict(known.held)
            elif known.revised is not None:
                assert self._listed(listed[uid].manifest) == known.revised
            else:
                assert uid not in listed

    def _listed(self, manifest: str) -> dict[str, str]:
        content = next(o for o in self.stage.objects if digest_of(o) == manifest)
        return {i.instance: i.digest for i in decode_part(Manifest, content).instances}

    def _may_be_whole(self, known: Known, by: str, now: datetime) -> bool:
        if by == "quiet":
            return now >= self._quiet(known)
        ended = known.brought.keys() & (self.closed - self.aborted)
        busy = [max(known.brought[n].values()) for n in known.brought.keys() - self.closed if known.brought[n]]
        return by == "association-released" and bool(ended) and all(at <= now - QUIET for at in busy)

    @invariant()
    def what_is_new_is_waited_for(self) -> None:
        """No image is forgotten: while a series holds what no revision does, a timer will end it."""
        for uid, known in self.series.items() if hasattr(self, "stage") else ():
            if known.is_new and not self.forgot:
                assert f"quiet:{uid}" in self.stage.timers

    @invariant()
    def state_holds_each_image_once(self) -> None:
        """As many instance parts as images that were not let go."""
        if hasattr(self, "stage"):
            parts = sum(name.startswith("instance:") for name in self.stage.parts)
            assert parts == sum(len(known.held) for known in self.series.values())

    def teardown(self) -> None:
        """When nothing more comes, the last revision holds every image."""
        if hasattr(self, "stage") and not self.forgot and sys.exc_info()[0] is None:
            self.wait(2 * ASSEMBLY.longest_s)
            assert not any(known.is_new for known in self.series.values())


TestAssembly = AssemblyMachine.TestCase
TestAssembly.settings = SHORT


def test_what_was_refused_is_refused_again_once_its_image_was_let_go():
    """The bytes that were refused first are the image then, and those before them are refused (a million steps)."""
    machine = AssemblyMachine()
    machine.begin()
    for _ in range(2):
        machine.store(uid=SERIES[1], by="A", numbers=[0], other=True, late_s=0.0)
        machine.store(uid=SERIES[1], by="A", numbers=[0], other=False, late_s=0.0)
        machine.forget()
    assert len(machine.conflicts) == 0
