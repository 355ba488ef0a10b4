"""The record as it grows, in spite of a broker that comes and goes: a fresh fold whenever reading breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from streams.adapters.kafka_log import KafkaLog
from streams.errors import BrokerAway
from streams.oversight.ledger import Ledger
from streams.runtime.record.entries import EVERY_TOPIC, entries

log = logging.getLogger(__name__)

AGAIN_S = 1.0


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
async def watching(kafka: str) -> AsyncIterator[Watch]:
    """A watch, kept up with the record."""
    watch = Watch()
    task = asyncio.create_task(watch.run(kafka))
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
