"""Dead letters in a row: counted per place and per event type, kept in the state store over restarts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from streams.errors import TooManyDeadLetters
from streams.events.envelope import header
from streams.ports import Change, Place, Record, StateStore
from streams.runtime.processing.window import resting

log = logging.getLogger(__name__)

TOO_MANY = 20
WITHIN_S = 24 * 3600
"""Dead letters of one type that lie further apart do not outrun the people whom each of them wakes."""
SAY_EVERY_S = 10.0
KEY = "dead letters"
"""The key of a place that remembers which offsets were set aside, and the rows of them."""
ROW = "row"
"""The part that counts those in a row; `row TYPE` has the times of those of one type."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Of one place.

    Attributes:
        length: dead letters since any event was handled.
        kinds: by event type, when each was set aside since one of its type was handled: seconds since 1970, the
            latest of them.
    """

    length: int = 0
    kinds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def letters(self) -> int:
        """At least so many dead letters: one of a known type stands in both."""
        return max(self.length, sum(len(times) for times in self.kinds.values()))

    def longer(self, kind: str, at: int, most: int) -> Rows:
        """With one more; `kind` is empty where it is of no type that the place hears."""
        kinds = dict(self.kinds)
        if kind:
            kinds[kind] = (*kinds.get(kind, ()), at)[-most:]
        return Rows(self.length + 1, kinds)

    def ended(self, kind: str) -> Rows:
        """An event of that type was handled."""
        return Rows(0, {name: times for name, times in self.kinds.items() if name != kind})

    def parts(self) -> dict[str, bytes]:
        """As they are kept."""
        kinds = {f"{ROW} {kind}": " ".join(map(str, times)).encode() for kind, times in self.kinds.items()}
        return {ROW: b"%d" % self.length, **kinds}


NONE = Rows()
ANY = "", ""
"""What ends the row of all: any event of any agent."""


@dataclass(slots=True)
class DeadLetterCount:
    """Of a process: dead letters in a row over all its places, by two counts.

    Those without any event that was handled in between: a build that can read nothing. And, for each agent and
    event type, those without one of that type that was handled, within a day: a build that reads all but that type.
    After `limit` of either nothing is set aside, until such an event is handled. What would be waits for that, with
    its partition, while all else goes on: garbage on one partition stops no worker that has others to prove itself
    on. Where no proof comes in time the worker stops, and so does each one started after it, until there is one or a
    person says that the events are bad and not the build (`wetread dlq accept`). A row of a type that is full stays
    so; one that takes longer than a day to fill never is, for each dead letter wakes somebody, and twenty a day do
    not outrun them.

    Attributes:
        places: those that are ours now.
        begun: whether what was counted of them before is known: asked with the first event after they came.
        clock: seconds since 1970.
        patience_s: how long a full row waits for its proof.
    """

    limit: int = TOO_MANY
    places: Callable[[], Sequence[Place]] = tuple
    begun: bool = False
    clock: Callable[[], float] = time.time
    patience_s: float = 0.0
    _rows: dict[Place, Rows] = field(default_factory=dict)
    _proofs: dict[tuple[str, str], asyncio.Event] = field(default_factory=dict)
    _silent_until: float = 0.0

    @property
    def in_a_row(self) -> int:
        """Over all places, of whatever type."""
        return sum(rows.length for rows in self._rows.values())

    def of_kind(self, agent: str, kind: str) -> int:
        """Over all places of the agent, within a day: the row of an event type."""
        own = [rows.kinds.get(kind, ()) for place, rows in self._rows.items() if place.agent == agent]
        times = sorted(at for some in own for at in some)
        return sum(times[-1] - at <= WITHIN_S for at in times[-self.limit :])

    def row(self, place: Place) -> Rows:
        """Of one place."""
        return self._rows.get(place, NONE)

    async def begin(self, state: StateStore) -> None:
        """What was counted before, of all places that are ours, counts."""
        places = self.places()
        rows = await asyncio.gather(*(kept_row(place, state) for place in places))
        if not self.begun:
            self._rows, self.begun = {p: kept for p, kept in zip(places, rows, strict=True) if kept != NONE}, True

    def end(self) -> None:
        """The places are no longer ours."""
        self._rows.clear()
        self.begun = False

    async def set_aside(self, place: Place, reason: str, kind: str = "") -> None:
        """Another one is about to be set aside; `kind`: its type, where it is one that the place hears.

        Raises:
            TooManyDeadLetters: the fault is rather ours.
        """
        while full := self._full(place.agent, kind):
            of, sentence = full
            self._say(place, sentence)
            with resting():
                try:
                    async with asyncio.timeout(self.patience_s):
                        await self._proofs.setdefault(of, asyncio.Event()).wait()
                except TimeoutError as error:
                    raise TooManyDeadLetters(
                        f"{sentence}; the last because: {reason} "
                        "If the events are at fault and not this build, `wetread dlq accept` lets it go on."
                    ) from error
        self._rows[place] = self.row(place).longer(kind, int(self.clock()), self.limit)

    def _full(self, agent: str, kind: str) -> tuple[tuple[str, str], str] | None:
        """The row that is full, by what ends it, and a sentence about it."""
        if self.in_a_row >= self.limit:
            return ANY, f"{self.in_a_row + 1} events in a row could not be handled"
        if kind and self.of_kind(agent, kind) >= self.limit:
            sentence = f"{self.limit + 1} events of type {kind} in a row could not be handled, while others could"
            return (agent, kind), sentence
        return None

    def _say(self, place: Place, sentence: str) -> None:
        now = self.clock()
        if now >= self._silent_until and self.patience_s:
            self._silent_until = now + SAY_EVERY_S
            log.error("%s/%s is held until another event is handled: %s", place.agent, place.partition, sentence)

    def handled(self, agent: str = "", kind: str = "") -> Sequence[Place]:
        """An event was handled: a bad one is the event's own fault. The places whose rows are to be kept as ended.

        kind: its type; it ends the agent's rows of that type too.
        """
        ended = []
        for place, rows in list(self._rows.items()):
            left = rows.ended(kind if place.agent == agent else "")
            if left != rows:
                self._rows[place] = left
                ended.append(place)
        for of in (ANY, (agent, kind)):
            if proof := self._proofs.pop(of, None):
                proof.set()
        return ended


def kind_of(record: Record, hears: Collection[str]) -> str:
    """The event's type, where it is one of those; else nothing, for nobody would ever end a row of it."""
    kind = header(record.headers, "ce_type") or ""
    return kind if kind in hears else ""


async def kept_row(place: Place, state: StateStore) -> Rows:
    """How many events of the place were set aside in a row, as the state store has it."""
    parts = (await state.load(place, KEY, "", None)).parts
    kinds = {
        name.removeprefix(f"{ROW} "): tuple(map(int, part.split()))
        for name, part in parts.items()
        if name.startswith(f"{ROW} ")
    }
    return Rows(int(parts.get(ROW, b"0")), kinds)


async def keep_row(
    place: Place, state: StateStore, event: str, rows: Callable[[], Rows], mark: tuple[int, int] = (0, 0)
) -> int:
    """Keep them as they are when they are written, once for each `event`; returns the mark that is then known.

    mark: the place's new one, and the one known until now.
    """
    new, known = mark
    while not (loaded := await state.load(place, KEY, event, None)).applied:
        change = Change(
            version=loaded.version,
            event=event,
            parts={**dict.fromkeys(loaded.parts), **rows().parts()},
            said=(),
            mark=new,
            known_mark=known,
        )
        if await state.commit(place, KEY, change):
            return max(new, known)
    return known
