"""The shipper when its spool has failed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from streams.adapters.memory_twins import MemoryLog
from streams.doors.shipping import Shipper
from streams.errors import DoorClosed
from tests.support.doors import NAMES


async def test_a_spool_that_failed_ends_the_shipper():
    """The door's process ends and is started again: it never waits for ever beside a spool that takes nothing."""

    def take(_most):
        raise DoorClosed("the spool could not be synced")

    shipper = Shipper("dimse", SimpleNamespace(take=take), None, NAMES, MemoryLog())
    with pytest.raises(DoorClosed):
        await shipper.run()
