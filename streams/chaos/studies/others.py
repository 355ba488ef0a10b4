"""What does not come by C-STORE: orders, what people say, bad files, poison, a flood of retries."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from streams.chaos.history import History
from streams.chaos.studies.plan import PRIORITIES, Study
from streams.doors.pseudonym import Pseudonyms
from streams.events.codec import PREFIX, type_name
from streams.events.envelope import Envelope, to_kafka
from streams.events.identifiers import named_id
from streams.events.imaging import TimerFired
from streams.events.watching import PriorityOverridden, ReportSigned, StudyOpened
from streams.flow import RETRY, addressed

POISON = ("no-json", "unknown-type", "no-id", "wrong-key")
BAD_FILES = ("noise", "cut", "lying-meta")
FLOOD_WAITS_S = 20
CLOSE_S = 10.0


@dataclass(slots=True)
class Others:
    """Says it, and writes down what was taken.

    Attributes:
        inbox: the watched folder.
        kafka: where the record is.
    """

    inbox: Path
    kafka: str
    pseudonyms: Pseudonyms
    history: History
    number: int = 0

    def order(self, study: Study) -> None:
        """The study's order, as a file of the order door."""
        accession = study.who.accession
        content = json.dumps({"accession": accession, "priority": study.priority}).encode()
        self._drop(self.inbox / "orders", f"order-{study.number}.json", content)
        self.history.happened(
            "others", what="order", order=self.pseudonyms.order(accession), priority=study.priority, study=study.study,
            file=f"order-{study.number}.json",
        )  # fmt: skip

    def say(self, study: Study, said: str) -> None:
        """What people do with a study, on the record: read, opened or overridden."""
        chance = random.Random(study.study)
        now, priority = datetime.now(UTC), chance.choice(PRIORITIES)
        event: Any
        match said:
            case "read":
                event = ReportSigned(study=study.study, by="chaos")
            case "opened":
                event = StudyOpened(study=study.study, by="chaos")
            case _:
                event = PriorityOverridden(study=study.study, by="chaos", priority=priority)
        kind = type(event).__name__
        envelope = Envelope(id=named_id("chaos", kind, study.study), time=now, key=study.study, data=event)
        for topic, one in addressed(envelope, "door"):
            self._put(topic, *to_kafka(one))
        self.history.happened(
            "others", what="feedback", study=study.study, event=kind, id=envelope.id,
            priority=priority if kind == "PriorityOverridden" else None,
        )  # fmt: skip

    def bad_file(self, chance: random.Random) -> str:
        """A file that is none, into the watched folder."""
        kind = chance.choice(BAD_FILES)
        content = chance.randbytes(chance.randint(1, 5000))
        if kind == "cut":
            content = bytes(128) + b"DICM" + content[:40]
        elif kind == "lying-meta":
            content = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00\xff\xff\xff\x7f" + content
        self.number += 1
        self._drop(self.inbox, f"bad-{self.number}.dcm", content)
        self.history.happened("others", what="bad-file", sha256=hashlib.sha256(content).hexdigest(), kind=kind)
        return kind

    def poison(self, chance: random.Random) -> str:
        """An event that nobody can handle, onto a topic that decides."""
        kind, topic = chance.choice(POISON), chance.choice(("imaging.instances", "triage.findings"))
        self.number += 1
        key, identity = f"1.2.3.{self.number}", named_id("chaos", "poison", str(self.number))
        headers = [
            ("ce_specversion", b"1.0"), ("ce_id", identity.encode()), ("ce_source", b"/wetread/chaos"),
            ("ce_type", type_name(TimerFired).encode()), ("ce_subject", key.encode()),
            ("ce_time", datetime.now(UTC).isoformat().encode()), ("content-type", b"application/json"),
        ]  # fmt: skip
        value = b'{"key": "%s", "stage": "nobody", "name": "nothing"}' % key.encode()
        if kind == "no-json":
            value = b"\xff\xfe not JSON"
        elif kind == "unknown-type":
            headers = [(n, f"{PREFIX}NeverHeardOf.v9".encode() if n == "ce_type" else v) for n, v in headers]
        elif kind == "no-id":
            headers = [(n, v) for n, v in headers if n != "ce_id"]
        at = self._put(topic, (f"{key}9" if kind == "wrong-key" else key).encode(), value, headers)
        self.history.happened(
            "others", what="poison", topic=topic, partition=at.partition, offset=at.offset,
            id=None if kind == "no-id" else identity, kind=kind,
        )  # fmt: skip
        return f"{kind} on {topic}"

    def flood(self, count: int) -> int:
        """Readings that were asked for already, onto their retry topic, all at once."""
        topic = "triage.readings.routine"
        consumer = KafkaConsumer(
            topic, bootstrap_servers=self.kafka, group_id=None, auto_offset_reset="earliest", consumer_timeout_ms=3000
        )
        try:
            known = [(r.key, r.value, list(r.headers)) for r in consumer][-50:]
        finally:
            consumer.close()
        if not known:
            return 0
        later = (datetime.now(UTC) + timedelta(seconds=FLOOD_WAITS_S)).isoformat().encode()
        producer = KafkaProducer(bootstrap_servers=self.kafka)
        try:
            for number in range(count):
                key, value, headers = known[number % len(known)]
                own = [(n, v) for n, v in headers if not n.startswith("wetread-")]
                own += [("wetread-not-before", later), ("wetread-attempt", b"1")]
                producer.send(RETRY[topic], key=key, value=value, headers=own)
            producer.flush(30)
        finally:
            producer.close(timeout=CLOSE_S)
        self.history.happened("others", what="retry-flood", topic=RETRY[topic], count=count)
        return count

    def _put(self, topic: str, key: bytes, value: bytes, headers: Any) -> Any:
        producer = KafkaProducer(bootstrap_servers=self.kafka)
        try:
            return producer.send(topic, key=key, value=value, headers=list(headers)).get(30)
        finally:
            producer.close(timeout=CLOSE_S)

    def _drop(self, folder: Path, name: str, content: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{name}"
        part.write_bytes(content)
        part.rename(folder / name)
