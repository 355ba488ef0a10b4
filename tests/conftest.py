"""Fixtures for all tests: the real parts, started once and only where a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.kafka_and_redis import RealPart, real_parts

if TYPE_CHECKING:
    from tests.support.whole_stack import WholeStack

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
"""No test is timed: other work may share the machine, the other half of the tests among it."""


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
def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStack]:
    """The whole product, running: parts, workers and doors; shared by all tests that ask for it."""
    from tests.support.whole_stack import whole_stack_in  # slow to import: only where it is asked for

    with whole_stack_in(tmp_path_factory.mktemp("whole")) as running:
        yield running
