"""A reading as the worker handles it: asked, answered or failed; put off while the model server is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from streams.adapters.contract_files import ModelFolder
from streams.adapters.telemetry import Telemetry
from streams.errors import EventUnreadable, ModelServerAway, TryAgain
from streams.events.codec import type_name
from streams.events.envelope import Envelope, from_kafka, to_kafka
from streams.events.identifiers import EventId, event_id
from streams.events.quality import QualityReported
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.flow import TOPICS, addressed
from streams.ports import Message, Record
from streams.runtime.inference.circuit import Circuit
from streams.runtime.inference.circuits import Circuits, OwnFault, asked_about
from streams.runtime.inference.reader import failed
from streams.runtime.inference.reports import Reports
from streams.runtime.processing.failures import Past, PutOff, past_of
from streams.runtime.processing.recollecting import Answers

log = logging.getLogger(__name__)

TRIES_MOST = 7
"""Tries that count against a study: put off six times (5 s, 10 s ... 160 s), then it is given up as failed."""
ASKED_MOST = 100
"""Tries in all: a model that answers its canary and no study is asked some two hours long, minute by minute."""
GIVE_UP_S = 24 * 3600
"""How long a study waits for a model that is away."""
PROBES_LEAST = 20
"""Before a study is given up for a model's sake, this process has asked its canary so often: some four minutes long.
A stack that was down for days starts with patience."""
MARGIN_S = 5.0
"""Over a contract's own deadline: what fetching and sending may take beside it."""


class Reads(Protocol):
    """What makes an answer (streams.runtime.inference.reader.Reader)."""

    async def read(self, request: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        """The answer, or why there is none and never will be; TryAgain: not now."""


def now_utc() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What a reading waits for, and how long.

    Attributes:
        for_urgent_s: for more urgent ones, beside its own time.
        for_model_s: from when it was put off first; then it is given up, whatever the reason.
        clock: tells the latter.
        circuits: models that are not asked now; they are told by the reader's model server
            (streams.runtime.inference.circuits.Guarded). None: every try in vain counts against its study.
    """

    for_urgent_s: float = 0.0
    for_model_s: float = GIVE_UP_S
    clock: Callable[[], datetime] = now_utc
    circuits: Circuits | None = None


class Answering:
    """The handler of the reading lanes: every request ends in an answer or a final failure."""

    def __init__(
        self,
        reader: Reads,
        models: Mapping[str, ModelFolder],
        telemetry: Telemetry | None = None,
        reports: Reports | None = None,
        waits: Waits | None = None,
    ) -> None:
        """`reports` holds what the reader found of the images' quality; it is sent beside the answer."""
        self._reader, self._models, self._telemetry = reader, models, telemetry
        self._reports, self._waits = reports, waits or Waits()
        self._circuits = self._waits.circuits

    async def handle(self, record: Record) -> Sequence[Message]:
        """The answer's messages.

        Raises:
            PutOff: to be put off; until then people are to be told "no AI result".
        """
        envelope = from_kafka(record.value, record.headers)
        request = envelope.data
        if not isinstance(request, ReadingRequested):
            raise EventUnreadable(f"{type(request).__name__} on a topic of readings")
        answer = await self._answer(envelope, request, past_of(record.headers))
        self._tell(request, answer)
        report = self._reports.take(request.reading) if self._reports else None
        return (*_reported(envelope, report), *_said(envelope, answer, _answer_id(envelope.id, 0)))

    async def sooner(self, record: Record) -> None:
        """Return when a reading that was put off need not wait for its time: what it waits for is well again."""
        model = past_of(record.headers).waits_for
        if self._circuits is None or not model:
            await asyncio.get_running_loop().create_future()
        else:
            await self._circuits.until_closed(model)

    async def _answer(
        self, envelope: Envelope, request: ReadingRequested, past: Past
    ) -> ReadingAnswered | ReadingFailed:
        name = self._asked_as(request.model)
        circuit = self._circuits.of(name) if self._circuits else Circuit()
        if circuit.is_open:
            now = replace(past, waits_for=name)
            reason = f"{request.model} is not asked until it answers its canary: {circuit.why}"
        else:
            try:
                return await self._read(request)
            except TryAgain as error:
                own = self._circuits is None or isinstance(error, OwnFault) or not isinstance(error, ModelServerAway)
                now, reason = past.tried(own=own), str(error)
        now = replace(now, since=past.since or self._waits.clock())
        if now.own >= TRIES_MOST:
            return failed(request, "failed", f"{reason} (try {now.own})", attempt=now.own)
        if now.tries >= ASKED_MOST or (self._too_late(now) and (not circuit.is_open or circuit.probes >= PROBES_LEAST)):
            return failed(request, "failed", f"{reason}; it is given up", attempt=now.own)
        raise PutOff(reason, _said_until_then(envelope, request, past, now, reason), now)

    def _too_late(self, past: Past) -> bool:
        limit = timedelta(seconds=self._waits.for_model_s)
        return past.since is not None and self._waits.clock() - past.since >= limit

    def _asked_as(self, model: str) -> str:
        folder = self._models.get(model)
        return folder.asked_as if folder else model

    async def _read(self, request: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        model = self._models.get(request.model)
        limit = (model.contract.limits.deadline_s if model else 0.0) + MARGIN_S + self._waits.for_urgent_s
        with asked_about(request.study):
            try:
                async with asyncio.timeout(limit):
                    return await self._reader.read(request)
            except TimeoutError as error:
                why = f"{request.model} gave no answer within {limit:.0f} s"
                fault = self._circuits.fault(self._asked_as(request.model), why) if self._circuits else None
                raise fault or ModelServerAway(why) from error
            except TryAgain:
                raise
            except Exception as error:  # a fault of ours ends in an outcome too, never in silence
                log.exception("reading %s", request.reading)
                return failed(request, "failed", f"The reading broke ({type(error).__name__}); its log says where.")

    def _tell(self, request: ReadingRequested, answer: ReadingAnswered | ReadingFailed) -> None:
        if self._telemetry is None:
            return
        outcome = "answered" if isinstance(answer, ReadingAnswered) else answer.kind
        self._telemetry.count("wetread_readings_total", model=request.model, outcome=outcome)
        if isinstance(answer, ReadingAnswered):
            self._telemetry.observe("wetread_model_seconds", answer.model_seconds, model=request.model)
            self._telemetry.observe("wetread_pixels_seconds", answer.pixels_seconds, model=request.model)


def _said_until_then(
    envelope: Envelope, request: ReadingRequested, past: Past, now: Past, reason: str
) -> tuple[Message, ...]:
    """What people are told: once of a model that is away, however long, and of each try that counts."""
    if now.own > past.own:
        told = failed(request, "failed", f"{reason} (try {now.own})", final=False, attempt=now.own)
        return _said(envelope, told, _answer_id(envelope.id, now.own))
    if past.tries or past.since:
        return ()
    return _said(envelope, failed(request, "failed", reason, final=False, attempt=0), _waits_id(envelope.id))


def _answer_id(request: str, attempt: int) -> EventId:
    return event_id(request, "reading", attempt)


def _waits_id(request: str) -> EventId:
    """Of what is told of a reading whose model could not be asked."""
    return event_id(request, "reading waits", 0)


def _report_id(request: str) -> EventId:
    return event_id(request, "quality", 0)


_SAID = (QualityReported, ReadingAnswered, ReadingFailed)
ON_RECORD = Answers(
    topics=tuple(topic.name for topic in TOPICS if set(_SAID) & set(topic.carries)),
    kinds=frozenset(type_name(said) for said in _SAID),
    ids=lambda request: (_report_id(request), _answer_id(request, 0)),
)
"""A request ends in the report on its images and an answer, or a failure that is final."""


def _reported(request: Envelope, report: QualityReported | None) -> tuple[Message, ...]:
    """The report on the images: one for each request, however often it is read."""
    return () if report is None else _said(request, report, _report_id(request.id))


def _said(request: Envelope, event: object, name: EventId) -> tuple[Message, ...]:
    envelope = replace(request, id=name, time=datetime.now(UTC), data=event, cause=request.id, policy=None)
    return tuple(Message(topic, *to_kafka(one)) for topic, one in addressed(envelope, "reading"))
