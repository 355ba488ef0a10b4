"""THE MAP: every topic, every agent in order, and where each event travels; all else comes from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streams.arrival.step import arrival
from streams.assembly.step import assembly
from streams.contract import Contract
from streams.delivery.step import delivery
from streams.events import imaging, measuring, quality, reading, telling, watching
from streams.events.envelope import Envelope
from streams.findings.step import findings
from streams.growth.step import growing
from streams.oversight.orders import orders
from streams.policy import RECORD_DAYS, Policies
from streams.priority.step import priority
from streams.retention.step import retention
from streams.routing.step import routing
from streams.stage import Agent

PARTITIONS = 8
"""Of every topic that is keyed by study: topics keyed alike have equal numbers and one partitioner."""

YEARS = 20 * 366
"""Days: a nodule's priors lie years back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic of the contract: what its key names, what it carries, who may listen."""

    name: str
    key: str
    carries: tuple[type, ...]
    about: str
    inside: bool = False
    """True: the flow's own; outsiders may read it, but need not."""
    partitions: int = PARTITIONS
    retention_days: int = RECORD_DAYS


TOPICS: tuple[Topic, ...] = (
    Topic(
        name="imaging.instances",
        key="study",
        carries=(
            imaging.InstancesStored,
            imaging.SeriesClosed,
            imaging.OrderMatched,
            imaging.TimerFired,
            watching.StudyLetGo,
        ),
        about="Images as they are stored, what tells that a series is whole, and that a study is kept no longer.",
        inside=True,
    ),
    Topic(
        name="imaging.orders",
        key="order",
        carries=(imaging.OrderPlaced, imaging.AccessionSeen),
        about="Orders with their priority, and the studies that name them.",
    ),
    Topic(
        name="imaging.studies",
        key="study",
        carries=(
            imaging.StudyAssembled,
            imaging.StudyRouted,
            imaging.StudyIneligible,
            imaging.InstanceConflicted,
        ),
        about="Studies that stand as a whole, and which models read them.",
    ),
    Topic(
        name="imaging.quality",
        key="study",
        carries=(quality.QualityReported,),
        about="What was measured on each series before a model was asked, and what is wrong with it.",
    ),
    Topic(
        name="triage.readings.urgent",
        key="study",
        carries=(reading.ReadingRequested,),
        about="Readings asked for, the urgent lane.",
        inside=True,
    ),
    Topic(
        name="triage.readings.routine",
        key="study",
        carries=(reading.ReadingRequested,),
        about="Readings asked for, the routine lane: its backlog never delays the other.",
        inside=True,
    ),
    Topic(
        name="triage.findings",
        key="study",
        carries=(
            imaging.StudyRouted,
            imaging.StudyIneligible,
            imaging.PriorityChanged,
            reading.ReadingAnswered,
            reading.ReadingFailed,
            reading.FindingMade,
            watching.StudyOpened,
            watching.ReportSigned,
            watching.PriorityOverridden,
            imaging.TimerFired,
        ),
        about="All that triage hears of a study, in the order in which it decided, and the findings made.",
    ),
    Topic(
        name="triage.measurements",
        key="patient",
        carries=(telling.MeasurementMade, measuring.LesionsMeasured, measuring.GrowthMeasured),
        about="Measurements and lesions, so that a later study of the same patient finds them; and how they grew.",
        retention_days=YEARS,
    ),
    Topic(
        name="triage.worklist",
        key="study",
        carries=(telling.PlaceChanged,),
        about="By when each study is to be read, and why.",
    ),
    Topic(
        name="triage.alerts",
        key="study",
        carries=(telling.AlertRaised, telling.AlertUpdated, telling.AlertClosed),
        about="Alerts: subscribe here.",
    ),
    Topic(
        name="triage.feedback",
        key="study",
        carries=(watching.StudyOpened, watching.ReportSigned, watching.PriorityOverridden),
        about="What people did with a study.",
    ),
    Topic(
        name="triage.outcomes",
        key="study",
        carries=(watching.StudyClosed,),
        about="How each revision of each study ended: exactly one event each.",
    ),
)
BY_NAME = {topic.name: topic for topic in TOPICS}
RETRY = {f"triage.readings.{lane}": f"triage.readings.{lane}.retry" for lane in ("urgent", "routine")}
DEADLETTERS = "triage.deadletters"

INTAKE, ORDERS, FEEDBACK, TRIAGE, GROWTH = "intake", "orders", "feedback", "triage", "growth"
READING = {"urgent": "reading-urgent", "routine": "reading-routine"}


_GROWTH = Agent(
    name=GROWTH,
    title="holds the lesions of each study against the patient's earlier ones",
    topic="triage.measurements",
    keyed_by="patient",
    stages=(growing(),),
)


def agents(policies: Policies, contracts: Sequence[Contract], earlier: Sequence[Contract] = ()) -> tuple[Agent, ...]:
    """The agents that decide, in the order of the flow, under these policies and contracts.

    earlier: contracts of versions that answered before, whose answers may still come.
    """
    models = tuple(contracts)
    return (
        Agent(
            name=ORDERS,
            title="joins orders to studies by accession number",
            topic="imaging.orders",
            keyed_by="order",
            stages=(orders(policies.retention),),
        ),
        Agent(
            name=INTAKE,
            title="arrival -> assembly -> routing: images become a study, models are chosen",
            topic="imaging.instances",
            keyed_by="study",
            stages=(
                arrival(),
                assembly(policies.assembly, policies.routing.unordered, policies.retention),
                routing(policies.routing, models),
            ),
        ),
        Agent(
            name=TRIAGE,
            title="findings -> priority -> delivery: scores become findings, a place, alerts",
            topic="triage.findings",
            keyed_by="study",
            stages=(
                findings(policies.routing, models, policies.quality.withholds, earlier),
                priority(policies.waiting),
                delivery(policies.alerts, policies.waiting),
                retention(policies.retention),
            ),
        ),
        _GROWTH,
    )


def destinations(event: object, agent: str) -> tuple[str, ...]:
    """The topics that an event goes to when this agent, edge or door says it; none: it stays inside."""
    if isinstance(event, imaging.StudyRouted | imaging.StudyIneligible):
        return ("imaging.studies", "triage.findings")
    if isinstance(event, reading.ReadingRequested):
        return (f"triage.readings.{event.lane}",)
    if isinstance(event, imaging.TimerFired):
        return ({INTAKE: "imaging.instances", TRIAGE: "triage.findings"}[agent],)
    if isinstance(event, watching.StudyOpened | watching.ReportSigned | watching.PriorityOverridden):
        return ("triage.findings",) if agent == FEEDBACK else ("triage.feedback",)
    return tuple(topic.name for topic in TOPICS if isinstance(event, topic.carries))


def key_of(topic: str, event: object) -> str:
    """The key of an event on a topic: what the map says that the topic is keyed by."""
    field = BY_NAME[topic].key
    if isinstance(event, imaging.TimerFired):
        return event.key
    found = getattr(event, field, None)
    if found is None:
        found = getattr(event.facts, field)  # type: ignore[attr-defined]  # events about a study carry its facts
    return str(found)


def addressed(envelope: Envelope, agent: str) -> tuple[tuple[str, Envelope], ...]:
    """The envelope once for each of its topics, with that topic's key."""
    return tuple(
        (topic, replace(envelope, key=key_of(topic, envelope.data))) for topic in destinations(envelope.data, agent)
    )
