"""A worker's app on memory twins."""

from __future__ import annotations

import pytest

from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import MemoryLog, MemoryState
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.worker import FlowWiring, Site, build_flow
from tests.support.toy import DEAD, addressed, toy_agent


@pytest.fixture
def outside():
    return Outside(
        state=MemoryState(),
        log=MemoryLog(),
        objects=MemoryObjects(),
        policy="p",
        deadletters=DEAD,
        addressed=addressed,
    )


@pytest.fixture
def app(outside):
    site = Site(bootstrap="127.0.0.1:1", group="g")
    return build_flow(FlowWiring(site=site, outside=outside, agents=(toy_agent(),), forwards={"feedback": "fb"}))
