"""What becomes of an event that could not be handled: wait, retry topic, dead letter, or stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar
from zlib import crc32

from streams.errors import SetAside, Stop, TryAgain
from streams.events.envelope import Headers, header, timestamp
from streams.ports import Message, Record

log = logging.getLogger(__name__)
T = TypeVar("T")

NOT_BEFORE, ATTEMPT, OWN = "wetread-not-before", "wetread-attempt", "wetread-own-tries"
SINCE, WAITS_FOR = "wetread-put-off-since", "wetread-waits-for"
OURS = "wetread-"
"""Prefix of the headers that are about an event's handling, not of the event."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
SAY_EVERY_S = 10.0
LONGEST_REASON = 2_000
FIRST_DELAY_S, LONGEST_DELAY_S = 5.0, 300.0
LONGEST_FOR_OTHERS_S = 60.0
"""Of an event that had tries in vain for another's sake: it is made soon after that one is well again."""
HELD_S = 30.0
"""How long one that waits for something holds its place before it goes behind the others on its topic."""
_MOST = 10
"""Doublings; beyond them the longest delay holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What an event that was put off has behind it.

    Attributes:
        tries: how often it was tried in vain.
        own: how many of these count against it.
        since: when it was put off first; None: never.
        waits_for: what it waits for by name, beside its time; empty: for its time alone.
    """

    tries: int = 0
    own: int = 0
    since: datetime | None = None
    waits_for: str = ""

    def tried(self, *, own: bool = True) -> Past:
        """After one more try in vain."""
        return replace(self, tries=self.tries + 1, own=self.own + own, waits_for="")

    def delay_s(self, first_s: float, event: str) -> float:
        """Seconds until it is tried again: doubling with its tries.

        Spread by a quarter to either side, by the event's id: two that broke each other's try do not meet again.
        """
        if self.waits_for:
            return HELD_S
        longest = LONGEST_DELAY_S if self.own == self.tries else LONGEST_FOR_OTHERS_S
        spread = 0.75 + 0.5 * crc32(event.encode()) / 2**32
        return min(first_s * 2.0 ** min(max(self.tries - 1, 0), _MOST), longest) * spread


class PutOff(TryAgain):
    """Not now, and until then this is to be said; the same each time that this attempt is made."""

    def __init__(self, reason: str, said: Sequence[Message], past: Past | None = None) -> None:
        """reason: a sentence for a person. past: with what has happened now; None: one more try in vain."""
        super().__init__(reason)
        self.said, self.past = tuple(said), past


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try: doubling, up to a limit, for ever."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_S)


class Patience:
    """Tries again in place for as long as a part is away; says so now and then, not each time."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """One for all events of a process, so that an outage does not flood the log."""
        self._sleep = sleep
        self._silent_until = float("-inf")

    async def until_done(self, what: str, attempt: Callable[[], Awaitable[T]], tries: int | None = None) -> T:
        """The attempt's answer; TryAgain is waited out, for ever or for so many tries in all.

        Raises:
            TryAgain: the last of `tries` failed too.
        """
        for number, pause in enumerate(pauses(), start=1):
            try:
                return await attempt()
            except TryAgain as error:
                if number == tries:
                    raise
                self._say(what, number, error)
                await self._sleep(pause)
        raise AssertionError  # pauses() never ends

    def _say(self, what: str, number: int, error: TryAgain) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            self._silent_until = now + SAY_EVERY_S
            log.warning("%s waits (try %d): %s", what, number, error)


def reason_of(error: Exception) -> str:
    """The sentence that a dead letter carries."""
    said = str(error) if isinstance(error, SetAside) else f"step raised {type(error).__name__}: {error}"
    return said[:LONGEST_REASON]


def must_stop(error: BaseException) -> bool:
    """Whether this ends the process, rather than the event: Stop, cancellation, a part that is away."""
    return isinstance(error, Stop | TryAgain) or not isinstance(error, Exception)


def dead_letter(record: Record, reason: str, topic: str) -> Message:
    """The event with its original key, bytes and headers, and why and whence; the same again after a crash.

    `wetread-at` is when the event was written; when it was set aside is the dead letter's own timestamp.
    """
    about: Headers = [
        ("wetread-reason", reason.encode(errors="replace")),
        ("wetread-source-topic", record.topic.encode()),
        ("wetread-source-partition", str(record.partition).encode()),
        ("wetread-source-offset", str(record.offset).encode()),
        ("wetread-at", timestamp(record.written_at).encode()),
    ]
    if record.key is None:
        about.append(("wetread-key", b"null"))
    if record.value is None:
        about.append(("wetread-value", b"null"))
    original = [(name, value or b"") for name, value in record.headers if name not in dict(about)]
    return Message(topic, record.key or b"", record.value or b"", original + about)


def retry(record: Record, topic: str, not_before: datetime, past: Past | None = None) -> Message:
    """The event on its retry topic: the same bytes, not to be touched before that time.

    past: what it has behind it by now; None: one more try in vain.
    """
    past = past or past_of(record.headers).tried()
    told = {
        NOT_BEFORE: timestamp(not_before),
        ATTEMPT: str(past.tries),
        OWN: str(past.own),
        SINCE: timestamp(past.since) if past.since else "",
        WAITS_FOR: past.waits_for,
    }
    original = [(name, value) for name, value in record.headers if name not in told]
    return Message(topic, record.key or b"", record.value or b"", original + [(n, v.encode()) for n, v in told.items()])


def past_of(headers: Headers) -> Past:
    """What the event has behind it, by its headers; garbage counts as absent.

    A build that knows one count only counted every try against the event.
    """
    tries = attempt_of(headers)
    own = min(_count(headers, OWN), tries) if header(headers, OWN) else tries
    return Past(tries=tries, own=own, since=_time(headers, SINCE), waits_for=header(headers, WAITS_FOR) or "")


def attempt_of(headers: Headers) -> int:
    """How often the event has been tried before this time, by its header; garbage counts as never."""
    return _count(headers, ATTEMPT)


def wait_for(headers: Headers, now: datetime, longest: timedelta) -> timedelta:
    """How long the event is still to wait; nothing where its header is absent or garbage."""
    not_before = _time(headers, NOT_BEFORE)
    return min(max(not_before - now, timedelta(0)), longest) if not_before else timedelta(0)


def _count(headers: Headers, name: str) -> int:
    text, longest = header(headers, name) or "", 6
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= longest else 0


def _time(headers: Headers, name: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(header(headers, name) or "")
    except ValueError:
        return None
    return time if time.tzinfo else None
