"""Fixtures for all tests: the real parts, started once and only where a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from streams.runtime.settings import shipped
from tests.support.kafka_and_redis import RealPart, real_parts

if TYPE_CHECKING:
    from tests.support.local_triton import RunningTriton
    from tests.support.whole_stack import WholeStack

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
"""No test is timed: other work may share the machine, the other half of the tests among it."""


@pytest.hookimpl(trylast=True)  # after the shuffling
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What spoils the shared stack for others after them; chaos last, when the other half may have ended."""
    marks = ("after_others", "chaos")
    items.sort(key=lambda item: [item.get_closest_marker(mark) is not None for mark in reversed(marks)])


@pytest.fixture(scope="session")
def kafka_and_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealPart, RealPart]]:
    """A Kafka and a Redis for the whole run; a test cleans what it uses, or uses names of its own."""
    kafka, redis = real_parts(tmp_path_factory.mktemp("parts"))
    try:
        redis.start()
        kafka.start()
        yield kafka, redis
    finally:
        kafka.stop()
        redis.stop()


@pytest.fixture(scope="session")
def redis_url(kafka_and_redis: tuple[RealPart, RealPart]) -> str:
    """URL of a real Redis that tests may flush."""
    return kafka_and_redis[1].address


@pytest.fixture(scope="session")
def bootstrap(kafka_and_redis: tuple[RealPart, RealPart]) -> str:
    """Bootstrap address of a real Kafka."""
    return kafka_and_redis[0].address


@pytest.fixture(scope="session")
def shipped_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTriton]:
    """A Triton alone with the models that are shipped; for tests that leave it as it is."""
    from tests.support.local_triton import local_triton

    with local_triton(tmp_path_factory.mktemp("shipped"), shipped("triton_models")) as running:
        yield running


@pytest.fixture(scope="session")
def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStack]:
    """The whole product, running: parts, workers and doors; shared by all tests that ask for it."""
    from tests.support.whole_stack import whole_stack_in  # slow to import: only where it is asked for

    with whole_stack_in(tmp_path_factory.mktemp("whole")) as running:
        yield running
