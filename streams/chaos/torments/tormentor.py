"""The tormentor: one torment after the other as the seed says, each taken away in its time and waited out; by lanes."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from streams.chaos.history import History, moment
from streams.chaos.torments.catalogue import ALL
from streams.chaos.torments.profiles import Lane
from streams.chaos.torments.struck import Struck, Tools

log = logging.getLogger(__name__)

AT_ONCE = 3
PATIENCE_S, LOOK_S = 150.0, 0.5


@dataclass(slots=True)
class Tormentor:
    """A thread that strikes, and one for each torment under way.

    Attributes:
        names: of the torments that may fall.
        pause_s: between two of them, by chance.
        patient: where its parts are still being tormented, wait for them instead of passing over a turn.
        numbers: of what has fallen.
    """

    tools: Tools
    history: History
    names: Sequence[str]
    pause_s: tuple[float, float]
    patient: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    fallen: Counter[str] = field(default_factory=Counter)
    _under_way: dict[str, threading.Thread] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin."""
        if self.names:
            self._thread = threading.Thread(target=self._run, name="tormentor", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """No more, and what is under way is taken away at once."""
        self._ending.set()

    def stop(self, until: float | None = None) -> None:
        """No more; what is under way is taken away at once, and its recovery waited for.

        until: of CLOCK_MONOTONIC, so long and no longer.
        """
        self.end()
        until = time.monotonic() + PATIENCE_S if until is None else until
        for thread in (self._thread, *list(self._under_way.values())):
            if thread is not None:
                thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        chance = self.tools.chance
        while not self._ending.wait(chance.uniform(*self.pause_s)):
            while (name := self._chosen()) is None and self.patient:
                if self._ending.wait(LOOK_S):
                    return
            if name is None:
                continue
            number = next(self.numbers)
            began, at = time.monotonic(), moment()
            try:
                struck = ALL[name][0](self.tools)
            except Exception:  # the harness's own fault must not end the run in silence
                log.exception("torment %s", name)
                continue
            if struck is None:
                continue
            self.fallen[name] += 1
            line = {"number": number, "at": at, "mono": began, "fault": name, "target": struck.target}
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
            if struck.missed:
                self.fallen[name] -= 1
                return
            if struck.fell is not None:
                ended_at, ended = struck.fell
                line |= {"at": ended_at, "mono": ended}
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


class Tormentors:
    """One for each lane of a profile, side by side."""

    def __init__(self, tools: Tools, history: History, seed: int, lanes: Sequence[Lane]) -> None:
        """Nothing falls yet; what a lane draws follows from the seed and its name."""
        numbers = itertools.count(1)
        self._all = [
            Tormentor(
                replace(tools, chance=random.Random(f"{seed}/torments{lane.name}"), among=lane.points, points=[]),
                history,
                lane.torments,
                lane.pause_s,
                patient=lane.patient,
                numbers=numbers,
            )
            for lane in lanes
        ]

    def start(self) -> None:
        """Begin."""
        for one in self._all:
            one.start()

    def stop(self) -> None:
        """No more; what is under way is taken away at once, and its recovery waited for."""
        for one in self._all:
            one.end()
        until = time.monotonic() + PATIENCE_S
        for one in self._all:
            one.stop(until)

    @property
    def fallen(self) -> dict[str, int]:
        """Torment to how often it fell."""
        return dict(sum((one.fallen for one in self._all), Counter()))
