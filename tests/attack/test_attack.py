"""A door under an attack, in short: what holds on any machine; `make attack` takes longer, and tells how one waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attack.__main__ import GROWN_MB, SETTINGS
from tests.attack.attacks import ATTACKS
from tests.attack.besieged import Door, lone_door, measured

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door that nobody attacks, for all of them."""
    with lone_door(tmp_path_factory.mktemp("calm") / "door") as door:
        yield door


@pytest.mark.parametrize("name", ATTACKS)
def test_a_door_under_attack_serves_and_grows_no_more_than_it_may(tmp_path, calm, name):
    """A good sender is served, memory is bounded, nothing lies outside the store, and what was begun ends."""
    with lone_door(tmp_path / "attacked" / "door", **SETTINGS.get(name, {})) as door:
        found = measured(door, calm, name, images=60, seconds=3)
    assert found.turns, "nothing was tried"
    assert found.unserved == 0
    assert found.grown_mb <= GROWN_MB
    assert found.astray == ()
    assert found.threads <= 4
