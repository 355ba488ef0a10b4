"""ModelServer: the same laws on the twin and on a real Triton, and what only the real one can do wrong."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.adapters.contract_files import ModelFolder
from streams.adapters.memory_reading import ScriptedModels
from streams.adapters.shared_tensors import FOLDER, PREFIX, SMALLEST
from streams.adapters.triton_server import TritonServer
from streams.contract import Answer, Canary, Contract, FindingRule, Needs, Tensors, TensorSpec
from streams.errors import ModelServerAway, ReadingBroken
from streams.events.reading import Code
from streams.ports import ModelServer
from tests.support.local_triton import RunningTriton, local_triton, write_model

pytestmark = pytest.mark.timeout(300)

ANY = np.array([[1, 2, 3]], np.float32)
SLEEP, DIE, RAISE, NAN = (np.array([[wish, 0]], np.float32) for wish in (-1, -2, -3, -4))
LARGE = np.arange(SMALLEST // 2, dtype=np.float32).reshape(512, -1)


def contract(name: str, *, canary: str | None = None) -> Contract:
    return Contract(
        schema=1,
        name=name,
        version="1",
        title="",
        role="live",
        needs=Needs(
            modality=("CT",),
            body_part="head",
            orientation="axial",
            contrast="any",
            coverage_mm=0,
            slices_min=2,
            thickness_mm=(0, 10),
            prefer_thickness_mm=5,
            max_gap=2,
        ),
        tensors=Tensors(
            function="head_slabs",
            inputs={"A": TensorSpec(datatype="FP32", shape=(-1, -1))},
            outputs={
                "SUM": TensorSpec(datatype="FP32", shape=(1,)),
                "SAME": TensorSpec(datatype="FP32", shape=(-1, -1)),
            },
        ),
        answer=Answer(function="slices_and_mask", study_logit="SUM"),
        finding=FindingRule(name="f", code=Code(scheme="S", value="1", meaning="m"), threshold=0.5),
        canary=None if canary is None else Canary(file=canary, output="SUM", tolerance=0.01),
    )


def folder(path: Path, name: str, *, canary: str | None = None) -> ModelFolder:
    return ModelFolder(contract=contract(name, canary=canary), digest="d", path=path / name)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models")
    for name in ("adder", "wrong"):
        write_model(path, name)
        np.savez(path / name / "canary.npz", A=ANY, expected=np.array([6 if name == "adder" else 7], np.float32))
    return path


@pytest.fixture(scope="module")
def triton(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTriton]:
    with local_triton(tmp_path_factory.mktemp("home"), repository) as running:
        yield running


@pytest.fixture
async def real(triton: RunningTriton, repository: Path) -> AsyncIterator[TritonServer]:
    models = {name: folder(repository, name, canary="canary.npz") for name in ("adder", "wrong")}
    async with TritonServer(triton.address, models) as server:
        yield server


@pytest.fixture(params=["twin", pytest.param("triton", marks=pytest.mark.stack)])
def server(request: pytest.FixtureRequest) -> ModelServer:
    if request.param == "triton":
        return request.getfixturevalue("real")
    return ScriptedModels({"adder": lambda i: {"SUM": i["A"].sum(keepdims=True)[0], "SAME": i["A"]}})


async def ask(server: ModelServer, tensor: np.ndarray, outputs: tuple[str, ...] = ("SUM",), deadline_s: float = 20):
    return await server.infer("adder", {"A": tensor}, outputs=outputs, request_id="r", deadline_s=deadline_s)


async def test_a_model_answers_what_it_is_asked(server: ModelServer):
    """The outputs that were asked for, and no others."""
    said = await ask(server, ANY)
    assert set(said.outputs) == {"SUM"}
    assert said.outputs["SUM"].tolist() == [6]
    assert said.model_version == "1"


async def test_ready_is_what_answers(server: ModelServer):
    """A model that is not there is away, and says so by name."""
    await server.ready(contract("adder"))
    with pytest.raises(ModelServerAway, match="absent"):
        await server.ready(contract("absent"))
    with pytest.raises(ModelServerAway, match="absent"):
        await server.infer("absent", {"A": ANY}, outputs=("SUM",), request_id="r", deadline_s=5)


@pytest.mark.stack
async def test_large_tensors_travel_by_shared_memory_and_come_back_equal(real: TritonServer):
    """Bit-equal there and back; regions are lent again, and gone with the client."""
    ours = f"{PREFIX}{os.getpid()}-*"
    for _ in range(3):
        said = await ask(real, LARGE, ("SUM", "SAME"))
        assert np.array_equal(said.outputs["SAME"], LARGE)
    assert len(list(FOLDER.glob(ours))) == 1
    await asyncio.gather(*(ask(real, LARGE) for _ in range(3)))
    await real._regions.close()
    assert not list(FOLDER.glob(ours))


@pytest.mark.stack
async def test_a_late_answer_is_no_answer(real: TritonServer):
    """Past its deadline a call is cut off, and the model is free again before its own time."""
    began = time.monotonic()
    with pytest.raises(ModelServerAway, match=r"within 0[.]5 s"):
        await ask(real, SLEEP, deadline_s=0.5)
    await ask(real, ANY)
    assert time.monotonic() - began < 20


@pytest.mark.stack
async def test_a_cancelled_call_frees_the_model(real: TritonServer):
    """On a revoke the running call is cancelled; its shared memory is not lent again while it may be read."""
    await ask(real, ANY)
    large = LARGE.copy()
    large.flat[0] = -1
    call = asyncio.create_task(ask(real, large))
    await asyncio.sleep(0.3)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await ask(real, LARGE, ("SAME",))).outputs["SAME"].flat[0] == 0


@pytest.mark.stack
@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (RAISE, "these images will not do"),
        (NAN, "output SUM holds values that are no numbers"),
        (np.zeros((1, 2, 3), np.float32), "failed on these images"),
        (np.zeros((1, 2), np.int32), "failed on these images"),
    ],
)
async def test_a_refusal_and_an_answer_that_is_none(real: TritonServer, tensor: np.ndarray, told: str):
    """A model that raises, says NaN or is given another shape: the study ends as failed, it is not tried for ever."""
    with pytest.raises(ReadingBroken, match=told):
        await ask(real, tensor)


@pytest.mark.stack
async def test_an_answer_unlike_the_contract_is_not_used(triton: RunningTriton, repository: Path):
    """Datatype and shape are held against the contract."""
    good = contract("adder")
    for spec, told in (
        (TensorSpec(datatype="FP32", shape=(2,)), r"shape \(1,\)"),
        (TensorSpec(datatype="FP32", shape=(1, 1)), r"shape \(1,\)"),
        (TensorSpec(datatype="INT32", shape=(1,)), "float32, not INT32"),
    ):
        other = replace(good, tensors=replace(good.tensors, outputs={"SUM": spec}))
        models = {"adder": ModelFolder(contract=other, digest="d", path=repository / "adder")}
        async with TritonServer(triton.address, models) as server:
            with pytest.raises(ReadingBroken, match=told):
                await ask(server, ANY)


@pytest.mark.stack
async def test_a_model_that_fails_its_canary_is_not_asked(real: TritonServer):
    """A wrong known answer keeps the model out, before any study is read."""
    with pytest.raises(ModelServerAway, match="wrongly: 1 off"):
        await real.infer("wrong", {"A": ANY}, outputs=("SUM",), request_id="r", deadline_s=10)


@pytest.mark.stack
async def test_a_model_whose_process_died_comes_back(real: TritonServer):
    """Triton calls it ready and answers nothing; the watch loads it anew, and its canary is asked again."""
    await ask(real, ANY)
    with pytest.raises(ModelServerAway):
        await ask(real, DIE)
    end = time.monotonic() + 60
    while True:
        try:
            said = await ask(real, ANY)
            break
        except ModelServerAway:
            assert time.monotonic() < end
            await asyncio.sleep(0.2)
    assert said.outputs["SUM"].tolist() == [6]


@pytest.mark.stack
async def test_a_server_that_comes_back_is_used_again(real: TritonServer, triton: RunningTriton):
    """Away while it is away; afterwards regions are registered anew, without a restart of ours."""
    await ask(real, LARGE)
    triton.kill()
    with pytest.raises(ModelServerAway):
        await ask(real, LARGE, deadline_s=5)
    triton.start()
    end = time.monotonic() + 60
    while True:
        try:
            said = await ask(real, LARGE, ("SAME",))
            break
        except ModelServerAway:
            assert time.monotonic() < end
            await asyncio.sleep(0.2)
    assert np.array_equal(said.outputs["SAME"], LARGE)
    assert real._by_memory


@pytest.mark.stack
async def test_what_a_killed_process_left_is_removed(triton: RunningTriton):
    """Names carry the process: a dead one's regions go at the next start, a living one's stay."""
    dead = FOLDER / f"{PREFIX}4194305-1"
    living = FOLDER / f"{PREFIX}1-1"
    dead.write_bytes(b"left")
    living.write_bytes(b"used")
    try:
        async with TritonServer(triton.address, {}):
            assert not dead.exists()
            assert living.exists()
    finally:
        living.unlink()
