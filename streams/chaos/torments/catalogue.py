"""Every torment by its name, with its weight."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterable

from streams.chaos.links import LINKED_BY_KIND, Weather
from streams.chaos.torments.on_links import away, misanswered, model_process, model_stalled, reloaded, weather
from streams.chaos.torments.on_processes import (
    HANGS,
    SIDES,
    clock,
    crashed,
    crashed_at,
    decoder_stopped,
    restarted,
    signalled,
    stopped,
    stormed,
)
from streams.chaos.torments.on_stores import cut, flushed, full, store_full
from streams.chaos.torments.on_versions import changed, laid_over
from streams.chaos.torments.struck import Strike, Struck, Tools
from streams.faults.points import Point

FLOOD = 300
"""More than a reading worker lets wait at once (256)."""


def poisoned(tools: Tools) -> Struck:
    """An event that nobody can handle."""
    return Struck(target="a topic", note=tools.others.poison(tools.chance))


def flooded(tools: Tools) -> Struck | None:
    """More retries at once than a worker lets wait."""
    count = tools.others.flood(FLOOD)
    return Struck(target="triage.readings.routine.retry", note=f"{count} readings") if count else None


SLOW = lambda tools: Weather(delay_s=tools.chance.uniform(0.05, 0.4))  # noqa: E731


LOSSY = lambda tools: Weather(delay_s=0.02, reset=tools.chance.uniform(0.002, 0.03))  # noqa: E731


HANGING = lambda _tools: Weather(hangs=True)  # noqa: E731


ALL: dict[str, tuple[Strike, float]] = {
    "worker.kill": (signalled("worker", signal.SIGKILL), 8),
    "worker.term": (signalled("worker", signal.SIGTERM), 3),
    "worker.stop": (stopped("worker"), 3),
    "worker.clock": (clock("worker"), 2),
    "worker.storm": (stormed, 1),
    "worker.hang": (crashed_at("state_written", "before", HANGS), 1),
    "reader.kill": (signalled("reader", signal.SIGKILL), 8),
    "reader.term": (signalled("reader", signal.SIGTERM), 2),
    "reader.stop": (stopped("reader"), 2),
    "decoder.stop": (decoder_stopped, 0),
    "reader.hang": (crashed_at("model_answered", "before", HANGS), 1),
    "door.kill": (signalled("door", signal.SIGKILL), 8),
    "door.term": (signalled("door", signal.SIGTERM), 2),
    "door.stop": (stopped("door"), 2),
    "door.clock": (clock("door"), 0),
    "store.full": (store_full, 2),
    "triton.kill": (signalled("triton", signal.SIGKILL), 4),
    "triton.stop": (stopped("triton"), 2),
    "triton.model": (model_process, 3),
    "triton.reload": (reloaded, 2),
    "triton.stall": (model_stalled, 3),
    "triton.wrong": (misanswered, 4),
    "triton.version": (changed, 2),
    "triton.swap": (laid_over, 1),
    "redis.kill": (signalled("redis", signal.SIGKILL), 5),
    "redis.stop": (stopped("redis"), 2),
    "redis.flush": (flushed, 3),
    "redis.full": (full, 2),
    "redis.cut": (cut, 3),
    "kafka.kill": (signalled("kafka", signal.SIGKILL), 4),
    "kafka.term": (signalled("kafka", signal.SIGTERM), 1),
    "kafka.stop": (stopped("kafka"), 1),
    "kafka.away": (away, 1),
    **{f"link.{part}-slow": (weather(part, SLOW, 5, 25), 1.0) for part in LINKED_BY_KIND},
    **{f"link.{part}-lossy": (weather(part, LOSSY, 5, 25), 1.5) for part in LINKED_BY_KIND},
    **{f"link.{part}-hangs": (weather(part, HANGING, 4, 15), 0.7) for part in LINKED_BY_KIND},
    "point.crash": (crashed, 12),
    "all.restart": (restarted, 0.5),
    "event.poison": (poisoned, 3),
    "event.flood": (flooded, 1),
    **{f"point.{p.title}-{side}": (crashed_at(p.title, side), 0.0) for p in Point for side in SIDES},
}
"""Name to what strikes, and its weight; 0: only where it is asked for by name."""
USUAL = tuple(name for name, (_, weight) in ALL.items() if weight)


def digest(names: Iterable[str]) -> str:
    """Of these torments and their weights: the same seed draws the same from the same catalogue alone."""
    told = ",".join(f"{name}={ALL[name][1]:g}" for name in sorted(names))
    return hashlib.sha256(told.encode()).hexdigest()[:8]
