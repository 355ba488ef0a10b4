"""Without the protection `durable_timers`: timers that die with their process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streams.ports import DueTimer, Place


@dataclass(slots=True)
class VolatileTimers:
    """Timers in memory, with the meaning of those in the state store."""

    _times: dict[tuple[Place, str, str], datetime] = field(default_factory=dict)

    def take(self, place: Place, key: str, timers: Mapping[str, datetime | None]) -> None:
        """Set them; None cancels one."""
        for name, due in timers.items():
            if due is None:
                self._times.pop((place, key, name), None)
            else:
                self._times[place, key, name] = due

    def due(self, places: Sequence[Place], now: datetime) -> list[DueTimer]:
        """Of these places, due by now; each is given once."""
        found = [(at, due) for at, due in self._times.items() if due <= now and at[0] in places]
        for at, _due in found:
            del self._times[at]
        return [DueTimer(place=place, key=key, name=name, due=due) for (place, key, name), due in found]
