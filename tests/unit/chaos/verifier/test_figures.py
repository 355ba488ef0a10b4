"""Figures come from the topics' own times, and are known for a history whose faults are known."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from types import SimpleNamespace

import pytest

from streams.chaos.verifier.bars import bars
from streams.chaos.verifier.figures import figures, spread
from streams.chaos.verifier.loading import load
from streams.chaos.verifier.silence import Served, Silences
from streams.chaos.verifier.verdict import violations
from tests.support.bends import letter_of, poison
from tests.support.histories import a_day
from tests.support.history_rows import amend, set_head, uid
from tests.support.studies import at

day = cache(a_day)
ALONE = uid(2)
"""The only study of its partition."""


def torment(number, fault, seconds, lasts=0.0, ready=1.0):
    return {
        "number": number, "at": str(at(seconds)), "mono": seconds, "fault": fault, "target": f"{fault}-1", "pid": 1,
        "seconds": None, "ended_at": str(at(seconds + lasts)), "ended_mono": seconds + lasts, "note": "",
        "recovered_at": None if ready is None else str(at(seconds + lasts + ready)), "recovered_mono": None,
    }  # fmt: skip


def measured(rows, folder):
    history = load(rows.write(folder))
    return figures(history, violations(history))


def test_a_quiet_run(tmp_path):
    """Nothing lost, doubled, redone or killed; eight studies of twelve images."""
    found = measured(day().bent(), tmp_path)
    assert (found.studies, found.acknowledged, found.lost, found.doubled, found.kills) == (8, 96, 0, 0, {})
    assert (found.readings, found.redone_percent, found.repeated_percent) == (7, 0.0, 0.0)
    assert found.to_alert.count == 3
    assert found.silence_after_kill.count == 0
    assert [bar.met for bar in bars(found)] == [True, True, None, None, True, None, None, None]


def test_kills_are_counted_by_part_and_recoveries_by_fault(tmp_path):
    """A part that was not ready again is counted, and lengthens no median."""
    rows = day().bent()
    rows.torments += [
        torment(1, "worker.kill", 100, ready=2.0), torment(2, "worker.kill", 200, ready=4.0),
        torment(3, "redis.flush", 300, ready=None), torment(4, "broker.away", 400, lasts=60, ready=3.0),
    ]  # fmt: skip
    found = measured(rows, tmp_path)
    assert found.kills == {"worker": 2}
    assert found.faults == {"broker.away": 1, "redis.flush": 1, "worker.kill": 2}
    assert found.unrecovered == {"redis.flush": 1}
    assert found.recovery["worker.kill"].median_s == 2.0
    assert found.recovery["worker.kill"].longest_s == 4.0
    assert found.recovery["broker.away"].longest_s == 3.0
    assert found.recovery["redis.flush"].count == 0


def test_what_is_lost_and_doubled_is_counted(tmp_path):
    """An outcome gone is lost; an alert under two ids is doubled; an answer twice is work done again."""
    rows = day().bent()
    rows.drop("triage.outcomes", "StudyClosed", uid(1))
    rows.repeat(rows.find("triage.alerts", "AlertRaised", uid(3)), "x", alert="5c1de3f0-5a0c-5f0f-9a53-6d1f0a7e2b11")
    rows.repeat(rows.find("triage.findings", "ReadingAnswered", uid(1)))
    rows.repeat(rows.find("triage.findings", "ReadingAnswered", uid(1)), "anew", model_seconds=0.75)
    found = measured(rows, tmp_path)
    assert found.lost == 1
    assert found.doubled == 1
    assert found.redone_percent == pytest.approx(100 / 7, abs=0.001)
    assert found.hastened_percent == 0.0
    assert [bar.met for bar in bars(found)][:2] == [False, False]


def test_a_reading_that_is_asked_for_in_the_urgent_lane_too_is_not_redone(tmp_path):
    """A study that becomes urgent is asked for again, by another request: nobody died of that."""
    rows = day().bent()
    again = rows.repeat(rows.find("triage.findings", "ReadingAnswered", uid(1)), "hastened", model_seconds=0.75)
    set_head(again, "ce_causationid", "the request in the urgent lane")
    found = measured(rows, tmp_path)
    assert found.redone_percent == 0.0
    assert found.hastened_percent == pytest.approx(100 / 7, abs=0.001)


def late(rows, study, seconds):
    """Everything that followed from a study's answer is written so much later."""
    for topic in ("triage.alerts", "triage.outcomes", "triage.worklist", "triage.measurements"):
        for row in rows.topics[topic]:
            row["timestamp"] += round(seconds * 1000) if row["key"] == study else 0
    rows.find("triage.findings", "FindingMade", study)["timestamp"] += round(seconds * 1000)


@pytest.mark.parametrize("seconds", [5.0, 90.0])
@pytest.mark.parametrize(("before", "silent"), [(0.4, 0.0), (8.0, 0.0), (-0.5, -0.5), (30.0, None)])
def test_a_partition_is_silent_after_a_kill_while_something_waits(seconds, before, silent, tmp_path):
    """From when an answer stood there, or from the kill if that was later, however long; not what began much later."""
    rows = day().bent()
    answered = rows.find("triage.findings", "ReadingAnswered", ALONE)
    late(rows, ALONE, seconds)
    killed = answered["timestamp"] / 1000 - at(0).timestamp() - before
    rows.torments.append(torment(1, "worker.kill", killed, ready=1.0))
    found = measured(rows, tmp_path)
    assert found.silence_after_kill.count == (0 if silent is None else 1)
    if silent is not None:
        assert found.silence_after_kill.longest_s == pytest.approx(seconds + silent, abs=0.1)
    assert found.silence_longest.longest_s == pytest.approx(seconds, abs=0.1)


def served(*pairs):
    """Silences of one partition, of (written, effect) in seconds."""
    silences = Silences(load_nothing())
    silences._served = {("t", 0): [Served(at(written), at(effect)) for written, effect in pairs]}
    silences._effects = {("t", 0): [at(effect) for _, effect in pairs]}
    return silences


def load_nothing():
    return SimpleNamespace(all=())


def test_the_last_words_of_who_was_killed_end_no_silence():
    """An effect that was on its way as it died stands before the silence, not at its end."""
    assert served((9.9, 10.05), (10.1, 17.0), (16.0, 17.1)).after(at(10)) == [pytest.approx(6.9)]


def test_a_second_silence_counts_where_it_is_the_longer_one():
    """As the process comes back its partitions may stop once more; a wait a minute later is another matter."""
    assert served((10.0, 12.0), (13.0, 13.1), (14.0, 19.0), (80.0, 95.0)).after(at(10)) == [pytest.approx(5.0)]
    assert served((80.0, 95.0)).after(at(10)) == []


def test_a_kill_beside_another_fault_is_not_counted(tmp_path):
    """Whose silence it was could not be told."""
    rows = day().bent()
    late(rows, ALONE, 5.0)
    begun = rows.find("triage.findings", "ReadingAnswered", ALONE)["timestamp"] / 1000 - at(0).timestamp()
    rows.torments += [torment(1, "worker.kill", begun - 0.4), torment(2, "redis.kill", begun + 3)]
    assert measured(rows, tmp_path).silence_after_kill.count == 0


def test_two_workers_killed_one_after_the_other_both_count(tmp_path):
    """They come back more slowly than the next one dies: such a run would measure nothing else."""
    rows = day().bent()
    late(rows, ALONE, 8.0)
    begun = rows.find("triage.findings", "ReadingAnswered", ALONE)["timestamp"] / 1000 - at(0).timestamp()
    rows.torments += [torment(1, "worker.kill", begun - 0.4, ready=20), torment(2, "worker.kill", begun + 3)]
    found = measured(rows, tmp_path).silence_after_kill
    assert (found.count, found.median_s, found.longest_s) == (2, pytest.approx(5, abs=0.1), pytest.approx(8, abs=0.1))


def test_the_flow_is_back_when_the_last_partition_is(tmp_path):
    """Of those in which something waited; None where nothing did."""
    rows = day().bent()
    late(rows, ALONE, 5.0)
    silences = Silences(load(rows.write(tmp_path)).record)
    begun = at(rows.find("triage.findings", "ReadingAnswered", ALONE)["timestamp"] / 1000 - at(0).timestamp())
    resumed = silences.resumed(begun + timedelta(seconds=1))
    assert resumed is not None
    assert (resumed - begun).total_seconds() == pytest.approx(5.0, abs=0.1)
    assert silences.resumed(at(900)) is None


def test_the_time_to_an_effect_counts_from_the_last_image(tmp_path):
    """As the broker took the outcome."""
    rows = day().bent()
    before = measured(rows, tmp_path / "before").to_effect.longest_s
    rows.find("triage.outcomes", "StudyClosed", uid(2))["timestamp"] += 30_000
    assert measured(rows, tmp_path / "after").to_effect.longest_s > max(before, 29)


def test_what_a_restart_of_everything_delays_is_told_against_the_others(tmp_path):
    """Studies that were on their way meanwhile, over the median of those on which nothing fell."""
    rows = day().bent()
    late(rows, ALONE, 25.0)
    closed = rows.find("triage.outcomes", "StudyClosed", ALONE)["timestamp"] / 1000 - at(0).timestamp()
    rows.torments.append(torment(1, "all.restart", closed - 5.0, ready=4.0))
    found = measured(rows, tmp_path)
    assert found.restart_delays.longest_s == pytest.approx(found.to_effect.longest_s - found.calm.median_s, abs=0.01)
    assert found.calm.longest_s < 25
    (bar,) = (bar for bar in bars(found) if "restarted" in bar.what)
    assert bar.met is False


def test_a_spread_is_of_nearest_ranks():
    """The 95th percentile of twenty is the nineteenth, of one the one."""
    assert spread(range(1, 21)) == spread([*range(20, 0, -1)])
    assert (spread(range(1, 21)).median_s, spread(range(1, 21)).p95_s, spread(range(1, 21)).longest_s) == (10, 19, 20)
    assert (spread([3]).median_s, spread([3]).p95_s) == (3, 3)
    assert spread([]).median_s is None


def test_a_reading_that_was_given_up_while_the_model_was_away_is_counted_not_blamed(tmp_path):
    """It is an outcome, and shown as such; without a fault that explains it, it is a violation."""
    rows = day().bent()
    rows.why = [told for told in rows.why if told["study"] != uid(5)]
    row = rows.find("triage.findings", "ReadingFailed", uid(5))
    amend(row, kind="failed")
    amend(rows.find("triage.outcomes", "StudyClosed", uid(5)), outcome="failed")
    rows.studies[4]["expected"] |= {"outcome": "analysed", "positive": False}
    blamed = violations(load(rows.write(tmp_path / "blamed")))
    assert {v.check for v in blamed} == {"outcomes"}
    rows.torments.append(torment(1, "triton.kill", 0.0, lasts=30.0))
    history = load(rows.write(tmp_path / "explained"))
    found = violations(history)
    assert found == []
    assert figures(history, found).given_up == 1


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_was_set_apart_moves_no_figure(hours, tmp_path):
    """A worker stamps its records by its own clock; the run's own window tells."""
    rows = day().bent()
    before = measured(rows, tmp_path / "before")
    for row in rows.topics["triage.outcomes"][::2]:
        row["timestamp"] += hours * 3_600_000
    assert measured(rows, tmp_path / "after") == before


def test_poison_is_held_until_its_letter(tmp_path):
    """From when the broker took it; the bar is five seconds."""
    rows = day().bent()
    letter = letter_of(row := poison(rows))
    rows.topics["triage.deadletters"].append({**letter, "timestamp": row["timestamp"] + 5_500})
    found = measured(rows, tmp_path)
    assert (found.poison.count, found.poison.longest_s) == (1, 5.5)
    assert [bar.met for bar in bars(found) if "poison" in bar.what] == [False]


def test_poison_of_which_the_answer_was_lost_is_none_of_the_flows(tmp_path):
    """It tells by its source what it is."""
    rows = day().bent()
    stray = rows.repeat(rows.find("triage.findings", "ReadingAnswered", ALONE))
    stray["value"] = "{"
    set_head(stray, "ce_source", "/wetread/chaos")
    history = load(rows.write(tmp_path))
    assert len(history.poison) == 1
    assert [v.check for v in violations(history)] == ["set-aside"]
