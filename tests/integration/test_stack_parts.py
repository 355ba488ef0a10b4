"""The real Kafka, Redis and Triton as children: they work, come back, leave nothing, and keep to themselves."""

from __future__ import annotations

import gc
import os
import queue
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from streams.runtime.parts.fetch import ensure_parts
from streams.runtime.parts.guardian import Mark, await_end
from streams.runtime.parts.part import Child
from streams.runtime.parts.record import end_stack, read_record
from streams.runtime.parts.settings import Addresses, PartsSettings
from streams.runtime.parts.states import State
from streams.runtime.settings import load
from streams.runtime.stack.stack import Stack, StackBusy
from tests.support.stack_trials import Heard, asked, consumed, kill, running_in, started, wait_for, write_models

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def refused_sockets() -> Iterator[None]:
    """kafka-python leaves the sockets of refused connections to the collector: collect them here, in silence."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def parts() -> Path:
    settings = PartsSettings(home=load().home)
    ensure_parts(settings.home, print, settings)
    return settings.fetched


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def settings(parts: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> PartsSettings:
    return PartsSettings(home=tmp_path_factory.mktemp("home"), parts=parts, model_folders=(models,))


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def stack(settings: PartsSettings, heard: Heard) -> Iterator[Stack]:
    running = Stack(settings, heard.events.put)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def addresses(stack: Stack) -> Addresses:
    return stack.addresses


def test_kafka_keeps_what_it_acknowledged_when_it_is_killed(stack: Stack, addresses: Addresses, heard: Heard):
    """What a producer was told is stored is read after SIGKILL of the broker, by a broker that came back by itself."""
    admin = KafkaAdminClient(bootstrap_servers=addresses.kafka)
    admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=addresses.kafka, acks="all")
    producer.send("kept", b"before").get(timeout=60)
    killed = kill(stack, "kafka")
    again = heard.until_back("kafka")
    assert again.part.pid != killed.pid
    assert again.part.restarts == 1
    producer.send("kept", b"after").get(timeout=60)
    producer.close()
    assert consumed(addresses.kafka, "kept", 2) == [b"before", b"after"]


def test_topics_are_not_made_by_a_typing_error(addresses: Addresses):
    """auto.create.topics.enable is off."""
    producer = KafkaProducer(bootstrap_servers=addresses.kafka, max_block_ms=2000)
    with pytest.raises(Exception, match=r"(?i)metadata|unknown|timeout"):
        producer.send("imaging.instancse", b"x").get(timeout=5)
    producer.close()


def test_redis_refuses_rather_than_forgets_and_comes_back_with_its_data(
    stack: Stack, addresses: Addresses, heard: Heard
):
    """Maxmemory with noeviction and an append-only file: after SIGKILL the key is there."""
    client = redis.Redis.from_url(addresses.redis)
    assert client.config_get("maxmemory*") == {
        "maxmemory": str(1 << 30),
        "maxmemory-policy": "noeviction",
        "maxmemory-samples": "5",
        "maxmemory-eviction-tenacity": "10",
    }
    client.set("kept", "value")
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    client.execute_command("BGREWRITEAOF")  # writes all that there is at once, not within the second
    wait_for(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
    kill(stack, "redis")
    heard.until_back("redis")
    assert redis.Redis.from_url(addresses.redis).get("kept") == b"value"
    client.close()


def test_an_onnx_model_runs_by_the_containers_config(addresses: Addresses):
    """Backend "onnxruntime": inputs and outputs by name, single and batched."""
    one = asked(addresses.triton, [[1, 2, 3]], [[10, 20, 30]])
    assert one["SUM"].tolist() == [[11, 22, 33]]
    assert one["PRODUCT"].tolist() == [[10, 40, 90]]
    two = asked(addresses.triton, [[1, 2, 3], [4, 5, 6]], [[1, 1, 1], [2, 2, 2]])
    assert two["SUM"].tolist() == [[2, 3, 4], [6, 7, 8]]


def test_requests_that_are_batched_get_their_own_answers(addresses: Addresses):
    """Requests that Triton hands over together come back each with its own rows."""
    client = InferenceServerClient(addresses.triton)
    answers: queue.Queue[tuple[int, object, object]] = queue.Queue()
    for number in range(12):
        rows = np.full((1 + number % 2, 3), number, np.float32)
        inputs = [InferInput(name, list(rows.shape), "FP32") for name in ("A", "B")]
        for one in inputs:
            one.set_data_from_numpy(rows)
        client.async_infer("arithmetic", inputs, lambda result, error, n=number: answers.put((n, result, error)))
    for _ in range(12):
        number, result, error = answers.get(timeout=20)
        assert error is None
        assert result.as_numpy("SUM").tolist() == [[2.0 * number] * 3] * (1 + number % 2)
    statistics = client.get_inference_statistics("arithmetic").model_stats[0]
    client.close()
    assert statistics.execution_count < statistics.inference_count


def test_a_broken_model_is_named_and_keeps_nobody_from_work(stack: Stack, addresses: Addresses):
    """A model.onnx of garbage is told with its reason; a half-written folder is not shown to Triton at all."""
    note = next(state.note for state in stack.states if state.name == "triton")
    assert note.startswith("model broken: ")
    assert "half" not in note
    with pytest.raises(InferenceServerException, match="broken"):
        asked(addresses.triton, [[1, 2, 3]], [[1, 2, 3]], model="broken")


def test_triton_comes_back_and_leaves_no_shared_memory(stack: Stack, addresses: Addresses, heard: Heard):
    """SIGKILL of the server: its model processes die, its shared memory is removed, and a new one answers."""
    killed = kill(stack, "triton")
    heard.until_back("triton")
    assert asked(addresses.triton, [[1, 2, 3]], [[1, 1, 1]])["SUM"].tolist() == [[2, 3, 4]]
    assert not running_in({killed.pid})


def test_a_home_has_one_stack(stack: Stack, settings: PartsSettings):
    """A second start on the same home is refused in a sentence, and touches nothing."""
    before = [state.pid for state in stack.states]
    with pytest.raises(StackBusy, match=rf"already runs for .*process {os.getpid()}.*wetread down"):
        Stack(settings).start()
    assert [state.pid for state in stack.states] == before


def test_stacks_side_by_side_and_parts_elsewhere(stack: Stack, settings: PartsSettings, addresses: Addresses, tmp_path):
    """A second home gets other ports; parts given by address are only asked; its stop does not touch the first."""
    other = Stack(
        PartsSettings(
            home=tmp_path, parts=settings.fetched, kafka=addresses.kafka, triton=addresses.triton, model_folders=()
        )
    )
    second = other.start()
    try:
        assert (second.kafka, second.triton) == (addresses.kafka, addresses.triton)
        assert second.redis != addresses.redis
        assert [state.state for state in other.states] == [State.ELSEWHERE, State.RUNNING, State.ELSEWHERE]
        assert all(int(port) < 32_768 for port in (second.redis[-7:-2], stack.port("dimse"), other.port("dimse")))
        assert stack.port("dimse") != other.port("dimse")
    finally:
        other.stop()
    assert redis.Redis.from_url(addresses.redis).ping()
    assert asked(addresses.triton, [[1, 2, 3]], [[1, 1, 1]])["SUM"].tolist() == [[2, 3, 4]]


def test_children_beside_the_parts(stack: Stack, heard: Heard, tmp_path: Path):
    """A worker or door is started with its environment, awaited until ready, and started again when it ends."""
    sign = tmp_path / "ready"
    code = "import os, pathlib, signal; pathlib.Path(os.environ['SIGN']).touch(); signal.pause()"
    stack.add(Child(name="worker", argv=(sys.executable, "-c", code), env={"SIGN": str(sign)}, ready=sign.exists))
    first = kill(stack, "worker")
    again = heard.until_back("worker")
    assert again.part.pid != first.pid
    assert again.part.restarts == 1


def test_after_sigkill_of_the_parent_nothing_is_left(settings: PartsSettings, models: Path, tmp_path: Path):
    """Broker, server and model processes end with their parent; the next start works, and `down` ends it."""
    parent = started(tmp_path, settings.fetched, models)
    running = read_record(tmp_path)
    assert running.stack is not None
    assert running.stack.pid == parent.pid
    sessions = {part["pid"] for part in running.parts}
    marks = [Mark(part["pid"], part["ticks"]) for part in running.parts]
    assert len(running_in(sessions)) > len(sessions)  # model processes
    parent.kill()
    parent.wait()
    assert all(await_end(mark, time.monotonic() + 60) for mark in marks)
    wait_for(lambda: not running_in(sessions))
    assert {part["state"] for part in read_record(tmp_path).parts} == {"stopped"}

    again = started(tmp_path, settings.fetched, models)
    assert end_stack(tmp_path, 40)
    assert again.wait(5) == 0
    assert read_record(tmp_path).stack is None
