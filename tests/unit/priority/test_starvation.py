"""Nobody starves: simulated days over the real priority step, readers who always take the earliest read-by time.

The bound that policy gives. Let w be the wait of a study's class and v the shortest wait in the policy. Whoever
arrives after `arrived + w - v` has a later read-by time, so nobody overtakes a study from then on: it waits at most
`w - v` plus the reading of those who stand before it at that moment. Where capacity exists (Hall's condition below)
that is over by its read-by time; where it does not, nobody is later than the overload itself makes somebody.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from streams.adapters.policy_files import read_policies
from streams.events.imaging import Priority
from streams.events.telling import PlaceChanged
from streams.priority.step import priority
from tests.support.stepping import Stepped
from tests.support.studies import T0, found, routed, study_facts

WAITING = read_policies(Path(__file__).parents[3] / "deploy" / "policies", {}).waiting
READING_S, READERS = 300, 3
DAY = 24 * 3600 // READING_S
SHORTEST_S = min(*WAITING.by_priority.values(), *WAITING.by_finding.values())


@dataclass(frozen=True, slots=True)
class Waiting:
    """A study on the list: the time slot in which it arrived and the last one in which it may be begun."""

    slot: int
    last: int
    kind: str
    name: str
    allowed_s: int


def place_of(name: str, arrived: datetime, order: Priority, score: float | None) -> PlaceChanged:
    """What the real step says of a study once its model has answered; score None: it never does."""
    stage = Stepped(priority(WAITING))
    stage.hear(routed(priority=order, first_stored_at=arrived, facts=study_facts(study=name)))
    if score is not None:
        stage.hear(found(score, study=name))
    place = stage.said[-1]
    assert isinstance(place, PlaceChanged)
    return place


def arrives(slot: int, kind: str, number: int) -> Waiting:
    """A stat study, a routine one that no model reads, that a model calls negative, or positive."""
    order: Priority = "stat" if kind == "stat" else "routine"
    score = {"negative": 0.02, "positive": 0.97}.get(kind)
    arrived = T0 + timedelta(seconds=slot * READING_S)
    place = place_of(f"1.2.{slot}.{number}", arrived, order, score)
    allowed = int((place.read_by - arrived).total_seconds())
    return Waiting(slot, slot + allowed // READING_S, kind, place.study, allowed)


def day_of(slots: range, stat: int, others: dict[int, list[str]]) -> list[Waiting]:
    """So many stat studies in each slot, and others by slot."""
    return [
        arrives(slot, kind, number)
        for slot in range(max(slots.stop, *(n + 1 for n in others)))
        for number, kind in enumerate(["stat"] * (stat if slot in slots else 0) + others.get(slot, []))
    ]


def begun(studies: list[Waiting], *, by_class: bool = False) -> dict[str, int]:
    """The slot in which each study is begun; by_class: as a list that is sorted by class would have it."""
    coming = sorted(studies, key=lambda s: s.slot, reverse=True)
    waiting: list[tuple[int, int, str]] = []
    found_slots: dict[str, int] = {}
    slot = 0
    while coming or waiting:
        while coming and coming[-1].slot <= slot:
            study = coming.pop()
            rank = study.allowed_s if by_class else study.last
            heapq.heappush(waiting, (rank, study.slot, study.name))
        for _ in range(min(READERS, len(waiting))):
            found_slots[heapq.heappop(waiting)[2]] = slot
        slot += 1
    return found_slots


def overload(studies: list[Waiting]) -> int:
    """By how many studies the fullest stretch of time holds more than can be begun in it; 0: capacity exists.

    Hall's condition for unit jobs: those that arrive and are due within a stretch must fit into it.
    """
    worst = 0
    by_due = sorted(studies, key=lambda s: s.last)
    for start in {s.slot for s in studies}:
        inside = 0
        for study in by_due:
            if study.slot >= start:
                inside += 1
                worst = max(worst, inside - READERS * (study.last - start + 1))
    return worst


def late(studies: list[Waiting], slots: dict[str, int]) -> dict[str, int]:
    """Kind to the longest lateness in slots, of the late ones."""
    longest: Counter[str] = Counter()
    for study in studies:
        longest[study.kind] = max(longest[study.kind], slots[study.name] - study.last)
    return {kind: slots_late for kind, slots_late in longest.items() if slots_late > 0}


FULL = day_of(
    range(DAY + 24), READERS, {n: ["negative", "unread"] for n in range(0, 12, 2)} | {6: ["negative", "unread"] * 3}
)


def test_all_are_read_in_time_under_a_day_of_full_stat_load() -> None:
    """26 hours in which stat studies alone take every reader: the others are read in what the stats can spare."""
    assert overload(FULL) == 0
    slots = begun(FULL)
    assert late(FULL, slots) == {}
    others = [s for s in FULL if s.kind != "stat"]
    longest = max(slots[s.name] - s.slot for s in others) * READING_S
    assert longest <= WAITING.by_priority["routine"]
    assert min(slots[s.name] - s.slot for s in others) * READING_S > 80_000, "the load was full: they did wait"


def test_a_list_sorted_by_class_would_starve_them() -> None:
    """The test can fail: under the same load, class before time leaves every routine study past its read-by time."""
    slots = begun(FULL, by_class=True)
    assert late(FULL, slots).keys() == {"negative", "unread"}
    assert all(slots[s.name] > s.last for s in FULL if s.kind != "stat")


@pytest.mark.parametrize("seed", range(6))
def test_whoever_can_be_read_in_time_is(seed: int) -> None:
    """Any day on which capacity exists, however it came: nobody is late, whatever order, finding or silence."""
    chance = random.Random(seed)
    kinds = ["stat"] * 4 + ["negative"] * 3 + ["unread", "positive"]
    studies: list[Waiting] = []
    for slot in range(DAY):
        studies += [arrives(slot, chance.choice(kinds), n) for n in range(chance.choice((0, 1, 2, 3, 3, 4, 6)))]
    while overload(studies):
        studies.pop(chance.randrange(len(studies)))
    assert len(studies) > 2 * DAY
    assert late(studies, begun(studies)) == {}


@pytest.mark.parametrize("more", [2, 4])
def test_beyond_capacity_nobody_is_later_than_the_overload(more: int) -> None:
    """Stats take every reader and routine studies come on top: lateness is shared, and bounded by what is too much."""
    studies = day_of(range(DAY + 60), READERS, {n: ["negative"] * more for n in range(0, DAY, 4)})
    excess = overload(studies)
    assert excess > 0
    slots = begun(studies)
    bound = -(-excess // READERS)
    assert 0 < max(late(studies, slots).values()) <= bound
    longest = max((slots[s.name] - s.slot) * READING_S for s in studies if s.kind == "negative")
    assert longest <= WAITING.by_priority["routine"] + bound * READING_S


def test_nobody_is_overtaken_after_the_moment_that_policy_names() -> None:
    """Whoever was begun before an earlier arrival came before that one's `arrived + w - v`."""
    studies = day_of(range(DAY + 60), READERS, {n: ["negative", "positive"] for n in range(0, DAY, 6)})
    slots = begun(studies)
    for patient in [s for s in studies if s.kind == "negative"]:
        moment = patient.slot + (patient.allowed_s - SHORTEST_S) // READING_S
        overtook = [s for s in studies if s.slot > moment and slots[s.name] < slots[patient.name]]
        assert overtook == []
        before = sum(s.slot <= moment < slots[s.name] <= slots[patient.name] for s in studies)
        assert slots[patient.name] <= max(moment, patient.slot) + before // READERS + 1


def test_no_answer_leaves_the_place_of_an_unread_study() -> None:
    """A study that a model calls negative stands where one stands that no model has read."""
    unread, negative = (place_of("1.2.3", T0, "routine", score) for score in (None, 0.01))
    assert unread.read_by == negative.read_by == T0 + timedelta(seconds=WAITING.by_priority["routine"])
