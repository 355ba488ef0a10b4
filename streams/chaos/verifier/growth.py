"""What grows while a run lasts: a line through each process' memory and handles, and through what is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.chaos.verifier.history import History

WARM = timedelta(minutes=5)
"""A process' first minutes, in which it imports and fills its caches, say nothing of the hours after."""
SETTLED = timedelta(minutes=25)
"""Until then nothing may have left by the policy of a soak: keys and objects have to grow first."""
FEWEST = 30
HOUR_S = 3600.0
Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A slope by least squares, within each process: lives of one part share the slope, and not the level.

    Attributes:
        per_hour: the slope; error: its standard error, as if samples were independent (they are not: it is too small).
        level: the mean; samples, lives: of how many.
    """

    per_hour: float
    error: float
    level: float
    samples: int
    lives: int


def growths(history: History) -> dict[str, Growth]:
    """Part and what of it, to its growth; only of what was looked at often enough."""
    found = {name: line(lives) for name, lives in sorted(_series(history).items())}
    return {name: growth for name, growth in found.items() if growth is not None}


def _series(history: History) -> Mapping[str, list[list[Point]]]:
    until = history.sent_until
    memory: dict[str, dict[tuple[str, int], list[Point]]] = defaultdict(lambda: defaultdict(list))
    for at, one in history.samples:
        if until is not None and at > until:
            continue
        life = (str(one["part"]), int(one["pid"]))
        memory[f"{_kind(one['part'])}, MiB"][life].append((at, one["rss_bytes"] / 2**20))
        memory[f"{_kind(one['part'])}, handles"][life].append((at, float(one["handles"])))
    found = {name: [_after(life, WARM) for life in lives.values()] for name, lives in memory.items()}
    for name, points in _stored(history, until).items():
        found[name] = [_after(points, SETTLED)]
    return found


def _stored(history: History, until: datetime | None) -> Mapping[str, list[Point]]:
    found: dict[str, list[Point]] = defaultdict(list)
    for at, one in history.stores:
        if until is not None and at > until:
            continue
        found["Redis, MiB"].append((at, one["memory_bytes"] / 2**20))
        found["Redis, keys"].append((at, float(sum(one["keys"].values()))))
        found["store, objects"].append((at, float(one["objects"])))
        for kind, keys in one["keys"].items():
            found[f"Redis, {kind} keys"].append((at, float(keys)))
    return found


def _kind(part: str) -> str:
    """`worker` of worker-2, `triton's child` of triton/1."""
    name, of_another, _ = part.partition("/")
    kind = name.split("-")[0]
    return f"{kind}'s child" if of_another else kind


def _after(points: list[Point], pause: timedelta) -> list[Point]:
    return [(at, value) for at, value in points if at >= points[0][0] + pause]


def line(lives: Iterable[list[Point]]) -> Growth | None:
    """Least squares with a level for each life (fixed effects); None: too few samples, or all at one time."""
    kept = [life for life in lives if len(life) > 1]
    samples = sum(map(len, kept))
    if samples < FEWEST:
        return None
    squares = products = remains = total = 0.0
    for life in kept:
        hours = [(at - life[0][0]).total_seconds() / HOUR_S for at, _ in life]
        values = [value for _, value in life]
        mean_h, mean_v = sum(hours) / len(life), sum(values) / len(life)
        squares += sum((h - mean_h) ** 2 for h in hours)
        products += sum((h - mean_h) * (v - mean_v) for h, v in zip(hours, values, strict=True))
        remains += sum((v - mean_v) ** 2 for v in values)
        total += sum(values)
    if not squares:
        return None
    slope = products / squares
    free = max(samples - len(kept) - 1, 1)
    error = (max(remains - slope * products, 0.0) / free / squares) ** 0.5
    return Growth(
        per_hour=round(slope, 3), error=round(error, 3), level=round(total / samples, 3), samples=samples,
        lives=len(kept),
    )  # fmt: skip
