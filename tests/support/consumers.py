"""A worker's consumer without a broker, as far as places are taken with it."""

from __future__ import annotations

import asyncio
from typing import Any

from streams.runtime.processing import resuming, transport


def stopped_consumer(app: Any) -> Any:
    """Its flow stands; what takes places is Faust's recovery."""
    consumer: Any = object.__new__(transport.Consumer)
    consumer.app = app
    consumer.can_resume_flow, consumer.suspend_flow = asyncio.Event(), asyncio.Event()
    consumer._read_offset, consumer._committed_offset = {}, {}
    resuming.TAKES.set(True)
    return consumer
