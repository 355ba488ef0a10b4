"""Worker processes for tests: started, killed, and started again by a small supervisor."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self


class Workers:
    """Keeps so many toy workers running; each death is followed by a new start in the same slot."""

    def __init__(self, count: int, arguments: list[str], logs: Path, *, slots: bool = True) -> None:
        """Nothing is started yet; `slots`: static members."""
        self.exits: list[int] = []
        self._arguments, self._logs, self._slots = arguments, logs, slots
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._keep, args=(n,), daemon=True) for n in range(count)]

    def __enter__(self) -> Self:
        """Start them."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        self._stop.set()
        for process in list(self._running.values()):
            process.terminate()
        for thread in self._threads:
            thread.join(20)
        for process in list(self._running.values()):
            process.kill()
            process.wait()

    def signal(self, number: signal.Signals, chosen: random.Random) -> None:
        """To one of them."""
        slot = chosen.choice(sorted(self._running))
        self._running[slot].send_signal(number)

    def _keep(self, slot: int) -> None:
        arguments = [*self._arguments, *([f"slot-{slot}"] if self._slots else [])]
        while not self._stop.is_set():
            with (self._logs / f"worker-{slot}.log").open("ab") as out:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.toy_worker", *arguments], stdout=out, stderr=out
                )
            self._running[slot] = process
            self.exits.append(process.wait())
            time.sleep(0.2)
