"""Faust's recovery, which never ends in silence: when partitions come, places are taken, then events flow."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from faust.tables import TableManager
from faust.tables.recovery import Recovery, ServiceStopped

PLACE_WITHIN_S = 120.0
"""Longer than a broker is away for a new start; then this process is not well."""
TAKES: ContextVar[bool] = ContextVar("takes", default=False)
"""Whether who seeks takes the places: Faust's recovery does, its fetcher does not."""


class PlaceNotFound(Exception):
    """Where to read from is not known in time; the process ends, and is started anew."""


class Resuming(Recovery):
    """Finds the places to read from when partitions have come, and lets events flow.

    Faust's own gives up after one request's time, and then takes the end of its waiting for the end of the service:
    it stops without a word, and whatever partitions this worker is given from then on stay silent for ever.
    """

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        # Only while it waits: what the recovery starts, such as the fetcher, inherits what is set here.
        takes = TAKES.set(True)
        try:
            await super()._wait(coro, timeout=timeout and PLACE_WITHIN_S)
        except ServiceStopped:
            if self.should_stop:
                raise
            raise PlaceNotFound(f"where to read from is not known after {PLACE_WITHIN_S:.0f} s") from None
        finally:
            TAKES.reset(takes)


class Tables(TableManager):
    """No tables; Faust has them resume the flow all the same."""

    @property
    def recovery(self) -> Recovery:
        """Ours, made once."""
        if self._recovery is None:
            self._recovery = Resuming(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
