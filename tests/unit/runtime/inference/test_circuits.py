"""Circuits at work: one canary at a time, nobody waits for another's model, people are told."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from streams.adapters.memory_reading import ScriptedModels
from streams.errors import ModelServerAway, ReadingBroken
from streams.runtime.inference.circuit import Circuit
from streams.runtime.inference.circuits import Circuits, Guarded, OwnFault, asked_about
from streams.runtime.inference.told import Told, not_asked

AWAY = ModelServerAway("away")


class Scene:
    """Circuits whose clock goes on as somebody sleeps; `canary` answers when `well`."""

    def __init__(self, folder: Path, unproven: dict[str, str] | None = None) -> None:
        self.now, self.well, self.gone = 0.0, False, False
        self.asked: Counter[str] = Counter()
        self.at_once, self.most_at_once = 0, 0
        self.slept: list[float] = []
        self.folder = folder
        self.circuits = Circuits(
            self.canary, unproven, Told(folder, "reader-1").hear, clock=lambda: self.now, sleep=self.sleep
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    async def canary(self, model: str) -> None:
        self.asked[model] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.gone:
            raise LookupError(model)
        if not self.well:
            raise AWAY

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(1000):
            if holds():
                return
            await asyncio.sleep(0)
        raise AssertionError

    async def faults(self, number: int, model: str = "m") -> None:
        for study in range(number):
            with asked_about(str(study)):
                self.circuits.fault(model, "away")

    def told(self) -> list[str]:
        return [one.model for one in not_asked(self.folder, ["reader-1", "reader-2"])]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path)
    yield made
    await made.circuits.close()


async def test_one_canary_at_a_time_closes_it(scene: Scene):
    """With growing pauses, however many faults there are; who waits goes on at once."""
    await scene.faults(5)
    assert scene.circuits.of("m").is_open
    waiting = asyncio.create_task(scene.circuits.until_closed("m"))
    while scene.asked["m"] < 7:
        await asyncio.sleep(0)
        await scene.faults(1)
    assert not waiting.done()
    assert scene.slept[:7] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    scene.well = True
    await waiting
    assert not scene.circuits.of("m").is_open
    assert scene.most_at_once == 1


async def test_others_are_asked_meanwhile(scene: Scene):
    """An open circuit is one model's."""
    await scene.faults(3, "m")
    await scene.circuits.until_closed("n")
    assert not scene.circuits.of("n").is_open
    assert scene.told() == ["m"]


async def test_a_single_fault_is_asked_after(scene: Scene):
    """The canary clears the doubt; nothing was open, nothing is told."""
    scene.well = True
    await scene.faults(1)
    await scene.until(lambda: scene.circuits.of("m").sound)
    assert scene.asked["m"] == 1
    assert scene.told() == []


async def test_what_is_unproven_is_asked_from_the_start(tmp_path: Path):
    """As soon as there is an event loop, once however often it is begun."""
    s = Scene(tmp_path, {"m": "not loaded"})
    assert s.circuits.of("m").is_open
    assert [(one.model, one.why, one.reader) for one in not_asked(tmp_path, ["reader-1"])] == [
        ("m", "not loaded", "reader-1")
    ]
    s.well = True
    s.circuits.begin()
    s.circuits.begin()
    await s.circuits.until_closed("m")
    await s.circuits.close()
    assert (s.asked["m"], s.slept, s.told()) == (1, [0.0], [])


async def test_a_model_that_is_no_longer_served_holds_nothing(scene: Scene):
    """A version that was let go: what waited for it looks again for who answers now."""
    await scene.faults(3)
    scene.gone = True
    await scene.circuits.until_closed("m")
    assert scene.circuits.of("m") == Circuit()
    assert scene.told() == []


async def test_a_broken_canary_of_ours_keeps_it_open(scene: Scene):
    """Whatever it raises: the model is asked about no study, and the canary again."""
    await scene.circuits.close()
    scene.circuits = Circuits(None, clock=lambda: scene.now, sleep=scene.sleep)  # type: ignore[arg-type]
    await scene.faults(3)
    await scene.until(lambda: len(scene.slept) == 4)
    assert scene.circuits.of("m").is_open
    assert "TypeError" in scene.circuits.of("m").why


async def test_it_is_said_once(scene: Scene, caplog: pytest.LogCaptureFixture):
    """An outage does not flood the log."""
    caplog.set_level(logging.INFO)
    await scene.faults(3)
    await scene.until(lambda: scene.asked["m"] == 20)
    scene.well = True
    await scene.circuits.until_closed("m")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


class TestGuarded:
    """The circuits learn how each call ended."""

    async def ask(self, scene: Scene, answer: object, study: str = "1.2") -> None:
        server = Guarded(ScriptedModels({"m": answer}), scene.circuits)  # type: ignore[dict-item]
        with asked_about(study):
            await server.infer("m", {}, outputs=("X",), request_id="r", deadline_s=1.0)

    async def test_the_first_fault_of_a_well_model_is_the_studys(self, scene: Scene):
        """And is told as such; the next is not, until something was answered."""
        with pytest.raises(OwnFault, match="away"):
            await self.ask(scene, AWAY)
        assert not isinstance(scene.circuits.fault("m", "away"), OwnFault)
        scene.well = True
        await self.ask(scene, lambda _inputs: {"X": np.zeros(1)})
        assert scene.circuits.of("m") == Circuit()
        with pytest.raises(OwnFault):
            await self.ask(scene, AWAY)

    async def test_answers_of_no_meaning_open_it_too(self, scene: Scene):
        """NaN for three studies in a row: the study ends as ever, the model is asked its canary before the next."""
        for study in "abc":
            with pytest.raises(ReadingBroken, match="NaN"):
                await self.ask(scene, ReadingBroken("NaN"), study)
        assert scene.circuits.of("m").is_open


def test_who_tells_garbage_is_passed_over(tmp_path: Path):
    """Or nothing, or cannot be read."""
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('[{"model": 1}]')
    assert not_asked(tmp_path, "abc") == []


def test_what_cannot_be_told_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A folder that cannot be written: said, and the reader goes on."""
    (tmp_path / "run").write_text("a file")
    Told(tmp_path / "run", "reader-1").hear("m", Circuit(is_open=True))
    assert "wetread status" in caplog.text


def test_since_when_stays(tmp_path: Path):
    """Another reason is another reason, not another beginning."""
    days = iter(range(1, 9))
    told = Told(tmp_path, "reader-1", clock=lambda: datetime(2026, 1, next(days), tzinfo=UTC))
    told.hear("m", Circuit(is_open=True, why="away"))
    told.hear("m", Circuit(is_open=True, why="wrong"))
    assert [(one.since, one.why) for one in not_asked(tmp_path, ["reader-1"])] == [
        ("2026-01-01T00:00:00+00:00", "wrong")
    ]
