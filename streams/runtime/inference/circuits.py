"""The circuits of a reader's models: who may be asked, who is asked its canary meanwhile, and what people are told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from streams.contract import Contract
from streams.errors import ModelServerAway, ReadingBroken
from streams.ports import Inference, ModelServer, Tensor
from streams.runtime.inference.circuit import (
    Answered,
    Circuit,
    Event,
    Fault,
    ProbeAnswered,
    ProbeFailed,
    blames,
    doubted,
    step,
)

log = logging.getLogger(__name__)

PROBE_WITHIN_S = 300.0
"""Over what loading a model anew and its canary may take: a probe never hangs for good."""
Canary = Callable[[str], Awaitable[None]]
"""Asks a model its canary; ModelServerAway: not answered, or wrongly. LookupError: there is no such model any more."""
Tell = Callable[[str, Circuit], None]
_STUDY: ContextVar[str] = ContextVar("study", default="")


class OwnFault(ModelServerAway):
    """The model is well and gave no answer about this study: the try counts against the study."""


@contextmanager
def asked_about(study: str) -> Iterator[None]:
    """Around a reading: what its calls of a model meet is met by this study."""
    token = _STUDY.set(study)
    try:
        yield
    finally:
        _STUDY.reset(token)


class Circuits:
    """One for each model, by its name in the model server; an unknown model's is closed.

    A model in doubt is asked its canary by one task, with growing pauses; nothing else waits for it.
    """

    def __init__(
        self,
        canary: Canary,
        unproven: Mapping[str, str] | None = None,
        tell: Tell = lambda _model, _circuit: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """unproven: models that have not answered their canary yet, and why; they are open until they do.

        tell: hears of each circuit that opens or closes, or is open for another reason.
        """
        self._canary, self._tell, self._clock, self._sleep = canary, tell, clock, sleep
        self._circuits: dict[str, Circuit] = {}
        self._closed: dict[str, asyncio.Event] = {}
        self._probes: dict[str, asyncio.Task[None]] = {}
        for model, why in (unproven or {}).items():
            self._circuits[model] = doubted(why, clock())
            self._say(model, Circuit(), self._circuits[model])

    def begin(self) -> None:
        """Ask the canaries of models that are in doubt already; called in the event loop, as often as one likes."""
        for model in self._circuits:
            self._probe(model)

    async def close(self) -> None:
        """Ask no more."""
        probes = list(self._probes.values())
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)

    def of(self, model: str) -> Circuit:
        """What is known of a model."""
        return self._circuits.get(model, Circuit())

    async def until_closed(self, model: str) -> None:
        """Return when the model may be asked; at once where it may."""
        while self.of(model).is_open:
            await self._closed.setdefault(model, asyncio.Event()).wait()

    def answered(self, model: str) -> None:
        """The model answered about a study."""
        self._hear(model, Answered())

    def fault(self, model: str, why: str) -> ModelServerAway:
        """The model gave no answer that can be used about the study that is asked about; the error to raise."""
        study = _STUDY.get()
        own = blames(self.of(model), study)
        self._hear(model, Fault(study, why))
        return OwnFault(why) if own else ModelServerAway(why)

    def _hear(self, model: str, event: Event) -> None:
        before = self.of(model)
        self._circuits[model] = after = step(before, event, self._clock())
        self._say(model, before, after)
        closed = self._closed.setdefault(model, asyncio.Event())
        if after.is_open:
            closed.clear()
        else:
            closed.set()
        self._probe(model)

    def _say(self, model: str, before: Circuit, after: Circuit) -> None:
        if (before.is_open, before.why) == (after.is_open, after.why) or not (before.is_open or after.is_open):
            return
        if after.is_open:
            log.warning("model %s is not asked until it answers its canary: %s", model, after.why)
        else:
            log.info("model %s answers its canary, and is asked again", model)
        self._tell(model, after)

    def _probe(self, model: str) -> None:
        running = self._probes.get(model)
        if self.of(model).probe_at is not None and (running is None or running.done()):
            self._probes[model] = asyncio.create_task(self._until_sure(model), name=f"canary of {model}")

    async def _until_sure(self, model: str) -> None:
        while (due := self.of(model).probe_at) is not None:
            await self._sleep(max(0.0, due - self._clock()))
            try:
                async with asyncio.timeout(PROBE_WITHIN_S):
                    await self._canary(model)
            except LookupError:
                self._forget(model)
            except TimeoutError:
                self._hear(model, ProbeFailed(f"{model} does not answer its canary within {PROBE_WITHIN_S:.0f} s"))
            except ModelServerAway as error:
                self._hear(model, ProbeFailed(str(error)))
            except Exception as error:
                log.exception("the canary of %s", model)
                self._hear(model, ProbeFailed(f"its canary cannot be asked ({type(error).__name__})"))
            else:
                self._hear(model, ProbeAnswered())

    def _forget(self, model: str) -> None:
        """Another version answers in its place."""
        before = self._circuits.pop(model, Circuit())
        self._say(model, before, Circuit())
        self._closed.setdefault(model, asyncio.Event()).set()


class Guarded:
    """ModelServer that tells the circuits how each call about a study ended."""

    def __init__(self, server: ModelServer, circuits: Circuits) -> None:
        self._server, self._circuits = server, circuits

    async def infer(
        self, model: str, inputs: Mapping[str, Tensor], *, outputs: Sequence[str], request_id: str, deadline_s: float
    ) -> Inference:
        """Ask a model; see streams.ports.ModelServer.

        Raises:
            OwnFault: no answer, and not for the server's sake.
        """
        try:
            said = await self._server.infer(
                model, inputs, outputs=outputs, request_id=request_id, deadline_s=deadline_s
            )
        except ModelServerAway as error:
            raise self._circuits.fault(model, str(error)) from error
        except ReadingBroken as error:
            self._circuits.fault(model, str(error))  # ends this study; whether the model is well its canary tells
            raise
        self._circuits.answered(model)
        return said

    async def ready(self, contract: Contract) -> None:
        """Ask the model its canary; see streams.ports.ModelServer."""
        await self._server.ready(contract)
