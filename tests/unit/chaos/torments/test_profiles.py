"""Profiles: every kind of part and every fault point falls often enough in an hour, as the usual profile does not."""

from __future__ import annotations

from statistics import mean

import pytest

from streams.chaos.torments.catalogue import ALL, USUAL
from streams.chaos.torments.profiles import PROFILES, usual
from streams.faults.points import Point

HOUR_S = 3600.0
LOST = 0.8
"""Of the turns that are due; the others are passed over while the part is still down."""


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_names_torments_and_itself(name):
    """And each lane's chances are its own, so no two have one name."""
    profile = PROFILES[name]()
    assert profile.name == name
    assert set(profile.torments) <= set(ALL)
    assert len({lane.name for lane in profile.lanes}) == len(profile.lanes)


@pytest.mark.parametrize("name", ["kills", "all"])
def test_an_hour_holds_fifty_kills_of_each_kind(name):
    """Door, worker, reader, Triton, its stub, Redis and the broker: each has a lane of its own."""
    lanes = {lane.torments: lane for lane in PROFILES[name]().lanes}
    for kind in ("door.kill", "worker.kill", "reader.kill", "triton.kill", "triton.model", "redis.kill", "kafka.kill"):
        assert HOUR_S / mean(lanes[(kind,)].pause_s) * LOST >= 50


@pytest.mark.parametrize("name", ["points", "all"])
def test_an_hour_holds_twenty_crashes_of_each_point(name):
    """Each point is in exactly one lane; its lane takes them in turn."""
    lanes = [lane for lane in PROFILES[name]().lanes if lane.torments == ("point.crash",)]
    assert sorted(point.title for lane in lanes for point in lane.points) == sorted(point.title for point in Point)
    for lane in lanes:
        assert HOUR_S / mean(lane.pause_s) / len(lane.points) * LOST >= 20


def test_all_leaves_nothing_out():
    """What the usual profile breaks falls there too."""
    assert set(PROFILES["all"]().torments) == set(USUAL)


def test_only_keeps_the_lanes_of_what_it_names():
    """A lane without torments is none."""
    profile = PROFILES["all"]().only({"worker.kill", "redis.flush"})
    assert {lane.torments for lane in profile.lanes} == {("worker.kill",), ("redis.flush",)}
    assert usual(()).torments == ()
