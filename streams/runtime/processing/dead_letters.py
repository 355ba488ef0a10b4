"""Dead letters in a row: counted per place, kept in the state store, so that a restart does not begin anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.errors import TooManyDeadLetters
from streams.ports import Change, Place, StateStore

TOO_MANY = 20
KEY = "dead letters"
"""The key of a place that remembers which offsets were set aside, and how many in a row."""
ROW = "row"


@dataclass(slots=True)
class DeadLetterCount:
    """Of a process: dead letters in a row over all its places, without one event that was handled in between.

    A build that cannot read its input stops after `limit` of them, and again at once after each restart, until an
    event is handled or a person says that the events are bad and not the build (`wetread dlq accept`).

    Attributes:
        places: those that are ours now.
        begun: whether what was counted of them before is known: asked with the first event after they came.
    """

    limit: int = TOO_MANY
    places: Callable[[], Sequence[Place]] = tuple
    begun: bool = False
    _rows: dict[Place, int] = field(default_factory=dict)

    @property
    def in_a_row(self) -> int:
        """Over all places."""
        return sum(self._rows.values())

    def row(self, place: Place) -> int:
        """Of one place."""
        return self._rows.get(place, 0)

    async def begin(self, state: StateStore) -> None:
        """What was counted before, of all places that are ours, counts."""
        places = self.places()
        rows = await asyncio.gather(*(kept_row(place, state) for place in places))
        if not self.begun:
            self._rows, self.begun = dict(zip(places, rows, strict=True)), True

    def end(self) -> None:
        """The places are no longer ours."""
        self._rows.clear()
        self.begun = False

    def set_aside(self, place: Place, reason: str) -> None:
        """Another one is about to be set aside.

        Raises:
            TooManyDeadLetters: the fault is rather ours.
        """
        if self.in_a_row >= self.limit:
            raise TooManyDeadLetters(
                f"{self.in_a_row + 1} events in a row could not be handled, the last because: {reason} "
                "If the events are at fault and not this build, `wetread dlq accept` lets it go on."
            )
        self._rows[place] = self.row(place) + 1

    def handled(self) -> Sequence[Place]:
        """An event was handled: a bad one is the event's own fault. The places whose rows are to be kept as ended."""
        if not self._rows:
            return ()
        ended = [place for place, row in self._rows.items() if row]
        for place in ended:
            self._rows[place] = 0
        return ended


async def kept_row(place: Place, state: StateStore) -> int:
    """How many events of the place were set aside in a row, as the state store has it."""
    return int((await state.load(place, KEY, "", (ROW,))).parts.get(ROW, b"0"))


async def keep_row(place: Place, state: StateStore, event: str, row: int, mark: tuple[int, int] = (0, 0)) -> int:
    """Keep it, once for each `event`; `mark`: the place's new mark and the known one. Returns the mark then known."""
    new, known = mark
    while not (loaded := await state.load(place, KEY, event, ())).applied:
        change = Change(
            version=loaded.version, event=event, parts={ROW: b"%d" % row}, said=(), mark=new, known_mark=known
        )
        if await state.commit(place, KEY, change):
            return max(new, known)
    return known
