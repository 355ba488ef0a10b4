"""A real Kafka and a real Redis of the tests' own, without Triton; each can be killed and started again."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from streams.runtime.parts.fetch import ensure_parts
from streams.runtime.parts.kafka import LocalKafka
from streams.runtime.parts.ports import claim_ports
from streams.runtime.parts.redis import LocalRedis
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.settings import default_home


class RealPart:
    """One part as a child process."""

    def __init__(self, part: LocalKafka | LocalRedis, logs: Path) -> None:
        """Nothing is started yet."""
        self.part = part
        self._log = logs / f"{part.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it answers."""
        return self.part.address

    def start(self, patience_s: float = 60.0) -> None:
        """Start it and return when it answers."""
        launch = self.part.prepare()
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                launch.argv,
                env={**os.environ, **launch.env},  # noqa: TID251
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        end = time.monotonic() + patience_s
        while not self.part.is_ready():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.part.name} did not start; see {self._log}")
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after 15 s."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


def real_parts(home: Path) -> tuple[RealPart, RealPart]:
    """A Kafka and a Redis in that folder, with the parts that set-up has fetched."""
    shared = PartsSettings(home=default_home())
    ensure_parts(shared.home, print, shared)
    settings = PartsSettings(home=home, parts=shared.fetched, redis_maxmemory="256mb", kafka_heap="384m")
    ports = claim_ports(home, ["kafka", "kafka_controller", "redis"])
    kafka = LocalKafka(settings, ports["kafka"], ports["kafka_controller"])
    redis = LocalRedis(settings, ports["redis"])
    return RealPart(kafka, home), RealPart(redis, home)
