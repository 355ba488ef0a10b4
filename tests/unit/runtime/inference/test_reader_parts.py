"""A reading in several calls is the reading in one call: the same rows, the same answer, one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.adapters.contract_files import ModelFolder, read_model
from streams.adapters.memory_reading import MemoryObjects, MemoryPixels
from streams.contract import TensorSpec
from streams.errors import ModelServerAway, ReadingBroken
from streams.events.reading import Lane, ReadingRequested
from streams.ports import Inference, Tensor
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import LEAST_S, Reader, _steps
from streams.runtime.inference.turns import RightOfWay
from tests.support.asking import ROUTINE as REQUEST
from tests.support.models import write_model_folder


@given(st.integers(1, 2000), st.integers(1, 300))
def test_parts_cover_all_rows_once(count: int, most: int):
    """In order, none empty, none larger than asked, as few as can be, sizes one apart at most."""
    steps = _steps(count, most)
    assert [row for step in steps for row in range(count)[step]] == list(range(count))
    sizes = [step.stop - step.start for step in steps]
    assert min(sizes) >= 1
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert len(steps) == -(-count // most)


@dataclass
class Patches:
    inputs: Mapping[str, Tensor]


@dataclass
class Rows:
    """A server whose model answers for each row by itself, and takes a known time for each call."""

    seconds: float = 0.0
    breaks_at: int | None = None
    said: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    weights: Callable[[], str] = str

    async def infer(
        self, model: str, inputs: Mapping[str, Tensor], *, outputs: Sequence[str], request_id: str, deadline_s: float
    ) -> Inference:
        self.said.append("call")
        self.sizes.append(len(inputs["X"]))
        self.deadlines.append(deadline_s)
        if len(self.sizes) - 1 == self.breaks_at:
            raise ReadingBroken("The model m failed on these images: no")
        given = {"SUM": inputs["X"].sum(axis=1) + inputs["BIAS"], "SAME": inputs["X"]}
        return Inference(
            outputs={n: given[n] for n in outputs}, model_version="7", seconds=self.seconds, weights=self.weights()
        )

    async def ready(self, contract: object) -> None:
        """Always."""


def model(folder: Path, most: int | None) -> ModelFolder:
    """A model of rows: its contract says how many at a time."""
    whole = read_model(write_model_folder(folder))
    outputs = {"SUM": TensorSpec(datatype="FP32", shape=(-1,)), "SAME": TensorSpec(datatype="FP32", shape=(-1, 2))}
    tensors = replace(whole.contract.tensors, outputs=outputs, rows_most=most)
    return replace(whole, contract=replace(whole.contract, tensors=tensors))


async def inferred(server: Rows, folder: ModelFolder, rows: int, spent_s: float = 0.0) -> Inference:
    async def turn(request: ReadingRequested) -> None:
        assert request == REQUEST
        server.said.append("turn")

    objects = MemoryObjects()
    reader = Reader(objects, Preparing(objects, MemoryPixels({})), server, {"m": folder}, lambda: 0.0, turn)
    chance = np.random.default_rng(rows)
    inputs = {"X": chance.random((rows, 2), np.float32), "BIAS": chance.random(rows, np.float32)}
    return await reader._infer(REQUEST, folder, Patches(inputs), spent_s)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, ModelFolder]:
    return {most: model(tmp_path_factory.mktemp("models"), most) for most in (None, 1, 3, 7, 64)}


@given(st.integers(1, 40), st.sampled_from([1, 3, 7, 64]))
def test_the_answer_is_that_of_one_call(folders: dict[int | None, ModelFolder], rows: int, most: int):
    """Each output put together in the order of its rows, bit for bit; the seconds are those of all calls."""
    whole = asyncio.run(inferred(Rows(0.25), folders[None], rows))
    server = Rows(0.25)
    parts = asyncio.run(inferred(server, folders[most], rows))
    assert sum(server.sizes) == rows
    assert max(server.sizes) <= most
    assert parts.outputs.keys() == whole.outputs.keys()
    assert all(np.array_equal(parts.outputs[name], array) for name, array in whole.outputs.items())
    assert parts.seconds == pytest.approx(0.25 * len(server.sizes))
    assert parts.model_version == "7"


async def test_a_turn_comes_before_each_call(folders: dict[int | None, ModelFolder]):
    """So an urgent reading waits for one part at most."""
    server = Rows()
    await inferred(server, folders[3], 8)
    assert server.said == ["turn", "call"] * 3


@pytest.mark.parametrize(("first", "then"), [("theirs", "theirs"), ("ours", "theirs"), ("theirs", "ours")])
async def test_the_answer_of_other_weights_is_none(folders: dict[int | None, ModelFolder], first: str, then: str):
    """Whatever lies on the server now: no answer is said to be a version's that did not give it, not in part either."""
    said = iter([first, *[then] * 5])
    server = Rows(weights=lambda: next(said))
    with pytest.raises(ModelServerAway, match="answered by other weights"):
        await inferred(server, replace(folders[3], weights="ours"), 8)


@pytest.mark.parametrize("weights", ["ours", ""])
async def test_the_answer_of_its_own_weights_is_taken(folders: dict[int | None, ModelFolder], weights: str):
    """And that of a server that does not tell."""
    said = await inferred(Rows(weights=lambda: weights), replace(folders[3], weights="ours"), 8)
    assert said.weights == weights


async def test_all_calls_share_one_deadline(folders: dict[int | None, ModelFolder]):
    """What pixels and earlier calls took is taken off; the last ones keep half a second, to fail as a deadline."""
    limit = folders[3].contract.limits.deadline_s
    server = Rows(seconds=(limit - 10) / 3)
    await inferred(server, folders[3], 12, spent_s=10.0)
    assert server.deadlines == pytest.approx([limit - 10, (limit - 10) * 2 / 3, (limit - 10) / 3, LEAST_S])


@dataclass
class Stepwise(Rows):
    """Each call ends when the test lets it; tells which model was asked."""

    asked: asyncio.Queue[tuple[str, asyncio.Event]] = field(default_factory=asyncio.Queue)

    async def infer(
        self, model: str, inputs: Mapping[str, Tensor], *, outputs: Sequence[str], request_id: str, deadline_s: float
    ) -> Inference:
        end = asyncio.Event()
        self.asked.put_nowait((request_id, end))
        await end.wait()
        said = {n: inputs["X"].sum(axis=1) if n == "SUM" else inputs["X"] for n in outputs}
        return Inference(outputs=said, model_version="7", seconds=1.0)


async def test_a_stat_reading_waits_behind_one_part_of_each_core(
    folders: dict[int | None, ModelFolder], tmp_path: Path
):
    """Two processes read chests in parts when a stat head comes: what is computed ends, nothing more begins before."""
    server = Stepwise()
    inputs = {"X": np.ones((9, 2), np.float32)}

    async def reading(name: str, lane: Lane) -> None:
        way = RightOfWay(tmp_path / "right-of-way", 3600.0)  # each as in a process of its own
        request = replace(REQUEST, reading=name, lane=lane)
        objects = MemoryObjects()
        preparing = Preparing(objects, MemoryPixels({}))
        reader = Reader(objects, preparing, server, {"m": folders[3]}, lambda: 0.0, way.turn)
        async with way.reading(request):
            await reader._infer(request, folders[3], Patches(inputs), 0.0)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for name in ("chest 1", "chest 2"):
            group.create_task(reading(name, "routine"))
        busy = [await server.asked.get() for _ in range(2)]
        head = group.create_task(reading("head", "urgent"))
        name, end = await server.asked.get()
        assert name == "head"
        for _, part in busy:
            part.set()
        for _ in range(2):
            end.set()
            name, end = await server.asked.get()
            assert name == "head"
        assert server.asked.empty()
        end.set()
        await head
        for _ in range(4):
            name, end = await server.asked.get()
            assert name.startswith("chest")
            end.set()


async def test_one_failed_part_fails_the_reading(folders: dict[int | None, ModelFolder]):
    """No answer is put together from what is left, and nothing more is asked."""
    server = Rows(breaks_at=1)
    with pytest.raises(ReadingBroken, match="failed on these images"):
        await inferred(server, folders[3], 12)
    assert len(server.sizes) == 2
