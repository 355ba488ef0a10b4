"""All that we ask of the outside, on one page; each port has a real adapter and a memory twin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from streams.contract import Contract
from streams.events.envelope import Envelope, Headers
from streams.events.identifiers import Digest
from streams.events.imaging import InstanceFacts
from streams.stage import Listing

Tensor = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Message:
    """An event on its way to a topic."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A message as Kafka holds it; `written_at` is its timestamp."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    written_at: datetime


class EventLog(Protocol):
    """Kafka, as far as we need it: the record."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Send in order and return when all are acknowledged by all in-sync replicas.

        Raises:
            BrokerAway: not acknowledged in time; some may have been written all the same.
        """

    def read(
        self,
        topics: Sequence[str],
        *,
        follow: bool,
        since: datetime | None = None,
        keys: Sequence[bytes] | None = None,
    ) -> AsyncIterator[Record]:
        """All records of the topics from `since` (else the beginning), partition by partition in order.

        follow: go on with what arrives; else end at the ends that the topics had at the call.
        keys: read only the partitions that these keys stand in, with all else that stands there; None: all.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object of the store: its size in bytes, and when it was last put, in seconds since 1970."""

    digest: str
    size: int
    stored_at: float


class ObjectStore(Protocol):
    """Bytes under their SHA-256."""

    def put(self, content: bytes) -> Digest:
        """Store durably (synced) and return the digest; what is there already is young again.

        Raises:
            NoRoom: the disk is nearly full.
        """

    def get(self, digest: str) -> bytes:
        """The bytes, their digest checked.

        Raises:
            ObjectMissing, ObjectDamaged.
        """

    def path(self, digest: str) -> Path:
        """Where the bytes lie, for readers that map files.

        Raises:
            ObjectMissing.
        """


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of an agent's input: all its keys share a hash tag in Redis."""

    agent: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the state store holds for a key.

    Attributes:
        version: 0 where there is nothing.
        parts: the parts asked for that exist, as their JSON.
        applied: this event was applied before.
        said: the outbox of the last event applied, if that was this one: to be sent again; else None.
    """

    version: int
    parts: Mapping[str, bytes]
    applied: bool
    said: tuple[Message, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one step writes, all or nothing.

    Attributes:
        version: the version it was loaded at; another one now means: start again.
        event: id of the event applied.
        parts: None deletes.
        timers: name to due time; None cancels.
        mark: every offset of this partition below it has been applied (the window's low end).
        known_mark: the mark that this worker has seen; a lower one in the store means that it lost its tail.
    """

    version: int
    event: str
    parts: Mapping[str, bytes | None]
    said: tuple[Message, ...]
    timers: Mapping[str, datetime | None] = field(default_factory=dict)
    listing: Listing | None = None
    mark: int
    known_mark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTimer:
    """A timer whose time has come."""

    place: Place
    key: str
    name: str
    due: datetime


class StateStore(Protocol):
    """Redis, as far as we need it: a view that can be rebuilt from the record."""

    async def load(self, place: Place, key: str, event: str, names: Sequence[str] | None) -> Loaded:
        """State of key: the named parts, or all (None); no names at all ask only whether the event was applied.

        A client may answer from what it wrote last: where another one has written since, the commit says so, and
        the next load reads.

        Raises:
            StateStoreAway.
        """

    async def commit(self, place: Place, key: str, change: Change) -> bool:
        """Write all of it atomically; False: the version has moved, or the event was applied before: start again.

        Raises:
            StateLost: the store's mark is lower than known_mark, or it lacks a commit that it acknowledged.
            StateStoreAway.
        """

    async def mark(self, place: Place) -> int | None:
        """Take the place: how far into the partition the store has come; None: it knows nothing."""

    async def holds(self, place: Place) -> bool:
        """Whether the store still holds all that it acknowledged to us since we took the place."""

    async def time(self) -> datetime:
        """The store's own clock, by which the timers of all workers fall due."""

    async def due(self, places: Sequence[Place], now: datetime, limit: int) -> list[DueTimer]:
        """Timers of these places that are due, the oldest first."""

    async def settle(self, timer: DueTimer) -> None:
        """The timer has been sent as an event: forget it, unless it was set anew meanwhile."""

    async def listed(self, agent: str, partitions: int, limit: int) -> list[tuple[str, datetime]]:
        """The agent's sorted view over all partitions: keys and read-by times, the earliest first."""

    async def count_listed(self, agent: str, partitions: int) -> int:
        """How many keys that view holds; its cost does not grow with them."""

    async def forget(self, timer: DueTimer) -> None:
        """Remove everything of the timer's key, and the timer; nothing where it was set anew or cancelled meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """The outputs of one call by name, the version that answered, and how long the server took.

    weights: SHA-256 of the weights that answered; empty: the server does not tell.
    """

    outputs: Mapping[str, Tensor]
    model_version: str
    seconds: float
    weights: str = ""


class ModelServer(Protocol):
    """Triton, as far as we need it."""

    async def infer(
        self, model: str, inputs: Mapping[str, Tensor], *, outputs: Sequence[str], request_id: str, deadline_s: float
    ) -> Inference:
        """Ask a model; cancelling the task cancels the call.

        Raises:
            ModelServerAway: no answer in time, the server or the model is away.
            ReadingBroken: the model refused these tensors.
        """

    async def ready(self, contract: Contract) -> None:
        """Return when the model answers its canary rightly.

        Raises:
            ModelServerAway: it is not there, or its answer is wrong; the text says which.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedSlice:
    """One decoded instance: its header's facts as the pixels' reader saw them, and where its pixels stand."""

    facts: InstanceFacts
    index: int


class PixelSource(Protocol):
    """Decoding, in a child process with limits."""

    async def decode(self, instances: Sequence[InstanceFacts], deadline_s: float) -> Tensor:
        """Stored values with rescale applied: int16 Hounsfield units [n, rows, columns], in the given order.

        Raises:
            QualityRejected: truncated, lying or undecodable pixels; the text names the first fault.
            ReadingBroken: the decoder crashed or ran past its limits.
            ObjectMissing, ObjectDamaged.
        """


class Outbox(Protocol):
    """The door's durable promise that an event is owed for stored bytes."""

    def owe(self, note: bytes) -> None:
        """Append and sync; returns when it is durable.

        Raises:
            NoRoom: too much is owed already.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One line of `wetread why`: when, what, and the sentence."""

    at: datetime
    what: str
    sentence: str
    envelope: Envelope
