"""A storm of rebalances: further workers join the group and leave it again, one every few seconds."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from streams.chaos.site import Site
from streams.runtime.parts.spawning import environment_with
from streams.runtime.stack.services import ready_file

STAYS_S, READY_S = 1.0, 30.0
TOGETHER = 2


@dataclass(slots=True)
class Storm:
    """So many joins, each followed by a leave; every other one by SIGKILL."""

    site: Site
    joins: int
    _threads: list[threading.Thread] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin, some side by side."""
        for first in range(TOGETHER):
            thread = threading.Thread(target=self._run, args=(range(first, self.joins, TOGETHER),), daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self) -> None:
        """No more of them; all have gone."""
        self._ending.set()
        for thread in self._threads:
            thread.join(READY_S)

    def _run(self, numbers: range) -> None:
        for number in numbers:
            if self._ending.is_set():
                return
            self._visit(f"storm-{number}", signal.SIGKILL if number % 2 else signal.SIGTERM)

    def _visit(self, name: str, leaves: signal.Signals) -> None:
        home = self.site.settings.home
        marker = ready_file(home, name)
        argv = [sys.executable, "-m", "streams.cli.main", "run", "worker", "--name", name]
        with (home / "logs" / f"{name}.log").open("ab") as out:
            process = subprocess.Popen(  # noqa: S603
                argv,
                env=environment_with(self.site.clothes["worker-1"]),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        end = time.monotonic() + READY_S
        while not marker.exists() and time.monotonic() < end and not self._ending.is_set():
            self._ending.wait(0.1)  # a file tells no event; the end of the run does
        self._ending.wait(STAYS_S)
        process.send_signal(leaves)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()
        marker.unlink(missing_ok=True)
