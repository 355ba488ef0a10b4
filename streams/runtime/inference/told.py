"""What the readers of this home tell of their circuits: a small file each, a gauge, and who reads the files."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from streams.runtime.inference.circuit import Circuit

log = logging.getLogger(__name__)

FOLDER = "run/circuits"
"""Under the home folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAsked:
    """A model that a reader does not ask.

    Attributes:
        since: ISO 8601.
    """

    reader: str
    model: str
    since: str
    why: str


class Told:
    """Hears of each circuit of one reader, and keeps its file and gauge."""

    def __init__(
        self,
        folder: Path,
        reader: str,
        gauge: Callable[[str, bool], None] = lambda _model, _is_open: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """What an earlier process of this name has told is gone."""
        self._path, self._reader, self._gauge, self._clock = folder / f"{reader}.json", reader, gauge, clock
        self._open: dict[str, NotAsked] = {}
        self._write()

    def hear(self, model: str, circuit: Circuit) -> None:
        """A circuit opened, closed, or is open for another reason."""
        self._gauge(model, circuit.is_open)
        known = self._open.pop(model, None)
        if circuit.is_open:
            since = known.since if known else self._clock().isoformat(timespec="seconds")
            self._open[model] = NotAsked(reader=self._reader, model=model, since=since, why=circuit.why)
        self._write()

    def _write(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(".new")
            part.write_text(json.dumps([asdict(one) for one in self._open.values()]))
            part.replace(self._path)
        except OSError as fault:
            log.warning("wetread status does not show which models are asked: %s", fault)


def not_asked(folder: Path, readers: Iterable[str]) -> list[NotAsked]:
    """What these readers do not ask; one that has told nothing, or garbage, is passed over."""
    found: list[NotAsked] = []
    for reader in readers:
        try:
            found += msgspec.json.decode((folder / f"{reader}.json").read_bytes(), type=list[NotAsked])
        except (OSError, msgspec.DecodeError):
            continue
    return found
