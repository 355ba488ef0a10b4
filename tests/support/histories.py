"""A small history for the verifier: a day of the real flow in memory, whose every answer is known."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from streams.adapters.partitioning import partition_of
from streams.doors.shipping import traceparent
from streams.events.envelope import Envelope, timestamp, to_kafka
from streams.events.identifiers import digest_of, named_id
from streams.events.imaging import InstanceFacts, OrderPlaced, SeriesClosed
from streams.events.manifest import decode_manifest
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.events.watching import PriorityOverridden, ReportSigned, StudyOpened
from streams.flow import DEADLETTERS, PARTITIONS, RETRY, TOPICS, TRIAGE
from streams.oversight.story import story
from streams.policy import Policies, RetentionPolicy
from streams.runtime.processing.local import LocalFlow
from tests.support.history_rows import Row, Rows, uid
from tests.support.studies import (
    ALERTS,
    BLEED,
    HEAD,
    POLICIES,
    WAITING,
    answer_to,
    at,
    failure,
    series_facts,
    slice_of,
    stored,
    study_facts,
)

MIDDLE, SLOPE = 1500.0, 0.01
STEP = timedelta(milliseconds=2)
"""Between two records as the broker takes them."""
IMAGES, EARLY = 12, 10
ENDED_S = 300.0
KEEPING = replace(POLICIES, retention=RetentionPolicy(ended_days=ENDED_S / 86_400))


@dataclass
class _Day:
    """What is sent in it, and how the model in its place answers."""

    rows: Rows
    codes: dict[str, float] = field(default_factory=dict)
    said: list[Envelope] = field(default_factory=list)
    refusing: set[str] = field(default_factory=set)

    def study(self, number: int, kinds: tuple[str, ...], codes: tuple[float, float], start: float) -> str:
        """Twelve images, `codes` of the first ten and the last two; they come together unless it is a late one."""
        study, late = uid(number), "late" in kinds or "late-bleed" in kinds
        facts = study_facts(study=study, patient=f"{number:032x}", order=f"{number + 500:032x}")
        header = series_facts(uid(number, 1), body_part="CHEST" if "no-model" in kinds else "HEAD")
        images = [self._image(number, index, codes[index >= EARLY]) for index in range(IMAGES)]
        batches = [(images[:EARLY], start), (images[EARLY:], start + 20)] if late else [(images, start)]
        for batch, (some, when) in enumerate(batches, 1):
            event = stored(some, header, facts, f"A{number}.{batch}", when)
            self._door(event, study, when, f"A{number}.{batch}")
            counts = {header.series: len(some)}
            end = SeriesClosed(study=study, association=f"A{number}.{batch}", how="association-released", counts=counts)
            self._door(end, study, when + 0.3, f"A{number}.{batch}")
        self._plan(number, kinds, images, late=late)
        return study

    def _image(self, number: int, index: int, code: float) -> InstanceFacts:
        name = uid(number, 1, index + 1)
        facts = slice_of(uid(number, 1), index, 10.0, instance=name, digest=_sha(f"file {name}"))
        self.codes[name] = code
        row = {
            "name": facts.digest, "sha256": facts.digest, "bytes": 9, "dataset_sha256": _sha(name), "instance": name,
        }  # fmt: skip
        self.rows.objects.append(row)
        return facts

    def _plan(self, number: int, kinds: tuple[str, ...], images: list[InstanceFacts], *, late: bool) -> None:
        study = uid(number)
        read = not {"no-model", "bad-file"} & set(kinds)
        instances = [
            {
                "instance": i.instance, "series": uid(number, 1), "dataset_sha256": _sha(i.instance), "bytes": 9,
                "code": self.codes[i.instance] if read else None, "batch": 1 + (late and n >= EARLY),
                "conflicts": False,
            }
            for n, i in enumerate(images)
        ]  # fmt: skip
        bleeds = read and max(self.codes[i.instance] for i in images) > MIDDLE
        outcome = "ineligible" if "no-model" in kinds else "rejected" if "bad-file" in kinds else "analysed"
        self.rows.studies.append(
            {
                "study": study, "number": number, "kinds": list(kinds), "patient": f"{number:032x}",
                "order": f"{number + 500:032x}", "canaries": [f"CANARY^NAME{number:04}", f"PXIDENT{number:04}"],
                "birth_date": f"1931{number:02}07", "series": [uid(number, 1)], "instances": instances,
                "expected": {"outcome": outcome, "positive": bleeds if read else None, "alert": bleeds, "codes": []},
            }
        )  # fmt: skip
        for instance in instances:
            ack = {k: instance[k] for k in ("instance", "dataset_sha256", "batch")}
            self.rows.acks.append({**ack, "at": timestamp(at(0)), "study": study, "status": 0, "how": "answered"})

    def _door(self, event: object, key: str, seconds: float, association: str) -> None:
        name = named_id("test", key, type(event).__name__, association)
        self.said.append(
            Envelope(id=name, time=at(seconds), key="", data=event, traceparent=traceparent(association, key))
        )

    def person(self, event: StudyOpened | ReportSigned | PriorityOverridden, seconds: float) -> None:
        """Somebody says so."""
        name = named_id("test", repr(event))
        self.said.append(Envelope(id=name, time=at(seconds), key="", data=event))
        row = {"at": timestamp(at(seconds)), "what": "feedback", "study": event.study, "event": type(event).__name__}
        self.rows.others.append({**row, "id": name, "priority": getattr(event, "priority", None)})

    def order(self, number: int, priority: Any, seconds: float) -> None:
        """An order of a study comes."""
        order = f"{number + 500:032x}"
        self._door(OrderPlaced(order=order, priority=priority), order, seconds, order)
        row = {"at": timestamp(at(seconds)), "what": "order", "order": order, "priority": priority}
        self.rows.others.append({**row, "study": uid(number), "file": None})

    def read(self, flow: LocalFlow, request: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        """The brightest image decides."""
        instances = [i.instance for i in decode_manifest(flow.objects[request.manifest]).instances]
        if request.study in self.refusing:
            return failure(
                "quality", request.revision, request.model, reading=request.reading, study=request.study,
                series=request.series.series,
            )  # fmt: skip
        return answer_to(request, (max(self.codes[i] for i in instances) - MIDDLE) * SLOPE)


def a_day(*, leaving: bool = False) -> Rows:
    """Eight studies: what is found, what is not, what comes late, what nobody reads, and what people do with them.

    leaving: what was read is let go within the day.
    """
    day = _Day(Rows(_the_plan(ENDED_S if leaving else None)))
    day.study(1, (), (1200, 1210), 0)
    day.study(2, ("bleed", "ordered"), (1700, 1620), 1)
    day.order(2, "stat", 0.5)
    day.study(3, ("late-bleed",), (1220, 1710), 2)
    day.study(4, ("no-model",), (1300, 1300), 3)
    day.refusing.add(day.study(5, ("bad-file",), (1300, 1300), 4))
    day.person(ReportSigned(study=day.study(6, ("bleed", "read"), (1810, 1800), 5), by="anna"), 40)
    day.person(StudyOpened(study=day.study(7, ("opened",), (1230, 1240), 6), by="anna"), 41)
    over = day.study(8, ("overridden",), (1250, 1260), 7)
    day.person(PriorityOverridden(study=over, by="anna", priority="urgent"), 42)
    return _played(day, KEEPING if leaving else POLICIES)


def _the_plan(ended_s: float | None) -> Row:
    return {
        "schema": 1, "seed": 7, "minutes": 1, "rate": 1, "torments": [], "protections_off": [],
        "partitions": PARTITIONS, "began_at": timestamp(at(0)), "mono": 0.0,
        "model": {"name": HEAD.name, "finding": BLEED, "threshold": HEAD.finding.threshold, "versions": ["1.0.0"]},
        "score": {"slope": SLOPE, "middle": MIDDLE},
        "alerts_on": list(ALERTS.findings),
        "waits": {
            "by_priority": dict(WAITING.by_priority), "by_finding": dict(WAITING.by_finding),
            "no_ai_after_s": WAITING.no_ai_after_s,
        },
        "topics": [t.name for t in TOPICS],
        "unordered": POLICIES.routing.unordered,
        "ended_s": ended_s,
    }  # fmt: skip


def _played(day: _Day, policies: Policies) -> Rows:
    flow = LocalFlow(policies, (HEAD,), lambda request: day.read(flow, request))
    for envelope in sorted(day.said, key=lambda e: e.time):
        flow.advance(envelope.time)
        flow.put(envelope)
    flow.advance(at(1000))
    rows = day.rows
    records = [(topic, envelope) for topic, envelopes in flow.records.items() for envelope in envelopes]
    for topic in (*(t.name for t in TOPICS), *RETRY.values(), DEADLETTERS):
        rows.topics[topic] = _dumped(topic, flow.records.get(topic, []))
    rows.objects += [
        {"name": d, "sha256": digest_of(c), "bytes": len(c), "dataset_sha256": None, "instance": None}
        for d, c in flow.objects.items()
    ]
    listed = sorted(flow.listed[TRIAGE].items(), key=lambda pair: pair[1])
    rows.worklist = [{"study": study, "read_by": timestamp(read_by)} for study, read_by in listed]
    for row in rows.studies:
        told = story(records, row["study"])
        lines = [{"event": s.event, "what": s.what, "at": str(s.at), "sentence": s.sentence} for s in told]
        rows.why.append({"study": row["study"], "story": [{**line, "topic": ""} for line in lines]})
    return rows


def _dumped(topic: str, envelopes: list[Envelope]) -> list[Row]:
    ends: dict[int, int] = defaultdict(int)
    rows = []
    before: datetime | None = None
    for envelope in envelopes:
        key, value, headers = to_kafka(envelope)
        partition = partition_of(key, PARTITIONS)
        before = envelope.time if before is None else max(before + STEP, envelope.time)
        rows.append(
            {
                "topic": topic, "partition": partition, "offset": ends[partition],
                "timestamp": round(before.timestamp() * 1000), "key": key.decode(),
                "headers": [(name, text.decode()) for name, text in headers], "value": value.decode(),
            }
        )  # fmt: skip
        ends[partition] += 1
    return rows


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
