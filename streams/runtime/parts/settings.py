"""What the local stack is told about its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsSettings:
    """Where the stack keeps everything, and which parts are already running elsewhere.

    Attributes:
        home: folder of this stack alone: data, logs, ports, state.
        parts: folder of what was fetched; may be shared by several homes. None: `home/parts`.
        kafka: bootstrap address `host:port` of a running Kafka; None: start one.
        redis: address `redis://host:port/0` of a running Redis; None: start one.
        triton: gRPC address `host:port` of a running Triton; None: start one.
        redis_maxmemory: bytes, or with Redis' units ("1gb"); at the limit writes are refused, nothing is evicted.
        kafka_heap: the JVM's heap, in its units.
        kafka_advertised: port that Kafka names to its clients, where something stands before it; None: its own.
        kafka_retention_hours: how long the record is kept.
        model_folders: folders whose sub-folders are models (config.pbtxt and numbered versions).
        triton_shared_memory: bytes of shared memory that each model instance starts with; it grows as needed.
    """

    home: Path
    parts: Path | None = None
    kafka: str | None = None
    redis: str | None = None
    triton: str | None = None
    redis_maxmemory: str = "1gb"
    kafka_heap: str = "512m"
    kafka_advertised: int | None = None
    kafka_retention_hours: int = 24 * 30
    model_folders: tuple[Path, ...] = ()
    triton_shared_memory: int = 8 * MIB

    @property
    def fetched(self) -> Path:
        """The folder of what was fetched."""
        return (self.parts or self.home / "parts").absolute()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the parts answer; what a worker or a door is given.

    Attributes:
        kafka: bootstrap `host:port`.
        redis: URL.
        triton: gRPC `host:port`.
        triton_http, triton_metrics: `host:port`, None where a running Triton replaces ours.
    """

    kafka: str
    redis: str
    triton: str
    triton_http: str | None = None
    triton_metrics: str | None = None
