"""A stage driven event by event, its state kept as the edge keeps it: by its bytes, and only what was asked for."""

from __future__ import annotations

from datetime import datetime

from streams.events.codec import decode_part, encode_part
from streams.stage import Outcome, Stage
from tests.support.studies import T0, at


class Stepped:
    """A stage, the parts it wrote, the timers it set, and all that it said."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.parts: dict[str, bytes] = {}
        self.timers: dict[str, datetime] = {}
        self.said: list[object] = []
        self.asked_for_all = 0
        self.objects: list[bytes] = []

    def hear(self, event: object, seconds: float = 0.0) -> tuple[object, ...]:
        """What the stage says of the event."""
        names = self.stage.needs(event)
        now = at(seconds)
        outcome = self.stage.step(self._given(names), event, now)
        if outcome.needs_all:
            assert names is not None, "a stage that was given all asks for all"
            self.asked_for_all += 1
            outcome = self.stage.step(self._given(None), event, now)
        self._keep(outcome)
        return outcome.says

    def part(self, name: str) -> object:
        return decode_part(self.stage.kinds[name.partition(":")[0]], self.parts[name])

    def due(self, timer: str) -> float | None:
        """Seconds after T0 at which a timer is due."""
        return (self.timers[timer] - T0).total_seconds() if timer in self.timers else None

    def _given(self, names: tuple[str, ...] | None) -> dict[str, object]:
        return {name: self.part(name) for name in (self.parts if names is None else names) if name in self.parts}

    def _keep(self, outcome: Outcome) -> None:
        assert not outcome.needs_all
        for name, part in outcome.changes.items():
            if part is None:
                self.parts.pop(name, None)
            else:
                self.parts[name] = encode_part(part)
        for name, due in outcome.timers.items():
            self.timers.pop(name, None)
            if due is not None:
                self.timers[name] = due
        self.said += outcome.says
        self.objects += outcome.keeps
