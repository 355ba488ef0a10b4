"""A violation: which promise, of which study, by which events, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from streams.chaos.verifier.history import Event

Effect = Literal["lost", "doubled", ""]
EVENTS_MOST = 8
"""Named in a violation; the sentence says how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that was not kept.

    Attributes:
        check: the check that found it.
        study: None: it is about no one study.
        events: topic/partition/offset of what shows it.
        effect: what figures count it as.
    """

    check: str
    study: str | None
    events: tuple[str, ...]
    sentence: str
    effect: Effect = ""


def broken(
    check: str, study: str | None, sentence: str, events: Iterable[Event] = (), effect: Effect = ""
) -> Violation:
    """The violation with the places of these events."""
    where = tuple(event.where for event in events)
    return Violation(check=check, study=study, events=where[:EVENTS_MOST], sentence=sentence, effect=effect)
