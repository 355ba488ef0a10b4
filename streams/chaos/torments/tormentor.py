"""The tormentor: one torment after the other as the seed says, each taken away in its time and waited out."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.chaos.history import History, moment
from streams.chaos.torments.catalogue import ALL
from streams.chaos.torments.struck import Struck, Tools

log = logging.getLogger(__name__)

PAUSE_S = (2.0, 8.0)
AT_ONCE = 3
PATIENCE_S = 150.0


@dataclass(slots=True)
class Tormentor:
    """A thread that strikes, and one for each torment under way.

    Attributes:
        names: of the torments that may fall.
        pause_s: between two of them, by chance.
    """

    tools: Tools
    history: History
    names: Sequence[str]
    pause_s: tuple[float, float] = PAUSE_S
    fallen: Counter[str] = field(default_factory=Counter)
    _under_way: dict[str, threading.Thread] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin."""
        if self.names:
            self._thread = threading.Thread(target=self._run, name="tormentor", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """No more; what is under way is taken away at once, and its recovery waited for."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
        for thread in list(self._under_way.values()):
            thread.join(PATIENCE_S)

    def _run(self) -> None:
        chance = self.tools.chance
        while not self._ending.wait(chance.uniform(*self.pause_s)):
            name = self._chosen()
            if name is None:
                continue
            self._number += 1
            began, at = time.monotonic(), moment()
            try:
                struck = ALL[name][0](self.tools)
            except Exception:  # the harness's own fault must not end the run in silence
                log.exception("torment %s", name)
                continue
            if struck is None:
                continue
            self.fallen[name] += 1
            line = {"number": self._number, "at": at, "mono": began, "fault": name, "target": struck.target}
            thread = threading.Thread(target=self._follow, args=(name, struck, line), daemon=True)
            with self._lock:
                self._under_way[_kind(name)] = thread
            thread.start()

    def _chosen(self) -> str | None:
        with self._lock:
            busy = set(self._under_way)
        if len(busy) >= AT_ONCE or "all" in busy:
            return None
        free = [n for n in self.names if _kind(n) not in busy and (_kind(n) != "all" or not busy)]
        return self.tools.chance.choices(free, [ALL[n][1] or 1.0 for n in free])[0] if free else None

    def _follow(self, name: str, struck: Struck, line: dict[str, object]) -> None:
        well = False
        try:
            if struck.seconds is not None:
                self._ending.wait(struck.seconds)
            struck.heal()
            ended, ended_at = time.monotonic(), moment()
            if struck.seconds is None:
                ended, ended_at = float(str(line["mono"])), str(line["at"])
            well = struck.recovered()
            self.history.line(
                "torments",
                {
                    **line, "pid": struck.pid, "seconds": struck.seconds, "ended_at": ended_at, "ended_mono": ended,
                    "recovered_at": moment() if well else None, "recovered_mono": time.monotonic() if well else None,
                    "note": struck.note,
                },
            )  # fmt: skip
        except Exception:
            log.exception("torment %s could not be taken away", name)
        finally:
            with self._lock:
                self._under_way.pop(_kind(name), None)


def _kind(name: str) -> str:
    return name.partition(".")[0]
