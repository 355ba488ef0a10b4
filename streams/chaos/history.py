"""The history folder: lines as they happen, whole files at the end (README.md has every field)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson


def moment() -> str:
    """Now, as the history writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(slots=True)
class History:
    """One run's folder; many threads write to it."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Make it."""
        for name in ("topics", "logs", "metrics", "traces"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def line(self, name: str, said: Mapping[str, Any]) -> None:
        """One line more in `name`.jsonl."""
        with self._lock, (self.folder / f"{name}.jsonl").open("ab") as file:
            file.write(orjson.dumps(dict(said)) + b"\n")

    def happened(self, name: str, **said: Any) -> None:
        """One line more, with the time of now."""
        self.line(name, {"at": moment(), "mono": time.monotonic(), **said})

    def whole(self, name: str, said: object) -> None:
        """The file `name`, written at once."""
        fresh = self.folder / f".{name}.new"
        fresh.write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))
        fresh.replace(self.folder / name)
