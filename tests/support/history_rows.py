"""A history's files as rows that a test may bend before they are written."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.events.envelope import timestamp
from streams.events.identifiers import named_id
from tests.support.studies import at

Row = dict[str, Any]


@dataclass
class Rows:
    """A history's files, before they are written."""

    plan: Row
    studies: list[Row] = field(default_factory=list)
    acks: list[Row] = field(default_factory=list)
    others: list[Row] = field(default_factory=list)
    torments: list[Row] = field(default_factory=list)
    topics: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    objects: list[Row] = field(default_factory=list)
    worklist: list[Row] = field(default_factory=list)
    why: list[Row] = field(default_factory=list)
    logs: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """As streams/chaos/README.md has it."""
        (folder / "topics").mkdir(parents=True, exist_ok=True)
        (folder / "plan.json").write_text(json.dumps(self.plan))
        (folder / "run.json").write_text(json.dumps({"ended_at": timestamp(at(2000)), "points": {}}))
        (folder / "redis.json").write_text(json.dumps({"worklist": self.worklist}))
        for name in ("studies", "acks", "others", "torments", "objects", "why"):
            _lines(folder / f"{name}.jsonl", getattr(self, name))
        for topic, rows in self.topics.items():
            _lines(folder / "topics" / f"{topic}.jsonl", rows)
        for name, content in self.logs.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder

    def bent(self) -> Rows:
        """A copy to be bent."""
        return copy.deepcopy(self)

    def find(self, topic: str, kind: str, study: str | None = None, number: int = 0) -> Row:
        """The number-th row of that type, and of that study."""
        return [r for r in self.topics[topic] if _is(r, kind, study)][number]

    def drop(self, topic: str, kind: str, study: str | None = None, number: int = 0) -> Row:
        """Take a row away, and what `why` says of it."""
        row = self.find(topic, kind, study, number)
        self.topics[topic].remove(row)
        self.untell(head(row, "ce_id"))
        return row

    def untell(self, event: str) -> None:
        """Take what `why` says of an event away."""
        for told in self.why:
            told["story"] = [line for line in told["story"] if line["event"] != event]

    def repeat(self, row: Row, name: str | None = None, **changes: Any) -> Row:
        """The same record once more behind all others; `name`: under another event id, told by `why` too."""
        other = copy.deepcopy(row)
        other["offset"] = 1 + max(r["offset"] for r in self.topics[row["topic"]])
        amend(other, **changes)
        if name is not None:
            self._retell(head(row, "ce_id"), named_id("again", name))
            set_head(other, "ce_id", named_id("again", name))
        self.topics[row["topic"]].append(other)
        return other

    def _retell(self, event: str, other: str) -> None:
        for told in self.why:
            told["story"] += [{**line, "event": other} for line in told["story"] if line["event"] == event]


def head(row: Row, name: str) -> str:
    """A header of a row."""
    return str(next(text for header, text in row["headers"] if header == name))


def set_head(row: Row, name: str, text: str | None) -> None:
    """Change a header of a row; None: take it away."""
    row["headers"] = [
        (header, text if header == name else old)
        for header, old in row["headers"]
        if header != name or text is not None
    ]


def body(row: Row) -> Row:
    """What its value says."""
    found: Row = json.loads(row["value"])
    return found


def amend(row: Row, **changes: Any) -> None:
    """Change fields of its body."""
    if changes:
        row["value"] = json.dumps({**body(row), **changes})


def _is(row: Row, kind: str, study: str | None) -> bool:
    return head(row, "ce_type") == f"wetread.{kind}.v1" and study in (None, row["key"])


def _lines(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def uid(*numbers: int) -> str:
    """Of study, series, instance."""
    return ".".join(map(str, ("1.2.826.0.1.3680043.8.498", *numbers)))
