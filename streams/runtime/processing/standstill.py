"""Ends a process whose event loop stands still.

Kafka does not notice it: the consumer's heartbeats come from a thread of their own, so a loop that hangs keeps its
partitions, silent, until the poll interval is over (minutes). A process that ends gives them up at once.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from streams.faults.protections import Protection

log = logging.getLogger(__name__)

ASKED_EVERY_S, MISSES_MOST = 5.0, 6
"""The loop is asked so often; so many questions in a row without an answer end the process, half a minute in all.

They are counted, not timed: a machine that slept, or a process that was stopped, answers the next one.
"""
CODE = 70
"""EX_SOFTWARE of sysexits.h."""


def _end() -> None:
    os._exit(CODE)


class Standstill:
    """Asks the event loop whether it turns, from a thread of its own; use it as a context, in that loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        every_s: float = ASKED_EVERY_S,
        most: int = MISSES_MOST,
        end: Callable[[], None] = _end,
    ) -> None:
        self._loop, self._every_s, self._most, self._end = loop, every_s, most, end
        self._answered, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._ask, name="standstill", daemon=True)

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _ask(self) -> None:
        missed = 0
        while not self._over.is_set():
            self._answered.clear()
            try:
                self._loop.call_soon_threadsafe(self._answered.set)
            except RuntimeError:  # the loop is closed: the process ends by itself
                return
            if self._over.wait(self._every_s):
                return
            missed = 0 if self._answered.is_set() else missed + 1
            if missed >= self._most and Protection.WATCHDOG.on:
                log.error("the event loop has stood still for %.0f s: this process ends", missed * self._every_s)
                faulthandler.dump_traceback(sys.stderr)
                self._end()
                return
