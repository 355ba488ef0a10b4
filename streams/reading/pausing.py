"""Where long work on a series may be held up: between its steps it lets whoever is more urgent go first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


class Abandoned(Exception):  # what happened, not whose fault it is
    """The reading was given up while its work went on in a thread; nobody waits for what it finds."""


@dataclass(slots=True, eq=False)
class Pauses:
    """What holds one reading up.

    Attributes:
        wait: returns when it may go on, with the seconds that took; it is called in the thread that works. Raises
            Abandoned where it is to end instead.
        seconds: waited so far; no part of the reading's own time.
    """

    wait: Callable[[], float]
    seconds: float = 0.0


_PAUSES: ContextVar[Pauses | None] = ContextVar("pauses", default=None)
"""Of the reading that this context works on; a thread that is begun from it has the same."""


@contextmanager
def held_up_by(wait: Callable[[], float]) -> Iterator[None]:
    """Steps that end inside are followed by `wait`."""
    token = _PAUSES.set(Pauses(wait))
    try:
        yield
    finally:
        _PAUSES.reset(token)


def between_steps() -> None:
    """Called where a step of some tenths of a second or more has ended and the next begins; mostly returns at once.

    Raises:
        Abandoned: nobody wants the result any more.
    """
    pauses = _PAUSES.get()
    if pauses is not None:
        pauses.seconds += pauses.wait()


def waited() -> float:
    """Seconds that this reading was held up between its steps."""
    pauses = _PAUSES.get()
    return pauses.seconds if pauses is not None else 0.0
