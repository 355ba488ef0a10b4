"""Made-up studies for tests of what decides: events of one study in a few words each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.contract import (
    Answer,
    Calibration,
    Contract,
    FindingRule,
    MeasureRule,
    Needs,
    Tensors,
)
from streams.events.envelope import Envelope
from streams.events.identifiers import digest_of, named_id
from streams.events.imaging import (
    Choice,
    InstanceFacts,
    InstancesStored,
    SeriesClosed,
    SeriesFacts,
    SeriesSummary,
    StudyAssembled,
    StudyFacts,
    StudyRouted,
    TimerFired,
)
from streams.events.quality import QUALITY_CODES
from streams.events.reading import Code, FindingMade, ReadingAnswered, ReadingFailed, ReadingRequested
from streams.policy import AlertPolicy, AssemblyPolicy, Policies, QualityPolicy, RoutingPolicy, WaitingPolicy

T0 = datetime(2026, 3, 1, 10, 37, tzinfo=UTC)
STUDY, PATIENT, ORDER = "1.2.840.1", "p" * 16, "o" * 16
BLEED = "intracranial_haemorrhage"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

ASSEMBLY = AssemblyPolicy(quiet_s=2, longest_s=60, forget_s=3600)
ROUTING = RoutingPolicy(
    unordered="routine",
    lanes={"stat": "urgent", "urgent": "urgent", "routine": "routine"},
    body_parts={"head": ("HEAD", "BRAIN"), "chest": ("CHEST", "LUNG")},
    roles={},
    thresholds={},
)
WAITING = WaitingPolicy(
    by_priority={"stat": 1800, "urgent": 3600, "routine": 86400}, by_finding={BLEED: 300}, no_ai_after_s=120
)
ALERTS = AlertPolicy(findings=(BLEED,))
QUALITY = QualityPolicy(
    severity=dict.fromkeys(QUALITY_CODES, "warn"),
    threshold={code: 1e9 for code, unit in QUALITY_CODES.items() if unit},
    withholds=("gap",),
)
POLICIES = Policies(
    assembly=ASSEMBLY, routing=ROUTING, waiting=WAITING, alerts=ALERTS, quality=QUALITY, digest="d" * 64
)

HEAD = Contract(
    schema=1,
    name="ich",
    version="1.0.0",
    title="Finds bleeds",
    role="live",
    needs=Needs(
        modality=("CT",),
        body_part="head",
        orientation="axial",
        contrast="none",
        coverage_mm=100.0,
        slices_min=10,
        thickness_mm=(0.4, 10.0),
        prefer_thickness_mm=5.0,
        max_gap=1.9,
    ),
    tensors=Tensors(function="head_slabs", inputs={}, outputs={}),
    answer=Answer(function="slices_and_mask", study_logit="STUDY"),
    finding=FindingRule(
        name=BLEED,
        code=Code(scheme="SCT", value="1386000", meaning="Intracranial haemorrhage"),
        threshold=0.5,
        calibration=Calibration(a=1.0, b=0.0),
    ),
    measure=MeasureRule(name="haemorrhage_volume", unit="ml", report=True),
)


def at(seconds: float) -> datetime:
    """T0 and so many seconds."""
    return T0 + timedelta(seconds=seconds)


def study_facts(**changes: Any) -> StudyFacts:
    return replace(StudyFacts(study=STUDY, patient=PATIENT, order=ORDER, age_years=70, sex="F"), **changes)


def series_facts(series: str = "1.2.1", **changes: Any) -> SeriesFacts:
    facts = SeriesFacts(series=series, modality="CT", number=2, body_part="HEAD", pixel_spacing_mm=(0.5, 0.5))
    return replace(facts, **changes)


def slice_of(series: str, index: int, step: float = 5.0, **changes: Any) -> InstanceFacts:
    """The index-th slice of an axial series."""
    uid = f"{series}.{index}"
    facts = InstanceFacts(
        instance=uid,
        sop_class="1.2.840.10008.5.1.4.1.1.2",
        digest=digest_of(uid.encode()),
        size=1000,
        number=index + 1,
        position_mm=(-100.0, -100.0, index * step),
        orientation=AXIAL,
        thickness_mm=step,
        rows=512,
        columns=512,
    )
    return replace(facts, **changes)


def stack(series: str, count: int = 28, step: float = 5.0, **changes: Any) -> tuple[InstanceFacts, ...]:
    return tuple(slice_of(series, i, step, **changes) for i in range(count))


def stored(
    instances: Sequence[InstanceFacts],
    series: SeriesFacts | None = None,
    facts: StudyFacts | None = None,
    association: str = "A",
    seconds: float = 0.0,
) -> InstancesStored:
    return InstancesStored(
        facts=facts or study_facts(),
        series=series or series_facts(),
        instances=tuple(instances),
        door="dimse",
        association=association,
        stored_at=at(seconds),
    )


def released(counts: dict[str, int], association: str = "A", how: Any = "association-released") -> SeriesClosed:
    return SeriesClosed(study=STUDY, association=association, how=how, counts=counts)


def timer(name: str, stage: str = "assembly") -> TimerFired:
    return TimerFired(key=STUDY, stage=stage, name=name)


def summary(series: str = "1.2.1", facts: SeriesFacts | None = None, **changes: Any) -> SeriesSummary:
    made = SeriesSummary(
        facts=facts or series_facts(series),
        count=28,
        manifest=digest_of(series.encode()),
        whole_by="association-released",
        orientation="axial",
        coverage_mm=140.0,
        spacing_mm=5.0,
        thickness_mm=5.0,
        first_stored_at=T0,
        last_stored_at=at(3),
    )
    return replace(made, **changes)


def assembled(*series: SeriesSummary, revision: int = 1, **changes: Any) -> StudyAssembled:
    made = StudyAssembled(
        facts=study_facts(),
        revision=revision,
        priority="routine",
        series=series,
        changed=tuple(s.facts.series for s in series),
        first_stored_at=T0,
        last_stored_at=at(3),
    )
    return replace(made, **changes)


def routed(
    revision: int = 1,
    models: Sequence[str] = ("ich",),
    read_in: int | None = None,
    shadows: Sequence[str] = (),
    **changes: Any,
) -> StudyRouted:
    made = StudyRouted(
        facts=study_facts(),
        revision=revision,
        priority="routine",
        modality="CT",
        chosen=tuple(
            Choice(model=m, series="1.2.1", why="fits", read_in=read_in, role="shadow" if m in shadows else "live")
            for m in (*models, *shadows)
        ),
        declined=(),
        first_stored_at=T0,
        last_stored_at=at(3),
    )
    return replace(made, **changes)


def answer(logit: float = 3.0, revision: int = 1, model: str = "ich", **changes: Any) -> ReadingAnswered:
    made = ReadingAnswered(
        reading=named_id("reading", STUDY, str(revision), model),
        study=STUDY,
        revision=revision,
        model=model,
        model_version="1.0.0",
        model_digest="m" * 64,
        role="live",
        series="1.2.1",
        study_logit=logit,
        mask_ml=12.5,
        pixels_seconds=0.1,
        model_seconds=0.2,
        last_stored_at=at(3),
    )
    return replace(made, **changes)


def answer_to(request: ReadingRequested, logit: float = 3.0) -> ReadingAnswered:
    """The answer of a model to this very request."""
    return answer(
        logit,
        request.revision,
        request.model,
        reading=request.reading,
        study=request.study,
        role=request.role,
        series=request.series.series,
        last_stored_at=request.last_stored_at,
    )


def failure(kind: Any = "failed", revision: int = 1, model: str = "ich", **changes: Any) -> ReadingFailed:
    made = ReadingFailed(
        reading=named_id("reading", STUDY, str(revision), model),
        study=STUDY,
        revision=revision,
        model=model,
        role="live",
        series="1.2.1",
        kind=kind,
        reason="Gap of 20 mm." if kind == "quality" else "The decoder crashed.",
        final=True,
    )
    return replace(made, **changes)


def found(score: float = 0.93, revision: int = 1, model: str = "ich", **changes: Any) -> FindingMade:
    made = FindingMade(
        study=STUDY,
        revision=revision,
        model=model,
        model_version="1.0.0",
        role="live",
        series="1.2.1",
        name=BLEED,
        code=HEAD.finding.code,
        score=score,
        threshold=0.5,
        positive=score >= 0.5,
        model_seconds=0.2,
        last_stored_at=at(3),
    )
    return replace(made, **changes)


def envelope(event: Any, seconds: float = 0.0, name: str = "") -> Envelope:
    """The event as a door says it; its name follows from what it is, so that the same twice is a repeat."""
    return Envelope(id=named_id("test", name or repr(event)), time=at(seconds), key="", data=event)
