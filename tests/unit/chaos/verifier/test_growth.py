"""A slope is one of each life's own: what is started anew at another level does not grow by that."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from streams.chaos.verifier.growth import growths, line
from streams.chaos.verifier.loading import load
from tests.support.histories import a_day
from tests.support.studies import at

HOUR_S = 3600


def life(level, per_hour, samples=40, every_s=60):
    return [(at(n * every_s), level + per_hour * n * every_s / HOUR_S) for n in range(samples)]


def test_lives_share_the_slope_and_not_the_level():
    """Two processes of one part, the second far above the first."""
    found = line([life(100, 6), life(500, 6)])
    assert found is not None
    assert (found.per_hour, found.error, found.lives, found.samples) == (pytest.approx(6), pytest.approx(0), 2, 80)


def test_a_step_between_lives_is_no_growth():
    """A restart begins lower: that says nothing of what grows."""
    found = line([life(300, 0), life(100, 0)])
    assert found is not None
    assert found.per_hour == 0


@pytest.mark.parametrize("lives", [[], [life(1, 1, samples=29)], [[(at(0), 1.0)] * 40], [life(1, 1, samples=1)] * 40])
def test_too_little_tells_nothing(lives):
    """Few samples, or all at one time, or one of each life."""
    assert line(lives) is None


def test_growth_is_read_from_a_history(tmp_path):
    """Processes by kind, a child of one apart; the first minutes and what comes after the last study do not count."""
    folder = a_day().write(tmp_path)
    (folder / "run.json").write_text(json.dumps({"sent_until": str(at(HOUR_S)), "ended_at": str(at(2 * HOUR_S))}))
    rows = []
    for minute in range(90):
        for part in ("worker-1", "worker-2", "triton/1"):
            grown = 2**20 * (100 + minute / 60 + (1000 if minute < 5 or minute > 60 else 0))
            when = str(at(0) + timedelta(minutes=minute))
            rows.append({"at": when, "part": part, "pid": len(part), "rss_bytes": grown, "handles": 10})
    (folder / "processes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stores = [
        {"at": str(at(60 * n)), "keys": {"triage:state": max(n, 25)}, "memory_bytes": 2**20, "objects": 7}
        for n in range(60)
    ]
    (folder / "stores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stores))
    found = growths(load(folder))
    assert found["worker, MiB"].per_hour == pytest.approx(1, abs=0.01)
    assert found["worker, handles"].per_hour == 0
    assert found["triton's child, MiB"].lives == 1
    assert found["Redis, triage:state keys"].per_hour == pytest.approx(60)
    assert (found["store, objects"].per_hour, found["store, objects"].level) == (0, 7)
