"""The state of a home's stack as a file, for those who ask from outside, and for the next start after a crash."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streams.runtime.parts.digests import replace_text
from streams.runtime.parts.guardian import Mark, await_end, end_groups, is_alive, mark_of

RECORD = "stack.json"
LOCK = "stack.lock"
GUARDIAN_GRACE = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """What `stack.json` says, checked against the processes that there are now.

    Attributes:
        stack: the supervising process; None where it no longer runs.
        parts: one mapping per part: name, state, since, pid, ticks, address, restarts, note.
    """

    stack: Mark | None
    parts: tuple[dict[str, Any], ...]


def write_record(home: Path, guardian: Mark | None, parts: Sequence[Any]) -> None:
    """Writes the state of this process' stack."""
    me = mark_of(os.getpid())
    record = {
        "boot": _boot(),
        "stack": asdict(me) if me else None,
        "guardian": asdict(guardian) if guardian else None,
        "parts": [asdict(part) for part in parts],
    }
    replace_text(home / RECORD, json.dumps(record, indent=1) + "\n")


def read_record(home: Path) -> Running:
    """The state of this home's stack; parts whose process is gone are `stopped`, whatever the file says."""
    record = _read(home)
    stack = _living(record.get("stack"))
    parts = []
    for part in record.get("parts", []):
        lives = _living(part) is not None
        ours = part["pid"] is not None
        gone = (ours and not lives) or (not ours and stack is None)
        parts.append(part | {"state": "stopped", "pid": None, "ticks": None} if gone else part)
    return Running(stack, tuple(parts))


def hold(home: Path) -> int | None:
    """Takes this home for one stack alone: a descriptor that holds it while open; None where another stack has it."""
    home.mkdir(parents=True, exist_ok=True)
    held = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def end_leftovers(home: Path) -> tuple[str, ...]:
    """Ends what a killed stack of this home left running; returns the names. Only while holding the home."""
    record = _read(home)
    guardian = _living(record.get("guardian"))
    if guardian:  # it is at work already
        await_end(guardian, time.monotonic() + GUARDIAN_GRACE)
    left = [(part["name"], mark) for part in record.get("parts", []) if (mark := _living(part))]
    end_groups((mark, 10.0) for _, mark in reversed(left))
    return tuple(name for name, _ in left)


def end_stack(home: Path, patience: float) -> bool:
    """Asks this home's stack to stop and waits for it; whether one ran.

    Raises:
        TimeoutError: it still runs after `patience` seconds.
    """
    stack = read_record(home).stack
    if stack is None:
        return False
    os.kill(stack.pid, signal.SIGTERM)
    if not await_end(stack, time.monotonic() + patience):
        raise TimeoutError(f"the stack (process {stack.pid}) still runs after {patience:.0f} s")
    return True


def _living(entry: dict[str, Any] | None) -> Mark | None:
    if not entry or entry.get("pid") is None:
        return None
    mark = Mark(entry["pid"], entry["ticks"])
    return mark if is_alive(mark) else None


def _read(home: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((home / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record if record.get("boot") == _boot() else {}


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
