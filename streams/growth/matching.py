"""Which lesion of a later study is which of an earlier one: by place in the organ, then by one another.

Coordinates of two studies do not agree: the patient lies otherwise, the table stands elsewhere, breath is held at
another depth. So the place in the organ's box comes first; aligning lungs by their extents and a rotation leaves
some 10 mm at a nodule (Gu et al., Med Phys 2011, abstract read: 9.6 mm so, 10.0 mm deformable, 60 pairs of scans), by
extents alone, as here, somewhat more. Where at
least three lesions agree on one shift between the two coordinate systems, that shift, with a stretch along each axis,
is the nearer landmark, and lesions that do not fit it are not the same ones. Slice thickness enters nowhere: centres
are in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist, inf, log
from statistics import median

from streams.events.reading import Lesion
from streams.growth.kinds import Millimetres

PLACE_GATE_MM = 30.0
"""By place alone: three times what is left after aligning whole lungs."""
LANDMARK_GATE_MM = 20.0
"""By landmarks: what breathing moves one lesion against the others, near the diaphragm."""
AGREE_MM = 15.0
LANDMARKS_LEAST = 3
NEIGHBOURS_MOST = 3
_DISTANCE_UNIT_MM, _SIZE_UNIT = 10.0, log(4.0)
"""Ten mm count as much as a volume four times as large: a nodule that doubles twice in a year is still itself."""
_UNSURE = 1.0
_NOT_TOLD = (0.5, 0.5, 0.5)
"""The place of a lesion whose model tells none: only landmarks can match it."""
_STRETCH_MOST, _RIDGE_MM2 = 0.15, 3 * 30.0**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same lesion in both: positions in the two lists.

    Attributes:
        apart_mm: what is left between them after alignment.
        sure: no neighbour fits nearly as well.
    """

    earlier: int
    later: int
    apart_mm: float
    sure: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    one: int
    other: int
    apart_mm: float
    shift: Millimetres
    cost: float = inf


def match(earlier: Sequence[Lesion], later: Sequence[Lesion], organ_mm: Millimetres) -> tuple[Pair, ...]:
    """One to one, the best first; the result does not depend on the order of either list.

    Lesions of different known sides are never the same.
    """
    near = [c for c in _candidates(earlier, later, organ_mm) if c.apart_mm <= 2 * PLACE_GATE_MM]
    landmarks = _landmarks(near)
    if landmarks:
        aligned, gate = _aligned(near, landmarks, earlier), LANDMARK_GATE_MM
    else:
        aligned, gate = near, PLACE_GATE_MM
    fitting = [_weighed(c, earlier, later) for c in aligned if c.apart_mm <= gate]
    fitting.sort(key=lambda c: (c.cost, earlier[c.one].label, later[c.other].label))
    chosen = _one_to_one(fitting)
    return tuple(
        Pair(earlier=c.one, later=c.other, apart_mm=round(c.apart_mm, 1), sure=_sure(c, fitting, chosen))
        for c in chosen
    )


def _candidates(earlier: Sequence[Lesion], later: Sequence[Lesion], organ_mm: Millimetres) -> list[_Candidate]:
    """All pairs that may be one lesion: for each lesion its nearest few, by place."""
    pairs = [
        _Candidate(i, j, _place_apart(a, b, organ_mm), _minus(b.centre_mm, a.centre_mm))
        for i, a in enumerate(earlier)
        for j, b in enumerate(later)
        if not (a.side and b.side and a.side != b.side)
    ]
    pairs.sort(key=lambda c: (c.apart_mm, earlier[c.one].label, later[c.other].label))
    of_one: dict[int, int] = {}
    of_other: dict[int, int] = {}
    kept = []
    for pair in pairs:
        ranks = of_one.get(pair.one, 0), of_other.get(pair.other, 0)
        of_one[pair.one], of_other[pair.other] = ranks[0] + 1, ranks[1] + 1
        if min(ranks) < NEIGHBOURS_MOST or _NOT_TOLD in {earlier[pair.one].place, later[pair.other].place}:
            kept.append(pair)
    return kept


def _place_apart(a: Lesion, b: Lesion, organ_mm: Millimetres) -> float:
    if _NOT_TOLD in {a.place, b.place}:
        return 2 * PLACE_GATE_MM
    return dist(*(tuple(p * mm for p, mm in zip(lesion.place, organ_mm, strict=True)) for lesion in (a, b)))


def _landmarks(pairs: Sequence[_Candidate]) -> list[_Candidate]:
    """The most pairs, one to one, that agree on a shift; none where fewer than three do."""
    best: tuple[int, float] = (0, 0.0)
    agreed: list[_Candidate] = []
    for guess in pairs:
        apart = sorted(((dist(c.shift, guess.shift), n) for n, c in enumerate(pairs)), key=lambda found: found[0])
        fitting = _one_to_one([pairs[n] for away, n in apart if away <= AGREE_MM])
        score = (len(fitting), -sum(dist(c.shift, guess.shift) for c in fitting))
        if score > best:
            best, agreed = score, fitting
    return agreed if len(agreed) >= LANDMARKS_LEAST else []


def _aligned(
    pairs: Sequence[_Candidate], landmarks: Sequence[_Candidate], earlier: Sequence[Lesion]
) -> list[_Candidate]:
    """The pairs with what is left between them once the landmarks' shift and stretch are taken off."""
    axes = [_axis([(earlier[c.one].centre_mm[axis], c.shift[axis]) for c in landmarks]) for axis in range(3)]
    left = []
    for pair in pairs:
        at = earlier[pair.one].centre_mm
        expected = tuple(shift + stretch * (at[n] - middle) for n, (shift, stretch, middle) in enumerate(axes))
        left.append(_Candidate(pair.one, pair.other, dist(pair.shift, expected), pair.shift))
    return left


def _axis(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Shift at the landmarks' middle, stretch and middle of one axis; few or crowded landmarks stretch little."""
    middle = median(at for at, _shift in points)
    shift = median(found for _at, found in points)
    over = sum((at - middle) ** 2 for at, _shift in points) + _RIDGE_MM2
    stretch = sum((at - middle) * (found - shift) for at, found in points) / over
    return shift, max(-_STRETCH_MOST, min(_STRETCH_MOST, stretch)), middle


def _weighed(pair: _Candidate, earlier: Sequence[Lesion], later: Sequence[Lesion]) -> _Candidate:
    sizes = earlier[pair.one].volume_mm3, later[pair.other].volume_mm3
    size = log(sizes[1] / sizes[0]) if min(sizes) > 0 else 0.0
    cost = (pair.apart_mm / _DISTANCE_UNIT_MM) ** 2 + (size / _SIZE_UNIT) ** 2
    return _Candidate(pair.one, pair.other, pair.apart_mm, pair.shift, cost)


def _one_to_one(ranked: Sequence[_Candidate]) -> list[_Candidate]:
    """The best first; each lesion once."""
    ones: set[int] = set()
    others: set[int] = set()
    chosen = []
    for pair in ranked:
        if pair.one not in ones and pair.other not in others:
            chosen.append(pair)
            ones.add(pair.one)
            others.add(pair.other)
    return chosen


def _sure(pair: _Candidate, fitting: Sequence[_Candidate], chosen: Sequence[_Candidate]) -> bool:
    """Neither lesion fits another nearly as well: a free one, or one that would exchange with it."""
    costs = {(c.one, c.other): c.cost for c in fitting}
    by_one, by_other = {c.one: c for c in chosen}, {c.other: c for c in chosen}
    for rival in fitting:
        if (rival.one == pair.one) == (rival.other == pair.other):
            continue
        partner = by_other.get(rival.other) if rival.one == pair.one else by_one.get(rival.one)
        instead = rival.cost
        if partner:
            back = (partner.one, pair.other) if rival.one == pair.one else (pair.one, partner.other)
            instead += costs.get(back, inf) - partner.cost
        if instead < pair.cost + _UNSURE:
            return False
    return True


def _minus(b: Millimetres, a: Millimetres) -> Millimetres:
    return (b[0] - a[0], b[1] - a[1], b[2] - a[2])
