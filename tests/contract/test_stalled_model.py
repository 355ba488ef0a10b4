"""A model's process that is stalled for a second and goes on: no call is ever given the answer of another one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from tritonclient.utils import InferenceServerException

from streams.adapters import receipts
from streams.adapters.contract_files import ModelFolder
from streams.adapters.triton_faults import ModelLost, meaning
from streams.adapters.triton_server import TritonServer
from streams.contract import RECEIPT
from streams.errors import ModelServerAway, ReadingBroken
from tests.contract.test_model_server import contract
from tests.support.local_triton import RunningTriton, local_triton, write_model

STALLED_S = 1.6
"""Longer than the second after which Triton gives the call up."""
ROUNDS, CALLS = 3, 6
PATIENCE_S = 60.0


class Answer:
    """A result of the client that has this receipt only."""

    def __init__(self, receipt: bytes | None) -> None:
        self._receipt = receipt

    def as_numpy(self, name: str) -> np.ndarray | None:
        assert name == RECEIPT
        return None if self._receipt is None else np.array([self._receipt], np.object_)


def test_only_the_receipt_of_this_call_is_taken():
    """Another call's, other tensors', none and an empty one are answers that nobody may use."""
    call, total = receipts.call_id("r"), receipts.crc({"A": np.ones(4, np.float32)})
    receipts.check("m", Answer(f"{call} {total:08x}".encode()), call, total)
    for wrong in (f"{receipts.call_id('r')} {total:08x}".encode(), f"{call} {total ^ 1:08x}".encode(), b"", None):
        with pytest.raises(receipts.ForeignAnswer, match="m gave the answer of another call"):
            receipts.check("m", Answer(wrong), call, total)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("[StatusCode.INTERNAL] Stub process 'm_0_0' is not healthy.", ModelLost),
        ("[StatusCode.INTERNAL] Failed to process the requests.", ModelLost),
        (
            "[StatusCode.INTERNAL] Failed to process the request(s) for model 'm_0_0', message: ValueError",
            ReadingBroken,
        ),
    ],
)
def test_a_stalled_process_is_no_fault_of_the_images(words: str, kind: type[Exception]):
    """Its study waits for the model; only what the model says of the images ends it as failed."""
    assert type(meaning("m", InferenceServerException(words, status="StatusCode.INTERNAL"))) is kind


def test_the_sum_is_over_every_input():
    """One value more or less in any of them, and it is another sum; the order they are named in is no matter."""
    one = {"A": np.arange(6, dtype=np.float32).reshape(2, 3), "B": np.ones(2, np.uint8)}
    assert receipts.crc(one) == receipts.crc(dict(reversed(one.items())))
    for name, tensor in one.items():
        changed = tensor.copy()
        changed.flat[-1] += 1
        assert receipts.crc({**one, name: changed}) != receipts.crc(one)
    assert receipts.crc({"A": one["A"][:, ::2]}) == receipts.crc({"A": one["A"][:, ::2].copy()})


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTriton]:
    path = tmp_path_factory.mktemp("stalled")
    write_model(path / "models", "adder")
    with local_triton(path / "home", path / "models") as running:
        yield running


@pytest.mark.stack
async def test_a_stalled_model_is_loaded_anew(triton: RunningTriton, tmp_path: Path):
    """It answers again, every answer its own; where the stalled process takes the server with it, after its restart."""
    folder = ModelFolder(contract=contract("adder", canary="canary.npz"), digest="d", path=tmp_path)
    np.savez(tmp_path / "canary.npz", A=np.full((2, 2), 3, np.float32), expected=np.array([12], np.float32))
    async with TritonServer(triton.address, {"adder": folder}) as server:
        await _asked(server, 1.0, triton)
        assert (await _stalled(server, triton))[1] == 0
        await _asked(server, 2.0, triton)


@pytest.fixture
def unmended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was stalled is asked on."""

    async def left_as_it_is(_server: TritonServer, _model: str) -> None:
        """Nothing is mended."""

    monkeypatch.setattr(TritonServer, "_load_anew", left_as_it_is)


@pytest.mark.stack
@pytest.mark.usefixtures("unmended")
async def test_the_answer_of_another_call_is_never_taken(triton: RunningTriton):
    """Though nothing is mended: such answers come where the model has not taken the server with it."""
    folder = ModelFolder(contract=contract("adder"), digest="d", path=Path())
    for _ in range(ROUNDS):
        async with TritonServer(triton.address, {"adder": folder}) as server:
            await _asked(server, 1.0, triton)
            assert (await _stalled(server, triton))[1] == 0
        triton.kill()
        await asyncio.to_thread(triton.start)


async def _stalled(server: TritonServer, triton: RunningTriton) -> tuple[int, int]:
    """Stall the model in a call, then ask on; how many answers were refused, and how many taken though wrong."""
    stub = _stub(triton)
    stub.suspend()
    asyncio.get_running_loop().call_later(STALLED_S, stub.resume)
    refused, wrong = 0, 0
    for number in range(CALLS):
        try:
            wrong += await _sum(server, float(number + 2)) != 4 * (number + 2)
        except receipts.ForeignAnswer:
            refused += 1
        except ModelServerAway:
            continue
    return refused, wrong


async def _asked(server: TritonServer, value: float, triton: RunningTriton) -> None:
    """Ask until it answers; the server is started again where the model has taken it with it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        if triton.process is not None and triton.process.poll() is not None:
            await asyncio.to_thread(triton.start)
        try:
            assert await _sum(server, value) == 4 * value
        except ModelServerAway:
            assert time.monotonic() < end
            await asyncio.sleep(0.2)
        else:
            return


async def _sum(server: TritonServer, value: float) -> float:
    tensor = np.full((2, 2), value, np.float32)
    said = await server.infer("adder", {"A": tensor}, outputs=("SUM",), request_id="r", deadline_s=20)
    return float(said.outputs["SUM"][0])


def _stub(triton: RunningTriton) -> psutil.Process:
    assert triton.process is not None
    children = psutil.Process(triton.process.pid).children(recursive=True)
    stubs = [child for child in children if "stub" in child.name() and child.status() != psutil.STATUS_ZOMBIE]
    return max(stubs, key=lambda child: child.create_time())  # those of models that were let go may still be ending
