"""ModelServer on Triton by grpc.aio: nothing is believed before its canary, nothing answered is used unchecked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from streams.adapters import receipts
from streams.adapters.contract_files import ModelFolder
from streams.adapters.shared_tensors import SMALLEST, Region, Regions, sweep
from streams.adapters.triton_faults import ModelLost, checked, is_lost_region, meaning, status
from streams.contract import RECEIPT, Contract
from streams.errors import ModelServerAway, ReadingBroken
from streams.faults.protections import Protection
from streams.ports import Inference, Tensor

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]", "unix")
READY_S = 5.0
LOAD_S = 120.0
CANARY_S = 60.0
REPAIR_AGAIN_S = 10.0
EXPECTED = "expected"
UNLIMITED = 2**31 - 1
CHANNEL = [
    ("grpc.max_send_message_length", UNLIMITED),
    ("grpc.max_receive_message_length", UNLIMITED),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
]
"""A server that was away for long is found again within seconds: gRPC's own pauses grow to two minutes, and each call
in between is told at once that the server is away, though it is back."""

log = logging.getLogger(__name__)


class TritonServer:
    """ModelServer port; use it as an async context, in one event loop.

    A model that has a canary is asked it before its first reading, and again after the server was away or the
    model was loaded anew. A model whose process has died is unloaded and loaded: Triton does not notice it
    itself (Triton 2.51). So is one that gave the answer of another call, as it does after its process was stalled:
    where a model signs its answers (streams.adapters.receipts), each is held against its call.
    """

    def __init__(self, address: str, models: Mapping[str, ModelFolder]) -> None:
        self._address = address
        self._models = models
        self._by_memory = address.rpartition(":")[0] in LOCAL_HOSTS
        self._sound: set[str] = set()
        self._asking = {name: asyncio.Lock() for name in models}
        self._lost: asyncio.Queue[str] = asyncio.Queue()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._signing: set[str] = set()

    async def __aenter__(self) -> Self:
        """Connect, lazily, and clean up what killed processes left."""
        self._client = InferenceServerClient(self._address, channel_args=CHANNEL)
        self._regions = Regions(self._client)
        for name in sweep() if self._by_memory else ():
            with contextlib.suppress(InferenceServerException):
                await self._client.unregister_system_shared_memory(name, client_timeout=READY_S)
        self._watch = asyncio.create_task(self._repair_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        await asyncio.gather(self._watch, *self._loading.values(), return_exceptions=True)
        await self._regions.close()
        await self._client.close()

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Tensor],
        *,
        outputs: Sequence[str],
        request_id: str,
        deadline_s: float,
    ) -> Inference:
        """Ask a model; see streams.ports.ModelServer."""
        try:
            async with asyncio.timeout(deadline_s):
                if model in self._models and model not in self._sound:
                    await self.ready(self._models[model].contract)
                return await self._ask(model, inputs, outputs, request_id, deadline_s)
        except TimeoutError as error:
            self._distrust(model)
            raise ModelServerAway(f"{model} gave no answer within {deadline_s:.3g} s") from error
        except ModelLost as fault:
            log.warning("model %s is to be loaded anew: %s", model, fault)
            self._lost.put_nowait(model)
            raise

    async def ready(self, contract: Contract) -> None:
        """Ask the model its canary; see streams.ports.ModelServer."""
        name = contract.name
        async with self._asking.setdefault(name, asyncio.Lock()):
            try:
                loaded = await self._client.is_model_ready(name, client_timeout=READY_S)
            except InferenceServerException as error:
                raise ModelServerAway(f"Triton at {self._address} is away ({status(error)})") from error
            if not loaded:
                raise ModelServerAway(f"{name} is not loaded in Triton at {self._address}")
            if name not in self._sound:
                try:
                    await self._check_canary(contract)
                except ModelLost:
                    await self._load_anew(name)
                    await self._check_canary(contract)
                self._sound.add(name)

    async def _check_canary(self, contract: Contract) -> None:
        canary = contract.canary
        if canary is None or contract.name not in self._models:
            return
        path = self._models[contract.name].path / canary.file
        try:
            tensors = await asyncio.to_thread(_load, path)
            expected = tensors.pop(EXPECTED)
        except (OSError, ValueError, KeyError) as fault:
            raise ModelServerAway(f"{contract.name} fails its canary: {path.name} cannot be read ({fault})") from fault
        try:
            said = await self._ask(contract.name, tensors, (canary.output,), f"canary-{contract.name}", CANARY_S)
        except ReadingBroken as fault:
            raise ModelServerAway(f"{contract.name} fails its canary: {fault}") from fault
        answer = said.outputs[canary.output]
        if answer.shape != expected.shape:
            raise ModelServerAway(f"{contract.name} answers its canary with the shape {answer.shape}")
        off = float(np.abs(answer.astype(np.float64) - expected).max())
        if off > canary.tolerance:
            raise ModelServerAway(f"{contract.name} answers its canary wrongly: {off:.3g} off the known answer")

    async def _ask(
        self, model: str, inputs: Mapping[str, Tensor], outputs: Sequence[str], request_id: str, deadline_s: float
    ) -> Inference:
        began = time.monotonic()
        try:
            try:
                result = await self._call(model, inputs, outputs, request_id, deadline_s)
            except InferenceServerException as error:
                if not is_lost_region(error):
                    raise
                await self._regions.forget()  # the server was started again and knows none of them
                result = await self._call(model, inputs, outputs, request_id, deadline_s)
        except InferenceServerException as error:
            fault = meaning(model, error)
            if isinstance(fault, ModelServerAway):
                self._distrust(model)
            raise fault from error
        except receipts.ForeignAnswer:
            self._distrust(model)
            raise
        specs = self._models[model].contract.tensors.outputs if model in self._models else {}
        return Inference(
            outputs=checked(result, outputs, specs),
            model_version=result.get_response().model_version,
            seconds=time.monotonic() - began,
            weights=receipts.weights(result),
        )

    async def _call(
        self, model: str, inputs: Mapping[str, Tensor], outputs: Sequence[str], request_id: str, deadline_s: float
    ) -> Any:
        call, total = receipts.call_id(request_id), 0
        wanted = tuple(outputs)
        if await self._signs(model):
            wanted, total = (*outputs, RECEIPT), await asyncio.to_thread(receipts.crc, inputs)
        lent: list[Region] = []
        ended = False
        try:
            result = await self._client.infer(
                model,
                [await self._input(name, tensor, lent) for name, tensor in inputs.items()],
                outputs=[InferRequestedOutput(name) for name in wanted],
                request_id=call,
                client_timeout=deadline_s,
            )
            ended = True
            if RECEIPT in wanted:
                receipts.check(model, result, call, total)
            return result
        finally:
            for region in lent:
                (self._regions.give_back if ended else self._regions.discard)(region)

    async def _signs(self, model: str) -> bool:
        """Whether the server's model signs its answers; only a yes is remembered."""
        if model not in self._signing:
            described = await self._client.get_model_metadata(model, client_timeout=READY_S)
            if RECEIPT in {output.name for output in described.outputs}:
                self._signing.add(model)
        return model in self._signing

    def _distrust(self, model: str) -> None:
        """Before its next reading it answers its canary, and is asked whether it signs."""
        self._sound.discard(model)
        self._signing.discard(model)

    async def _input(self, name: str, tensor: Tensor, lent: list[Region]) -> Any:
        made = InferInput(name, list(tensor.shape), np_to_triton_dtype(tensor.dtype))
        region = await self._region(tensor.nbytes)
        if region is None:
            made.set_data_from_numpy(np.ascontiguousarray(tensor))
            return made
        lent.append(region)
        await asyncio.to_thread(region.write, tensor)
        made.set_shared_memory(region.name, tensor.nbytes)
        return made

    async def _region(self, size: int) -> Region | None:
        """A region for a large tensor on this host; None: it travels in the message."""
        if not self._by_memory or size < SMALLEST:
            return None
        try:
            return await self._regions.lend(size)
        except (OSError, InferenceServerException) as error:
            if status(error) in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                raise
            log.warning("no shared memory with Triton, tensors travel in messages: %s", error)
            self._by_memory = False
            return None

    async def _repair_for_ever(self) -> None:
        """Load a model anew whose process has died or was stalled."""
        while True:
            model = await self._lost.get()
            others = {self._lost.get_nowait() for _ in range(self._lost.qsize())}  # each call that waited tells it
            for other in others - {model}:
                self._lost.put_nowait(other)
            if self._models and model not in self._models:
                continue  # it is not asked any more
            try:
                await self._load_anew(model)
            except ModelServerAway as error:
                log.warning("model %s could not be loaded anew: %s", model, error)
                await asyncio.sleep(REPAIR_AGAIN_S)  # Triton tells nobody when it could load it
                continue
            if model in self._models:
                with contextlib.suppress(ModelServerAway):  # whoever asks it next is told
                    await self.ready(self._models[model].contract)

    async def _load_anew(self, model: str) -> None:
        """Unload and load a model, unless another reader was first; once for all who wait for it here.

        A canary would not do: it can be answered rightly, and leave its answer to the call that comes next. Once begun
        it goes on, though who waits for it is cancelled: a model that was only unloaded would stay so.

        Raises:
            ModelServerAway: it cannot be loaded; it is tried again later.
        """
        if model not in self._loading:
            begun = self._loading[model] = asyncio.create_task(self._reload(model))
            begun.add_done_callback(lambda _: self._loading.pop(model, None))
        await asyncio.shield(self._loading[model])

    async def _reload(self, model: str) -> None:
        try:
            if not Protection.RECEIPT.on or await self._is_fresh(model):
                return
            await self._client.unload_model(model, client_timeout=LOAD_S)
            await self._client.load_model(model, client_timeout=LOAD_S)
        except InferenceServerException as error:
            self._lost.put_nowait(model)
            raise ModelServerAway(f"{model} cannot be loaded anew: {status(error)} {error}") from error
        finally:
            self._distrust(model)
        log.warning("the process of model %s had died or was stalled; the model was loaded anew", model)

    async def _is_fresh(self, model: str) -> bool:
        """Whether it was loaded since it failed: the server counts failures from its load on."""
        try:
            told = await self._client.get_inference_statistics(model, client_timeout=READY_S)
        except InferenceServerException as error:
            if status(error) in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                raise
            return False  # it is not loaded
        return bool(told.model_stats) and not any(one.inference_stats.fail.count for one in told.model_stats)


def _load(path: Any) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
