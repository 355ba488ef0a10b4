"""A whole stack of the bench's own, and a subscriber that notes when it could read each alert."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaConsumer

from streams.errors import SetAside
from streams.events.envelope import from_kafka
from streams.events.reading import ReadingAnswered
from streams.events.telling import AlertRaised
from streams.runtime.settings import Settings, default_home, load
from streams.runtime.stack import services
from streams.runtime.stack.stack import Stack
from streams.runtime.wiring import addresses

HEARD_FROM = ("triage.alerts", "triage.findings")


@dataclass(frozen=True, slots=True)
class Told:
    """One study's alert, in seconds.

    Attributes:
        whole: last slice stored (the door's clock) to the alert in a subscriber's hands.
        pixels: fetching, decoding, geometry and tensors. model: the model server's part.
    """

    study: str
    whole: float
    pixels: float
    model: float

    @property
    def without_model(self) -> float:
        """What is promised a limit."""
        return self.whole - self.model

    @property
    def flow(self) -> float:
        """Doors, Kafka, decisions, Redis: neither model nor pixels."""
        return self.whole - self.model - self.pixels


@dataclass(slots=True)
class Subscriber:
    """Plain kafka-python in a thread, as somebody outside would listen.

    Attributes:
        stack: whose record it listens to.
    """

    bootstrap: str
    stack: Stack
    _answered: dict[str, ReadingAnswered] = field(default_factory=dict)
    _alerts: dict[str, tuple[float, AlertRaised]] = field(default_factory=dict)
    _moved: threading.Condition = field(default_factory=threading.Condition)
    _ended: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Until `end` is called."""
        consumer = KafkaConsumer(*HEARD_FROM, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        while not self._ended.is_set():
            for records in consumer.poll(timeout_ms=200).values():
                now = time.time()
                for record in records:
                    self._take(now, record.value, record.headers)
        consumer.close()

    def _take(self, now: float, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        try:
            event = from_kafka(value, headers).data
        except SetAside:
            return
        with self._moved:
            if isinstance(event, AlertRaised):
                self._alerts.setdefault(event.study, (now, event))
            elif isinstance(event, ReadingAnswered):
                self._answered.setdefault(event.study, event)
            self._moved.notify_all()

    def pids(self) -> dict[str, int]:
        """The process of each part, worker and door."""
        return {state.name: state.pid for state in self.stack.states if state.pid is not None}

    def wait_for(self, studies: set[str], timeout_s: float) -> None:
        """Return when each of the studies has alerted and its answer was seen, or the time is over."""
        with self._moved:
            self._moved.wait_for(lambda: studies <= self._alerts.keys() & self._answered.keys(), timeout_s)

    def told(self, studies: list[str]) -> list[Told]:
        """The alerts of these studies, in their order; what did not come is left out."""
        return [self._told(study) for study in studies if study in self._alerts and study in self._answered]

    def _told(self, study: str) -> Told:
        heard, alert = self._alerts[study]
        answer = self._answered[study]
        whole = heard - alert.last_stored_at.timestamp()
        return Told(study, whole, answer.pixels_seconds, answer.model_seconds)

    def end(self) -> None:
        """Let the thread go."""
        self._ended.set()


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """These settings and no others of ours, for this process and for the children that it starts meanwhile."""
    own = os.environ  # noqa: TID251  # the children's environment is this process' own
    before = dict(own)
    for name in [name for name in own if name.startswith("WETREAD_")]:
        del own[name]
    own.update(wanted)
    try:
        yield
    finally:
        own.clear()
        own.update(before)


@contextmanager
def listening(
    models: Path | None = None, told: Mapping[str, str] | None = None
) -> Iterator[tuple[Settings, Subscriber]]:
    """A stack in a folder of its own, with these models (else the shipped ones) and settings, and its subscriber."""
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as folder:
        home = Path(folder)
        (default_home() / "parts").mkdir(parents=True, exist_ok=True)
        (home / "parts").symlink_to(default_home() / "parts")
        wanted = {"WETREAD_HOME": folder, **({"WETREAD_MODELS": str(models)} if models else {}), **(told or {})}
        with _environment(wanted):
            settings = load()
            stack = services.start(settings, lambda text: print(f"  {text}", flush=True))
        subscriber = Subscriber(addresses(settings).kafka, stack)
        thread = threading.Thread(target=subscriber.listen, name="subscriber", daemon=True)
        try:
            thread.start()
            yield settings, subscriber
        finally:
            subscriber.end()
            thread.join(10)
            stack.stop()
