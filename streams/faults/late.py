"""Without the protection `fsync`: what a power cut does to a cache, done by kill -9."""

from __future__ import annotations

import threading
from collections.abc import Callable

LATE_S = 3.0


class LateWrites:
    """Records that were promised and reach their file seconds later, in their order; a crash forgets them."""

    def __init__(self, write: Callable[[bytes], None], late_s: float = LATE_S) -> None:
        """`write` is called in a thread of its own."""
        self._write, self._late_s = write, late_s
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()

    def put(self, record: bytes) -> None:
        """It is as if it were written."""
        with self._lock:
            self._waiting.append(record)
            if len(self._waiting) > 1:
                return
        timer = threading.Timer(self._late_s, self.flush)
        timer.daemon = True
        timer.start()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for record in waiting:
            self._write(record)
