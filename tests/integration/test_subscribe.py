"""The 15 lines of schemas/README.md, run as they stand there against a real Kafka."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from streams.events import telling
from streams.events.envelope import Envelope, to_kafka
from streams.events.identifiers import named_id
from tests.support.examples import TIME, example

README = Path(__file__).resolve().parents[2] / "schemas" / "README.md"
TOPIC = "triage.alerts"
pytestmark = pytest.mark.stack


def code() -> str:
    """The page's only Python block."""
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    return str(block)


def test_the_page_keeps_its_word() -> None:
    """Fifteen lines at most, plain kafka-python, nothing of ours."""
    assert len(code().strip().splitlines()) <= 15
    assert re.findall(r"^(?:import|from) (\w+)", code(), flags=re.MULTILINE) == ["json", "kafka"]


@pytest.fixture
def topic(bootstrap: str) -> str:
    """The topic of alerts on a Kafka of the tests' own."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(name=TOPIC, num_partitions=1, replication_factor=1)])
    except TopicAlreadyExistsError:
        pass
    finally:
        admin.close()
    return TOPIC


def say(bootstrap: str, topic: str, events: list[tuple[str, object]]) -> None:
    """Write events as Wetread does; the name stands for the id."""
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    try:
        for name, event in events:
            envelope = Envelope(id=named_id("subscribe", name), time=TIME, key="1.2.840.1", data=event)
            key, value, headers = to_kafka(envelope)
            producer.send(topic, key=key, value=value, headers=headers).get(10)
    finally:
        producer.close()


@contextmanager
def subscriber(bootstrap: str) -> Iterator[subprocess.Popen[str]]:
    """The page's lines as a process of their own, told only where Kafka is and of a group of its own."""
    lines = code().replace("localhost:9092", bootstrap).replace('"pager"', f'"{named_id("group", bootstrap)}"')
    process = subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_stranger_hears_each_alert_once(bootstrap: str, topic: str) -> None:
    """A subscriber prints each alert once however often it is sent, and passes over what it does not know."""
    study = f"1.2.840.{named_id('study', bootstrap)[:6]}"
    raised, updated, closed = (
        replace(example(t), study=study) for t in (telling.AlertRaised, telling.AlertUpdated, telling.AlertClosed)
    )
    say(
        bootstrap,
        topic,
        [
            ("raised", raised),
            ("raised", raised),
            ("updated", updated),
            ("closed", closed),
            ("raised", raised),
            ("closed", closed),
            ("last", closed),
        ],
    )
    with subscriber(bootstrap) as process:
        assert process.stdout is not None
        heard = [line.strip() for line in islice((s for s in process.stdout if study in s), 3)]
    assert heard == [
        f"finding {raised.score:.2f} in study {study}, to be read by {raised.read_by:%Y-%m-%dT%H:%M:%S.%fZ}",
        f"alert of study {study} closed: opened",
        f"alert of study {study} closed: opened",
    ]
