"""What a run leaves behind: traces and metrics as they come, processes now and then, topics and stores at the end."""

from __future__ import annotations

import base64
import hashlib
import http.server
import itertools
import json
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from kafka import KafkaConsumer, TopicPartition

from streams.chaos.history import History, moment
from streams.chaos.site import Site
from streams.chaos.torments.on_processes import SIDES, fired
from streams.doors.part10 import looks_like_dicom, read_meta
from streams.errors import NotDicom
from streams.faults.points import Point
from streams.runtime.parts.spawning import environment_with
from streams.runtime.settings import as_environment

STORY_WITHIN_S = 240.0
SILENT_S = 60.0
"""The broker is given up where nothing comes for so long."""


class Collector:
    """Takes OTLP over HTTP, and keeps each body as it came."""

    def __init__(self, history: History) -> None:
        numbers = itertools.count(1)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # http.server's name
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                kind = "metrics" if "metrics" in self.path else "traces"
                (history.folder / kind / f"{next(numbers):07}.otlp").write_bytes(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="collector", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


def dump_topics(kafka: str, topics: Sequence[str], history: History) -> int:
    """Every record of every topic, by a client that the product's own path does not use; how many."""
    count = 0
    for topic in topics:
        with (history.folder / "topics" / f"{topic}.jsonl").open(
            "w", encoding="utf-8", errors="surrogateescape"
        ) as out:
            for record in _records(kafka, topic):
                out.write(json.dumps(_plain(record)) + "\n")
                count += 1
    return count


def _records(kafka: str, topic: str) -> Iterator[Any]:
    consumer = KafkaConsumer(bootstrap_servers=kafka, group_id=None, enable_auto_commit=False)
    try:
        places = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        if not places:
            return
        consumer.assign(places)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(places)
        patient_until = time.monotonic() + SILENT_S
        while any(consumer.position(place) < ends[place] for place in places):
            for records in consumer.poll(timeout_ms=1000, max_records=2000).values():
                yield from records
                patient_until = time.monotonic() + SILENT_S
            if time.monotonic() > patient_until:
                raise TimeoutError(f"{topic} ends at {ends}, and nothing came of it for {SILENT_S:.0f} s")
    finally:
        consumer.close()


def _plain(record: Any) -> dict[str, Any]:
    text: str | None = None
    if record.value is not None:
        with suppress(UnicodeDecodeError):
            text = record.value.decode()
    binary = record.value is not None and text is None
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None if record.key is None else record.key.decode("utf-8", "surrogateescape"),
        "headers": [[name, (value or b"").decode("utf-8", "surrogateescape")] for name, value in record.headers],
        "value": text,
        "value_base64": base64.b64encode(record.value).decode() if binary else None,
    }


def dump_redis(url: str, agents: Sequence[str], history: History) -> None:
    """The worklist as it is shown, and how much Redis holds."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415  # its only use here

    client: Any = redis.Redis.from_url(url, socket_timeout=20)
    rows = []
    for name in client.scan_iter(match="wetread:{triage:*}:listing", count=1000):
        rows += [(score, member.decode()) for member, score in client.zrange(name, 0, -1, withscores=True)]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    worklist = [
        {"study": study, "read_by": (epoch + timedelta(microseconds=int(score))).isoformat(timespec="microseconds")}
        for score, study in sorted(rows)
    ]
    states = {
        agent: sum(1 for _ in client.scan_iter(match=f"wetread:{{{agent}:*}}:state:*", count=1000)) for agent in agents
    }
    memory = int(client.info("memory")["used_memory"])
    said = {"at": moment(), "worklist": worklist, "keys": client.dbsize(), "memory_bytes": memory, "states": states}
    history.whole("redis.json", said)
    client.close()


def dump_objects(store: Path, history: History) -> None:
    """Every object of the store, its digest computed anew."""
    for path in sorted(p for p in store.glob("??/??/*") if p.is_file()):
        content = path.read_bytes()
        dataset, instance = None, None
        if looks_like_dicom(content):
            with suppress(NotDicom), path.open("rb") as file:
                meta = read_meta(file)
                dataset, instance = hashlib.sha256(content[meta.start :]).hexdigest(), meta.sop_instance
        history.line(
            "objects",
            {
                "name": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content),
                "dataset_sha256": dataset, "instance": instance,
            },
        )  # fmt: skip


def dump_stories(site: Site, studies: Sequence[str], history: History) -> None:
    """What `wetread why` says of some studies, asked side by side."""
    environment = environment_with(as_environment(site.settings) | {"WETREAD_KAFKA": site.kafka})

    def dump(study: str) -> None:
        argv = [sys.executable, "-m", "streams.cli.main", "why", study, "--json"]
        with suppress(subprocess.TimeoutExpired):  # a loaded machine: the verifier misses the story, the run goes on
            done = subprocess.run(  # noqa: S603
                argv, env=environment, capture_output=True, text=True, timeout=STORY_WITHIN_S, check=False
            )
            if done.returncode == 0:
                history.line("why", json.loads(done.stdout))

    with ThreadPoolExecutor() as asking:
        list(asking.map(dump, studies))


def keep_logs(home: Path, history: History) -> None:
    """The stack's logs, and which fault points were crashed at."""
    for path in sorted((home / "logs").glob("*")):
        if path.is_file():
            shutil.copyfile(path, history.folder / "logs" / path.name)


def crashes(home: Path) -> dict[str, int]:
    """How often each fault point was crashed at, by point and side; 0 where it never was."""
    never = {f"{point.title}.{side}": 0 for point in Point for side in SIDES}
    return never | Counter(f"{one['point']}.{one['side']}" for one in fired(home / "run" / "faults"))
