"""Profiles: what falls how often. The usual one breaks anything now and then; the others gather kills and crashes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from streams.chaos.torments.catalogue import USUAL
from streams.faults.points import Point
from streams.policy import RetentionPolicy
from streams.runtime.stack.supervision import LONGEST_PAUSE

PAUSE_S = (2.0, 8.0)
KILL_EVERY_S = (40.0, 60.0)
"""Per kind of part: 72 kills in an hour, of which 50 are wanted; some are passed over while the part is down."""
CRASH_EVERY_S = {"door": (13.0, 23.0), "worker": (14.0, 26.0), "reader": (24.0, 40.0)}
"""Per kind of process: some 200, 180 and 110 crashes in an hour, 33 to 37 for each point, half of them before it."""
ROLLING_AFTER_S = (40.0, 40.0)
"""So long studies pass in peace: what a restart delays is told by how long they took then."""
REST_EVERY_S = (10.0, 25.0)
SOAK_EVERY_S = (110.0, 130.0)
MINUTE_OF_A_DAY = 1 / 1440
SHORT_PAUSE_S = 2.0
"""What is killed each minute is started anew soon: with the usual growing pauses it would hardly run at all."""
KILLED = ("door.kill", "worker.kill", "reader.kill", "triton.kill", "triton.model", "redis.kill", "kafka.kill")
POINTS = {
    "door": (
        Point.BYTES_WRITTEN, Point.FSYNCED, Point.NOTE_SYNCED, Point.SCU_ACKNOWLEDGED, Point.FILE_REMOVED,
        Point.EVENT_SENT,
    ),
    "worker": (
        Point.STATE_WRITTEN, Point.OUTBOX_SENT, Point.OFFSET_COMMITTED, Point.TIMER_CLAIMED, Point.TIMER_SETTLED,
    ),
    "reader": (Point.MODEL_CALLED, Point.MODEL_ANSWERED, Point.ANSWER_SENT),
}  # fmt: skip
"""Kind of process to the points that it comes by most; whoever comes by first is crashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Torments that fall one after the other, beside those of other lanes.

    Attributes:
        name: empty, or begins with a slash; the lane's chances follow from it.
        points: that its `point.crash` takes in turn.
        patient: it waits for a part that is still down, instead of passing over a turn.
    """

    name: str
    torments: tuple[str, ...]
    pause_s: tuple[float, float]
    points: tuple[Point, ...] = tuple(Point)
    patient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Lanes, and how long the supervisor waits at most before it starts anew what died again and again.

    retention: under which studies leave, and all but the first ones are read; None: the one that is shipped.
    """

    name: str
    lanes: tuple[Lane, ...]
    longest_pause_s: float = LONGEST_PAUSE
    retention: RetentionPolicy | None = None

    def only(self, names: Collection[str]) -> Profile:
        """What of it has one of these names."""
        lanes = (replace(lane, torments=tuple(t for t in lane.torments if t in names)) for lane in self.lanes)
        return replace(self, lanes=tuple(lane for lane in lanes if lane.torments))

    @property
    def torments(self) -> tuple[str, ...]:
        """All that may fall."""
        return tuple(dict.fromkeys(name for lane in self.lanes for name in lane.torments))


def usual(names: tuple[str, ...] = USUAL, pause_s: tuple[float, float] = PAUSE_S) -> Profile:
    """One torment after the other, by weight: three at once at most."""
    return Profile(name="usual", lanes=(Lane(name="", torments=names, pause_s=pause_s),))


def _kills() -> Profile:
    """Each kind of process by SIGKILL, about every 50 seconds, all kinds at once."""
    lanes = (Lane(name=f"/{name}", torments=(name,), pause_s=KILL_EVERY_S, patient=True) for name in KILLED)
    return Profile(name="kills", lanes=tuple(lanes), longest_pause_s=SHORT_PAUSE_S)


def _points() -> Profile:
    """Each fault point in turn, by kind of process."""
    lanes = (
        Lane(name=f"/{kind}", torments=("point.crash",), pause_s=CRASH_EVERY_S[kind], points=points, patient=True)
        for kind, points in POINTS.items()
    )
    return Profile(name="points", lanes=tuple(lanes), longest_pause_s=SHORT_PAUSE_S)


def _all() -> Profile:
    """Kills, crashes at points, and everything else beside them."""
    rest = tuple(name for name in USUAL if name not in (*KILLED, "point.crash"))
    others = Lane(name="/rest", torments=rest, pause_s=REST_EVERY_S)
    return Profile(name="all", lanes=(*_kills().lanes, *_points().lanes, others), longest_pause_s=SHORT_PAUSE_S)


def _rolling() -> Profile:
    """Everything started anew, one after the other, and again as soon as all was: nothing else falls."""
    lane = Lane(name="/rolling", torments=("all.restart",), pause_s=ROLLING_AFTER_S, patient=True)
    return Profile(name="rolling", lanes=(lane,))


def _soak() -> Profile:
    """Hours of the usual work with a fault now and then; what was read leaves within minutes.

    A clock that is an hour apart would let studies go an hour early, as it should: nothing could be told of the policy.
    """
    soft = tuple(name for name in USUAL if not name.endswith(".clock"))
    minute = MINUTE_OF_A_DAY
    policy = RetentionPolicy(
        ended_days=5 * minute, remembered_days=5 * minute, orders_days=20 * minute, sweep_hours=1 / 6,
        shorter_than_record=True,
    )  # fmt: skip
    return Profile(name="soak", lanes=(Lane(name="", torments=soft, pause_s=SOAK_EVERY_S),), retention=policy)


PROFILES: dict[str, Callable[[], Profile]] = {
    "usual": usual, "kills": _kills, "points": _points, "all": _all, "rolling": _rolling,
    "soak": _soak,
}  # fmt: skip
