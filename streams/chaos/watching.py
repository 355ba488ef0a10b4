"""The record as it grows, in spite of a broker that comes and goes: a fresh fold whenever reading breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from streams.adapters.kafka_log import KafkaLog
from streams.errors import BrokerAway
from streams.oversight.ledger import Ledger
from streams.runtime.record.entries import EVERY_TOPIC, entries

log = logging.getLogger(__name__)

AGAIN_S = 1.0
ENDS_WITHIN_S = 15.0


@dataclass(slots=True)
class Watch:
    """The ledger of all studies; it may lag behind after the broker was away, and never runs ahead."""

    ledger: Ledger = field(default_factory=Ledger)

    async def run(self, kafka: str) -> None:
        """For ever."""
        while True:
            self.ledger = Ledger()
            try:
                async with KafkaLog(kafka, client_id="chaos") as record:
                    async for entry in entries(record, EVERY_TOPIC, follow=True):
                        self.ledger.take(entry.record.topic, entry.envelope, entry.record.written_at)
            except BrokerAway as error:
                log.info("the record is read anew: %s", error)
                await asyncio.sleep(AGAIN_S)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on while the context is open; a client that does not let go of its broker is left behind.

    What it raised is raised at the end.
    """
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,), timeout=ENDS_WITHIN_S)
        if task.done() and not task.cancelled():
            task.result()


@asynccontextmanager
async def watching(kafka: str) -> AsyncIterator[Watch]:
    """A watch, kept up with the record."""
    watch = Watch()
    async with beside(watch.run(kafka)):
        yield watch
