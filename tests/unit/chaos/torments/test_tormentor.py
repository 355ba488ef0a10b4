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
from streams.chaos.torments.struck import Struck
from streams.chaos.torments.tormentor import Tormentor

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
    assert kind in {"worker", "reader", "door", "store", "triton", "redis", "kafka", "link", "point", "all", "event"}
    assert what
    assert (ALL[name][1] > 0) is (name in USUAL)
