"""Whatever a test arms or switches off is as before after it."""

from __future__ import annotations

import pytest

from streams.faults import firing, protections


@pytest.fixture(autouse=True)
def as_before():
    yield
    firing.disarm()
    protections.switch_all_on()
