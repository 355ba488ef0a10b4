"""What becomes of an event that could not be handled: wait, retry topic, dead letter, or stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from streams.errors import SetAside, Stop, TryAgain
from streams.events.envelope import Headers, header, timestamp
from streams.ports import Message, Record

log = logging.getLogger(__name__)
T = TypeVar("T")

NOT_BEFORE, ATTEMPT = "wetread-not-before", "wetread-attempt"
OURS = "wetread-"
"""Prefix of the headers that are about an event's handling, not of the event."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
SAY_EVERY_S = 10.0
LONGEST_REASON = 2_000


class PutOff(TryAgain):
    """Not now, and until then this is to be said; the same each time that this attempt is made."""

    def __init__(self, reason: str, said: Sequence[Message]) -> None:
        """reason: a sentence for a person."""
        super().__init__(reason)
        self.said = tuple(said)


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


def retry(record: Record, topic: str, not_before: datetime) -> Message:
    """The event on its retry topic: the same bytes, not to be touched before that time."""
    about: Headers = [
        (NOT_BEFORE, timestamp(not_before).encode()),
        (ATTEMPT, str(attempt_of(record.headers) + 1).encode()),
    ]
    original = [(name, value) for name, value in record.headers if name not in dict(about)]
    return Message(topic, record.key or b"", record.value or b"", original + about)


def attempt_of(headers: Headers) -> int:
    """How often the event has been tried before this time, by its header; garbage counts as never."""
    text = header(headers, ATTEMPT) or "0"
    longest = 6
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= longest else 0


def wait_for(headers: Headers, now: datetime, longest: timedelta) -> timedelta:
    """How long the event is still to wait; nothing where its header is absent or garbage."""
    try:
        not_before = datetime.fromisoformat(header(headers, NOT_BEFORE) or "")
        return min(max(not_before - now, timedelta(0)), longest)
    except (ValueError, TypeError):
        return timedelta(0)
