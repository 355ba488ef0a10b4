"""A reading as the worker handles it: asked, answered or failed; put off while the model server is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
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
from streams.runtime.inference.reader import failed
from streams.runtime.inference.reports import Reports
from streams.runtime.processing.failures import PutOff, attempt_of
from streams.runtime.processing.recollecting import Answers

log = logging.getLogger(__name__)

TRIES_MOST = 7
"""Put off six times (5 s, 10 s ... 160 s: about five minutes in all), then the study is given up as failed."""
MARGIN_S = 5.0
"""Over a contract's own deadline: what fetching and sending may take beside it."""


class Reads(Protocol):
    """What makes an answer (streams.runtime.inference.reader.Reader)."""

    async def read(self, request: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        """The answer, or why there is none and never will be; TryAgain: not now."""


class Answering:
    """The handler of the reading lanes: every request ends in an answer or a final failure."""

    def __init__(
        self,
        reader: Reads,
        models: Mapping[str, ModelFolder],
        telemetry: Telemetry | None = None,
        reports: Reports | None = None,
        waits_s: float = 0.0,
    ) -> None:
        """`reports` holds what the reader found of the images' quality; it is sent beside the answer.

        `waits_s`: what a reading may wait for more urgent ones, beside its own time.
        """
        self._reader, self._models, self._telemetry = reader, models, telemetry
        self._reports = reports
        self._beside_s = MARGIN_S + waits_s

    async def handle(self, record: Record) -> Sequence[Message]:
        """The answer's messages.

        Raises:
            PutOff: to be put off; until then people are to be told "no AI result".
        """
        envelope = from_kafka(record.value, record.headers)
        request = envelope.data
        if not isinstance(request, ReadingRequested):
            raise EventUnreadable(f"{type(request).__name__} on a topic of readings")
        attempt = attempt_of(record.headers) + 1
        try:
            answer = await self._read(request)
        except TryAgain as error:
            final = attempt >= TRIES_MOST
            answer = failed(request, "failed", f"{error} (try {attempt})", final=final, attempt=attempt)
            if not final:
                raise PutOff(str(error), _messages(envelope, answer)) from error
        self._tell(request, answer)
        report = self._reports.take(request.reading) if self._reports else None
        return (*_reported(envelope, report), *_messages(envelope, answer))

    async def _read(self, request: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        model = self._models.get(request.model)
        limit = (model.contract.limits.deadline_s if model else 0.0) + self._beside_s
        try:
            async with asyncio.timeout(limit):
                return await self._reader.read(request)
        except TimeoutError as error:
            raise ModelServerAway(f"{request.model} gave no answer within {limit:.0f} s") from error
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


def _answer_id(request: str, attempt: int) -> EventId:
    return event_id(request, "reading", attempt)


def _report_id(request: str) -> EventId:
    return event_id(request, "quality", 0)


_SAID = (QualityReported, ReadingAnswered, ReadingFailed)
ON_RECORD = Answers(
    topics=tuple(topic.name for topic in TOPICS if set(_SAID) & set(topic.carries)),
    kinds=frozenset(type_name(said) for said in _SAID),
    ids=lambda request: (_report_id(request), _answer_id(request, 0)),
)
"""A request ends in the report on its images and an answer, or a failure that is final."""


def _messages(request: Envelope, answer: ReadingAnswered | ReadingFailed) -> tuple[Message, ...]:
    attempt = answer.attempt if isinstance(answer, ReadingFailed) and not answer.final else 0
    return _said(request, answer, _answer_id(request.id, attempt))


def _reported(request: Envelope, report: QualityReported | None) -> tuple[Message, ...]:
    """The report on the images: one for each request, however often it is read."""
    return () if report is None else _said(request, report, _report_id(request.id))


def _said(request: Envelope, event: object, name: EventId) -> tuple[Message, ...]:
    envelope = replace(request, id=name, time=datetime.now(UTC), data=event, cause=request.id, policy=None)
    return tuple(Message(topic, *to_kafka(one)) for topic, one in addressed(envelope, "reading"))
