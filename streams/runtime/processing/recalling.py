"""Under which rules each event of the record was decided: a state that is built anew is built as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streams.stage import Agent


class Recalled:
    """The digests that the record carries, and the agents of then.

    What was said of an event carries the digest under which it was decided. An event of which nothing was said takes
    the rules of the last one before it in its partition of which something was.
    """

    def __init__(self, decided: Mapping[str, str], agent: Callable[[str, str], Agent | None]) -> None:
        """decided: an event's id to a digest, in the record's order; agent: by digest and name."""
        self._decided, self._agent = decided, agent
        self._first = next(iter(decided.values()), "")
        self._last: dict[tuple[str, int], str] = {}

    def of(self, agent: str, event: str, partition: int) -> tuple[Agent, str] | None:
        """The agent of then, and the digest of its rules; None: they are not known."""
        place = agent, partition
        digest = self._decided.get(event) or self._last.get(place, self._first)
        self._last[place] = digest
        found = self._agent(digest, agent) if digest else None
        return None if found is None else (found, digest)
