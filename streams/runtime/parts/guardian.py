"""Ends the stack's children where the stack itself was killed; a process of its own that holds a pipe to it.

Run as `python -I -S guardian.py`; reads `watch PID TICKS GRACE` and `forget PID` from standard input. At the end of
that input, which the kernel brings about at any death of the stack, it ends every process group that it still watches.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """A process, told from a later one of the same number by when the kernel started it (clock ticks since boot)."""

    pid: int
    ticks: int


def mark_of(pid: int) -> Mark | None:
    """The mark of a running process; None where it is gone or only waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, ticks = fields[0], int(fields[19])
    return None if state in "ZX" else Mark(pid, ticks)


def is_alive(mark: Mark) -> bool:
    """Whether this very process still runs."""
    return mark_of(mark.pid) == mark


def signal_group(mark: Mark, number: signal.Signals) -> None:
    """Signals the process group that `mark` leads or led; touches nothing where its number went to another process."""
    if mark_of(mark.pid) in (mark, None):
        try:
            os.killpg(mark.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def await_end(mark: Mark, deadline: float) -> bool:
    """Waits until the process has ended or the monotonic clock says `deadline`; whether it has ended."""
    try:
        handle = os.pidfd_open(mark.pid)
    except (ProcessLookupError, OSError):
        return True
    try:
        if not is_alive(mark):
            return True
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000)) or not is_alive(mark)
    finally:
        os.close(handle)


def end_groups(marks: Iterable[tuple[Mark, float]]) -> None:
    """Ends process groups: SIGTERM to all of them, each one's grace in seconds, then SIGKILL."""
    began = time.monotonic()
    chosen = list(marks)
    for mark, _ in chosen:
        signal_group(mark, signal.SIGTERM)
        signal_group(mark, signal.SIGCONT)  # a stopped process hears nothing else
    for mark, grace in chosen:
        await_end(mark, began + grace)
        signal_group(mark, signal.SIGKILL)
        await_end(mark, time.monotonic() + 5)


def main() -> int:
    """Reads until the stack is gone."""
    watched: dict[int, tuple[Mark, float]] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the stack does
    for line in sys.stdin:
        verb, pid, *rest = line.split()
        if verb == "watch":
            watched[int(pid)] = (Mark(int(pid), int(rest[0])), float(rest[1]))
        else:
            watched.pop(int(pid), None)
    end_groups(reversed(watched.values()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
