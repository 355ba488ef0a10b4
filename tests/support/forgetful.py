"""Readings that are answered in a new way each time, processes that come and go, a state store that may forget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import MemoryLog, MemoryState
from streams.events.envelope import header
from streams.events.identifiers import event_id
from streams.ports import Message, Record
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.failures import Patience, PutOff, attempt_of
from streams.runtime.processing.handling import Handling, Manner
from streams.runtime.processing.recollecting import Answers, Recollection
from tests.support.toy import DEAD, SAID, TOPIC, addressed, opened

REPORTS, RETRY = "toy.reports", "toy.retry"
MANNER = Manner(tries=1, retry_topic=RETRY, remembers=True)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANSWERS = Answers(
    topics=(REPORTS, SAID),
    kinds=frozenset({"report", "answer"}),
    ids=lambda request: (event_id(request, "report", 0), event_id(request, "answer", 0)),
)


class Crash(BaseException):
    """The process is killed."""


class Wire(MemoryLog):
    """A log that is read, and that a process may die in the middle of: after so many messages."""

    dies_after: int | None = None
    reads = 0

    async def send(self, messages: Sequence[Message]) -> None:
        if self.dies_after is not None and any(m.topic != RETRY for m in messages):
            await super().send(messages[: self.dies_after])
            raise Crash
        await super().send(messages)

    def read(
        self,
        topics: Sequence[str],
        *,
        follow: bool,
        since: datetime | None = None,
        keys: Sequence[bytes] | None = None,
    ) -> AsyncIterator[Record]:
        self.reads += 1
        return super().read(topics, follow=follow, since=since, keys=keys)


class ReadingScene:
    """Requests that are answered in a new way each time; processes come and go, the state store may forget."""

    def __init__(self) -> None:
        self.now = NOON
        self.state, self.log = MemoryState(), Wire(clock=lambda: self.now)
        self.asked, self.away = 0, False
        self.before: Callable[[], object] = lambda: None
        self.start()

    def start(self) -> None:
        """A new process, which has taken nothing yet and knows of no acknowledgement."""
        self.state = MemoryState(_held=self.state._held)
        outside = Outside(
            state=self.state,
            log=self.log,
            objects=MemoryObjects(),
            policy="p",
            deadletters=DEAD,
            addressed=addressed,
            patience=Patience(self.sleep),
        )
        self.recollection = Recollection(self.log, ANSWERS, lambda: self.now)
        self.handling = Handling("reading", self.handle, outside, MANNER, recollection=self.recollection)

    def flush(self) -> None:
        """The state store forgets everything."""
        self.state.flush()

    async def sleep(self, _seconds: float) -> None:
        self.log.away = False
        await asyncio.sleep(0)

    async def handle(self, record: Record) -> Sequence[Message]:
        self.asked += 1
        self.before()
        request = header(record.headers, "ce_id") or ""
        if self.away:
            attempt = attempt_of(record.headers) + 1
            raise PutOff("away", [self.said(SAID, record, event_id(request, "answer", attempt), "answer")])
        report, answer = ANSWERS.ids(request)
        return [self.said(REPORTS, record, report, "report"), self.said(SAID, record, answer, "answer")]

    def said(self, topic: str, record: Record, name: str, kind: str) -> Message:
        cause = header(record.headers, "ce_id") or ""
        about = {"ce_id": name, "ce_type": kind, "ce_causationid": cause, "ce_time": f"{self.asked}"}
        return Message(topic, record.key or b"", b"%d" % self.asked, [(n, v.encode()) for n, v in about.items()])

    def record(self, by: str = "a", at: datetime | None = None) -> Record:
        message = opened("1.2", by)
        headers = [(n, v) for n, v in message.headers if n != "ce_time"]
        headers.append(("ce_time", (at or self.now).isoformat().encode()))
        return self.log.append(TOPIC, message.key, message.value, headers)

    def on(self, topic: str) -> list[tuple[bytes | None, list[tuple[str, bytes]]]]:
        return [(r.value, r.headers) for r in self.log.records(topic)] if topic in self.log.topics else []

    def contradicted(self) -> set[str]:
        """Ids that stand for two contents."""
        contents: dict[str, object] = {}
        found: set[str] = set()
        for topic in (REPORTS, SAID):
            for content in self.on(topic):
                name = header(content[1], "ce_id") or ""
                if contents.setdefault(name, content) != content:
                    found.add(name)
        return found
