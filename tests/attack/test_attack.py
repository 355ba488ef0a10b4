"""A door under attack, in short: `make attack` takes longer, and holds the bar on waiting exactly."""

from __future__ import annotations

import pytest

from tests.attack.__main__ import GROWN_MB, SETTINGS, SLOWER
from tests.attack.attacks import ATTACKS
from tests.attack.besieged import lone_door, measured

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
NOISE_MS = 250.0
"""By which a machine that others use may delay one of 60 images."""


@pytest.mark.parametrize("name", ATTACKS)
def test_a_door_under_attack_serves_and_grows_no_more_than_it_may(tmp_path, name):
    """A good sender is served, memory is bounded, nothing lies outside the store, and what was begun ends."""
    with lone_door(tmp_path / "door", **SETTINGS.get(name, {})) as door:
        found = measured(door, name, images=60, seconds=3)
    assert found.turns, "nothing was tried"
    assert found.unserved == 0
    assert found.grown_mb <= GROWN_MB
    assert found.astray == ()
    assert found.threads <= 4
    assert found.during_ms <= SLOWER * found.before_ms + NOISE_MS
