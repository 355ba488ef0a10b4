"""Two images at one position: the same stack acquired twice is read once, anything else is refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from streams.errors import QualityRejected
from streams.events.imaging import InstanceFacts
from streams.events.reading import QualityNote
from streams.reading.slices import Names, noted

Placed = tuple[float, InstanceFacts]
"""A slice with its position along the normal, in mm."""


def one_per_position(placed: Sequence[Placed], same_mm: float) -> tuple[list[Placed], list[QualityNote]]:
    """One slice for each position, from foot to head.

    Where every position is taken equally often, and Acquisition Number (0020,0012) or else Instance Number
    tells the stacks apart, the last stack is kept and the others are noted.

    Raises:
        QualityRejected: only some positions are doubled, or nothing tells the stacks apart.
    """
    groups = _groups(sorted(placed, key=lambda p: (p[0], p[1].instance)), same_mm)
    times = {len(group) for group in groups}
    if times == {1}:
        return [group[0] for group in groups], []
    names = Names([facts for _, facts in placed])
    if len(times) > 1:
        doubled = next(group for group in groups if len(group) > 1)
        which = names.pair(doubled[0][1], doubled[1][1])
        raise QualityRejected(f"Slices {which} lie at the same position, unlike the others.")
    stacks = _stacks(groups)
    if stacks is None:
        raise QualityRejected(f"Every position holds {times.pop()} slices, and nothing tells which belong together.")
    note = noted("acquired-twice", f"The same slices were acquired {len(stacks)} times: the last are read.")
    return stacks[-1], [note]


def _groups(ordered: Sequence[Placed], same_mm: float) -> list[list[Placed]]:
    groups: list[list[Placed]] = []
    for place in ordered:
        if groups and place[0] - groups[-1][0][0] <= same_mm:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _stacks(groups: Sequence[Sequence[Placed]]) -> list[list[Placed]] | None:
    """The stacks in the order in which they were acquired; None: they cannot be told apart."""
    by_acquisition = [sorted(group, key=lambda p: p[1].acquisition or 0) for group in groups]
    stacks = [list(stack) for stack in zip(*by_acquisition, strict=True)]
    acquisitions = [{facts.acquisition for _, facts in stack} for stack in stacks]
    if all(len(a) == 1 for a in acquisitions) and len(set.union(*acquisitions)) == len(stacks):
        return stacks
    by_number = [sorted(group, key=lambda p: p[1].number or 0) for group in groups]
    stacks = [list(stack) for stack in zip(*by_number, strict=True)]
    ranges = [[facts.number or 0 for _, facts in stack] for stack in stacks]
    apart = all(max(one) < min(other) for one, other in pairwise(ranges))
    return stacks if apart else None
