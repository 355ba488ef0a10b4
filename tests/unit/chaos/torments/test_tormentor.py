"""The tormentor: what falls follows from the seed, what falls is taken away, and its end is written down."""

from __future__ import annotations

import random
import threading
from types import SimpleNamespace

import orjson
import pytest

from streams.chaos.history import History
from streams.chaos.torments import tormentor
from streams.chaos.torments.catalogue import ALL, USUAL
from streams.chaos.torments.profiles import Lane
from streams.chaos.torments.struck import Struck, Tools
from streams.chaos.torments.tormentor import Tormentor, Tormentors
from streams.faults.points import Point

FALLS = 12


def fallen(tmp_path, monkeypatch, seed: int) -> list[dict]:
    """So many torments of a catalogue of two kinds; what was written down."""
    healed, enough = [], threading.Event()

    def strike(name):
        def struck(tools):
            fall = tools.chance.randrange(1000)
            if len(healed) + 1 >= FALLS:
                enough.set()
            return Struck(
                target=str(fall), seconds=0.0, heal=lambda: healed.append(name), recovered=lambda: fall % 2 == 0
            )

        return struck

    monkeypatch.setattr(tormentor, "ALL", {"worker.kill": (strike("w"), 1), "redis.flush": (strike("r"), 1)})
    history = History(tmp_path / str(seed))
    tools = SimpleNamespace(chance=random.Random(seed))
    running = Tormentor(tools, history, ("worker.kill", "redis.flush"), (0.001, 0.002))
    running.start()
    assert enough.wait(30)
    running.stop()
    lines = [orjson.loads(line) for line in (history.folder / "torments.jsonl").read_bytes().splitlines()]
    assert len(healed) == len(lines) == sum(running.fallen.values())
    return sorted(lines, key=lambda line: line["number"])


def test_all_that_falls_is_taken_away_and_written_down(tmp_path, monkeypatch):
    """One line each, with when it was well again; null where it was not."""
    lines = fallen(tmp_path, monkeypatch, 1)
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        assert line["ended_mono"] >= line["mono"]
        assert (line["recovered_at"] is None) is (int(line["target"]) % 2 == 1)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_torment_names_its_kind_of_part(name):
    """What falls together is told by the part before the dot; weights are positive."""
    kind, _, what = name.partition(".")
    ours = {"worker", "reader", "decoder", "door", "store", "point", "all", "event"}
    assert kind in ours | {"triton", "redis", "kafka", "link"}
    assert what
    assert (ALL[name][1] > 0) is (name in USUAL)


def lanes_fallen(tmp_path, monkeypatch, struck) -> tuple[Tormentors, list[dict]]:
    """Two lanes side by side until each has struck so often; what was written down."""
    told, enough = {"a": 0, "b": 0}, threading.Event()

    def strike(name):
        def fall(tools):
            told[name] += 1
            if min(told.values()) >= FALLS:
                enough.set()
            return struck(name, tools)

        return fall

    monkeypatch.setattr(tormentor, "ALL", {f"{name}.kill": (strike(name), 1) for name in told})
    lanes = [
        Lane(name=f"/{n}", torments=(f"{n}.kill",), pause_s=(0.001, 0.002), points=(p,), patient=True)
        for n, p in (("a", Point.FSYNCED), ("b", Point.ANSWER_SENT))
    ]
    history, tools = History(tmp_path), Tools(site=None, others=None, stand_in=None, stand_in_port=0, chance=None)
    running = Tormentors(tools, history, 7, lanes)
    running.start()
    assert enough.wait(30)
    running.stop()
    path = tmp_path / "torments.jsonl"
    return running, [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def test_lanes_strike_side_by_side_under_one_numbering(tmp_path, monkeypatch):
    """Each by its own chances and its own points; no number is given twice."""
    points = {}

    def struck(name, tools):
        points[name] = tools.among
        return Struck(target=name)

    running, lines = lanes_fallen(tmp_path, monkeypatch, struck)
    assert sorted(line["number"] for line in lines) == list(range(1, len(lines) + 1))
    assert sum(running.fallen.values()) == len(lines) >= 2 * FALLS
    assert points == {"a": (Point.FSYNCED,), "b": (Point.ANSWER_SENT,)}


def test_what_did_not_fall_is_not_written_down(tmp_path, monkeypatch):
    """A point that nobody came by was not crashed at; one that was is told with the time of the crash."""

    def struck(name, _tools):
        return Struck(target=name, missed=name == "a", fell=("2026-11-25T12:00:00+00:00", 5.0))

    running, lines = lanes_fallen(tmp_path, monkeypatch, struck)
    assert {line["target"] for line in lines} == {"b"}
    assert {(line["at"], line["mono"], line["ended_mono"]) for line in lines} == {
        ("2026-11-25T12:00:00+00:00", 5.0, 5.0)
    }
    assert "a.kill" not in running.fallen
