"""The worker processes: settings to a running flow worker or reading worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import NoReturn

from streams.adapters.contract_files import ModelFolder
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.kafka_log import KafkaLog
from streams.adapters.model_store import LiveModels
from streams.adapters.redis_state import RedisState, connect
from streams.adapters.telemetry import Telemetry
from streams.adapters.triton_server import TritonServer
from streams.contract import Contract
from streams.errors import ModelServerAway
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.flow import DEADLETTERS, FEEDBACK, READING, RETRY, TOPICS, addressed, agents
from streams.runtime.inference.answering import MARGIN_S, ON_RECORD, Answering, Waits
from streams.runtime.inference.circuits import Circuits, Guarded
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from streams.runtime.inference.reports import Reports
from streams.runtime.inference.told import FOLDER, Told
from streams.runtime.inference.turns import RightOfWay
from streams.runtime.models.judging import LONGEST_LIVE_S, LiveRules, answering_now, judgement, model_store
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.failures import Patience
from streams.runtime.processing.telling import MeasuredLog
from streams.runtime.processing.worker import (
    FlowWiring,
    ReadingLane,
    ReadingWiring,
    Site,
    run_flow_worker,
    run_reading_worker,
)
from streams.runtime.settings import Settings
from streams.runtime.wiring import FLOW_GROUP, READING_GROUP, addresses, object_store, topic_plans

Ready = Callable[[], None]
Close = Callable[[], Awaitable[None]]
AT_ONCE = {"urgent": 2, "routine": 1}
"""Readings at once in one process: two urgent ones keep pixels and model busy side by side."""
HANDLER_SLACK_S = 15.0
CANARIES_WITHIN_S = 20.0
"""How long a reader that starts waits for its models, so that the first studies find them proven."""


def run_worker(settings: Settings, name: str, ready: Ready) -> NoReturn:
    """The agents that decide, until SIGTERM."""
    policies, contracts = judgement(settings)
    outside, close = _outside(settings, name, policies.digest)
    site, rules = _site(settings, FLOW_GROUP, name, ready, close), LiveRules(settings)
    run_flow_worker(
        FlowWiring(
            site=site,
            outside=outside,
            agents=agents(policies, contracts),
            rules=rules.of,
            recalling=rules.recalling(outside.log),
            forwards={FEEDBACK: "triage.feedback"},
            carried={topic.name: topic.carries for topic in TOPICS},
        )
    )


def run_reader(settings: Settings, name: str, ready: Ready) -> NoReturn:
    """The reading lanes, until SIGTERM; a model that has not answered its canary is asked about no study."""
    policies, contracts = judgement(settings)
    models, served = LiveModels(model_store(settings)), LiveModels(model_store(settings), as_served=True)
    triton = addresses(settings).triton
    outside, close = _outside(settings, name, policies.digest)
    spans = outside.spans if isinstance(outside.spans, Telemetry) else None
    reports = Reports(policies.quality)
    server = _Opened(TritonServer(triton, served), DicomPixels(outside.objects, children=sum(AT_ONCE.values())))
    told = Told(settings.home / FOLDER, name, partial(_show, spans))
    unproven = asyncio.run(_unproven(triton, answering_now(settings)))
    circuits = Circuits(partial(server.canary, served), unproven, told.hear)
    way = RightOfWay(settings.home / "run" / "right-of-way", settings.yield_s)
    preparing, guarded = Preparing(outside.objects, server.pixels, reports), Guarded(server.triton, circuits)
    reader = Reader(outside.objects, preparing, guarded, models, time.monotonic, way.turn)

    async def close_all() -> None:
        await circuits.close()
        await server.close()
        await close()

    def begin() -> None:
        circuits.begin()
        ready()

    waits = Waits(for_urgent_s=settings.yield_s, for_model_s=settings.give_up_s, circuits=circuits)
    answering = Answering(_InTurn(reader, server, way), models, spans, reports, waits)
    run_reading_worker(
        ReadingWiring(
            site=_site(settings, READING_GROUP, name, begin, close_all),
            outside=outside,
            lanes=tuple(_lane(lane, running) for lane, running in AT_ONCE.items()),
            read=answering.handle,
            deadline_s=_longest_s(contracts) + settings.yield_s + MARGIN_S + HANDLER_SLACK_S,
            tries=1,
            answers=ON_RECORD,
            first_delay_s=settings.retry_s,
            sooner=answering.sooner,
        )
    )


def _longest_s(contracts: Sequence[Contract]) -> float:
    """Of all models; one may be added while this runs."""
    return max([LONGEST_LIVE_S, *(contract.limits.deadline_s for contract in contracts)])


def _lane(lane: str, running: int) -> ReadingLane:
    topic = f"triage.readings.{lane}"
    return ReadingLane(name=READING[lane], topic=topic, retry_topic=RETRY[topic], running=running)


def _show(telemetry: Telemetry | None, model: str, is_open: bool) -> None:
    if telemetry is not None:
        telemetry.show("wetread_model_circuit_open", float(is_open), model=model)


async def _unproven(triton: str, models: Mapping[str, ModelFolder]) -> dict[str, str]:
    """Ask every model its canary for a while; those that have not answered rightly by then, and why."""
    why = dict.fromkeys(models, f"no answer within {CANARIES_WITHIN_S:.0f} s of the reader's start")
    patience = Patience()
    async with TritonServer(triton, models) as server:

        async def ask(name: str) -> None:
            try:
                await server.ready(models[name].contract)
            except ModelServerAway as error:
                why[name] = str(error)
                raise

        async def prove(name: str) -> None:
            await patience.until_done(f"canary of {name}", partial(ask, name))
            del why[name]

        with suppress(TimeoutError):
            async with asyncio.timeout(CANARIES_WITHIN_S):
                await asyncio.gather(*(prove(name) for name in models))
    return why


class _Opened:
    """Pixels and model server, opened in the worker's event loop by who needs them first."""

    def __init__(self, triton: TritonServer, pixels: DicomPixels) -> None:
        self.triton, self.pixels = triton, pixels
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._open = False

    async def open(self) -> None:
        """Return when both can be used."""
        async with self._opening:
            if not self._open:
                for part in (self.pixels, self.triton):
                    await self._stack.enter_async_context(part)
                self._open = True

    async def canary(self, models: Mapping[str, ModelFolder], name: str) -> None:
        """See streams.runtime.inference.circuits.Canary."""
        contract = models[name].contract
        await self.open()
        await self.triton.ready(contract)

    async def close(self) -> None:
        """End the decoders and let go of shared memory."""
        await self._stack.aclose()


class _InTurn:
    """A reader whose urgent readings have the right of way."""

    def __init__(self, reader: Reader, parts: _Opened, way: RightOfWay) -> None:
        self._reader, self._parts, self._way = reader, parts, way

    async def read(self, request: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        """The reader's answer."""
        await self._parts.open()
        async with self._way.reading(request):
            return await self._reader.read(request)


def _site(settings: Settings, group: str, name: str, ready: Ready, close: Close) -> Site:
    return Site(
        bootstrap=addresses(settings).kafka,
        group=group,
        slot=name,
        topics=tuple(topic_plans()),
        ready=ready,
        close=close,
    )


def _outside(settings: Settings, name: str, policy: str) -> tuple[Outside, Close]:
    at = addresses(settings)
    redis, log = connect(at.redis), KafkaLog(at.kafka, client_id=name)
    telemetry = Telemetry("wetread-worker", settings.otlp)
    outside = Outside(
        state=RedisState(redis),
        log=MeasuredLog(log, telemetry),
        objects=object_store(settings),
        policy=policy,
        deadletters=DEADLETTERS,
        addressed=addressed,
        spans=telemetry,
    )

    async def close() -> None:
        await log.close()
        await redis.aclose()
        await asyncio.to_thread(telemetry.close)

    return outside, close
