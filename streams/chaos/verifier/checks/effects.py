"""What must follow has followed: every effect that an event has by the contract stands on its topic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.violations import Violation, broken

NAME = "effects"
TWICE = ("imaging.studies", "triage.findings")
"""Topics on which a route stands, each for its own readers."""


def check(history: History) -> Iterator[Violation]:
    """Study by study; alerts, outcomes and feedback have checks of their own."""
    for study in history.studies:
        yield from _conflicts(history, study)
        yield from _routes(history, study)
        yield from _requests(history, study)
        yield from _findings(history, study)
        yield from _measurements(history, study)
        yield from _closings(history, study)
        yield from _updates(history, study)


def _missing(study: str, what: str, because: Event) -> Violation:
    return broken(NAME, study, f"no {what} followed {because.type} {because.id}", [because], effect="lost")


def _conflicts(history: History, study: str) -> Iterator[Violation]:
    """One UID with two contents is told, with the one that was refused."""
    digests: dict[str, dict[str, Event]] = defaultdict(dict)
    for event in history.record.on("imaging.instances", study):
        for one in event.body["instances"] if event.type == "InstancesStored" else ():
            digests[one["instance"]].setdefault(one["digest"], event)
    told = {(e.body["instance"], e.body["refused"]) for e in history.record.about(study, "InstanceConflicted")}
    for instance, known in digests.items():
        for digest, event in list(known.items())[1:]:  # the first is kept
            if (instance, digest) not in told:
                yield _missing(study, f"InstanceConflicted of {instance}", event)


def _routes(history: History, study: str) -> Iterator[Violation]:
    """Each revision has a route, on both topics, and a place."""
    where = {topic: {event.id for event in history.record.on(topic, study)} for topic in TWICE}
    places = {event.revision for event in history.record.about(study, "PlaceChanged")}
    routed = {event.revision: event for event in history.record.about(study, "StudyRouted", "StudyIneligible")}
    for event in history.record.about(study, "StudyAssembled"):
        if event.revision not in routed:
            yield _missing(study, f"route of revision {event.revision}", event)
    for event in routed.values():
        for topic, ids in where.items():
            if event.id not in ids:
                yield _missing(study, f"copy of it on {topic}", event)
        if places and event.revision not in places:
            yield _missing(study, f"place of revision {event.revision}", event)


def _requests(history: History, study: str) -> Iterator[Violation]:
    """Each model that was chosen is asked, unless its earlier answer stands."""
    asked = {(e.body["model"], e.revision) for e in history.record.about(study, "ReadingRequested")}
    for event in history.record.about(study, "StudyRouted"):
        for choice in event.body.get("chosen", ()):
            if not choice.get("read_in") and (choice["model"], event.revision) not in asked:
                yield _missing(study, f"ReadingRequested of {choice['model']}", event)


def _findings(history: History, study: str) -> Iterator[Violation]:
    """Each reading that was answered has its finding."""
    found = {(e.body["model"], e.revision) for e in history.record.about(study, "FindingMade")}
    for event in history.record.about(study, "ReadingAnswered"):
        if (event.body["model"], event.revision) not in found:
            yield _missing(study, "FindingMade", event)


def _measurements(history: History, study: str) -> Iterator[Violation]:
    """Each number of a finding, and its lesions, are kept for the patient's later studies."""
    measured = {(e.body["model"], e.revision, e.body["name"]) for e in history.record.about(study, "MeasurementMade")}
    lesions = {(e.body["model"], e.revision) for e in history.record.about(study, "LesionsMeasured")}
    for event in history.record.about(study, "FindingMade"):
        body, model = event.body, event.body["model"]
        names = [quantity["name"] for quantity in body.get("quantities", ())]
        if body.get("measure") and body.get("value") is not None:
            names.append(body["measure"])
        for name in names:
            if (model, event.revision, name) not in measured:
                yield _missing(study, f"MeasurementMade of {name}", event)
        if body.get("lesions") is not None and (model, event.revision) not in lesions:
            yield _missing(study, "LesionsMeasured", event)


def _closings(history: History, study: str) -> Iterator[Violation]:
    """Whoever opens or reads a study closes the alerts that were raised before, by triage's own order."""
    closed = {event.body["alert"] for event in history.record.about(study, "AlertClosed")}
    causes = {event.cause: event for event in history.record.about(study, "AlertRaised")}
    raised: list[Event] = []
    for event in history.record.on("triage.findings", study):
        if event.id in causes:
            raised.append(causes[event.id])
        if event.type in ("StudyOpened", "ReportSigned"):
            for alert in raised:
                if alert.body["alert"] not in closed:
                    yield _missing(study, f"AlertClosed of {alert.body['alert']}", event)
            raised = []


def _updates(history: History, study: str) -> Iterator[Violation]:
    """A later revision's other score is told to those who were alerted, unless the alert was closed."""
    closed = {event.body["alert"] for event in history.record.about(study, "AlertClosed")}
    told = {(e.body["alert"], e.revision) for e in history.record.about(study, "AlertUpdated", "AlertRaised")}
    alerts = [e for e in history.record.about(study, "AlertRaised") if e.body["alert"] not in closed]
    for alert in alerts:
        name = (alert.body["model"], alert.body["finding"])
        later = [
            event
            for event in history.record.about(study, "FindingMade")
            if (event.body["model"], event.body["name"]) == name and event.revision > alert.revision
        ]
        last = max(later, key=lambda event: event.revision, default=None)
        if last is None or last.body["score"] == alert.body["score"]:
            continue
        if (alert.body["alert"], last.revision) not in told:
            yield _missing(study, f"AlertUpdated of {alert.body['alert']}", last)
