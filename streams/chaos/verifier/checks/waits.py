"""No wait is longer than policy allows, and whoever waits for an answer is told that there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from streams.chaos.verifier.history import Event, History, Policy
from streams.chaos.verifier.loading import moment
from streams.chaos.verifier.violations import Violation, broken

NAME = "waits"
ROUNDING = timedelta(milliseconds=1)
SLACK = timedelta(seconds=120)
"""Beyond the policy's time: what may pass while the part that tells is itself being broken."""
NO_AI, FINDING = "no-ai-result", "finding"


def check(history: History) -> Iterator[Violation]:
    """Places of every study that was routed."""
    for study in history.studies:
        routed = sorted(history.record.about(study, "StudyRouted", "StudyIneligible"), key=lambda e: e.revision)
        places = history.record.on("triage.worklist", study)
        if not routed:
            continue  # whether it had to be is the outcomes' check
        if not places:
            yield broken(NAME, study, "it was routed, but has no place on the worklist", routed)
            continue
        arrived = {event.revision: event.body["first_stored_at"] for event in routed}
        for place in places:
            yield from _allowed(history.policy, study, place, arrived)
        yield from _priority(history, study, places[-1])
        yield from _hastened(history, study, places)
        yield from _told(history, study, routed, places)


def _allowed(policy: Policy, study: str, place: Event, arrived: dict[int, str]) -> Iterator[Violation]:
    body = place.body
    came, read_by = moment(body["arrived_at"]), moment(body["read_by"])
    longest = timedelta(seconds=policy.by_priority[body["priority"]])
    if read_by - came > longest + ROUNDING:
        told = f"it is to be read {read_by - came} after its arrival; {body['priority']} allows {longest}"
        yield broken(NAME, study, told, [place])
    if place.revision in arrived and came != moment(arrived[place.revision]):
        yield broken(NAME, study, "its place counts from another time than its first image's", [place])


def _priority(history: History, study: str, last: Event) -> Iterator[Violation]:
    """A person's word, else the order's, else what holds without one."""
    on_triage = history.record.on("triage.findings", study)
    said = [e.body["priority"] for e in on_triage if e.type == "PriorityOverridden"]
    ordered = [e.body["priority"] for e in history.record.on("imaging.instances", study) if e.type == "OrderMatched"]
    right = (said or ordered or [history.policy.unordered])[-1]
    if last.body["priority"] != right:
        yield broken(NAME, study, f"it waits as {last.body['priority']}; {right} is right", [last])


def _hastened(history: History, study: str, places: Sequence[Event]) -> Iterator[Violation]:
    for event in history.record.about(study, "FindingMade"):
        wait = history.policy.by_finding.get(event.body["name"])
        if wait is None or event.body["role"] != "live" or not event.body["positive"]:
            continue
        limit = timedelta(seconds=wait) + ROUNDING
        if not any(_says(p, FINDING) and _wait(p) <= limit for p in places):
            told = f"{event.body['name']} was found, but no place says so or is within {wait:.0f} s of its arrival"
            yield broken(NAME, study, told, [event])


def _wait(place: Event) -> timedelta:
    return moment(place.body["read_by"]) - moment(place.body["arrived_at"])


def _says(place: Event, kind: str) -> bool:
    return any(reason["kind"] == kind for reason in place.body["reasons"])


def _told(history: History, study: str, routed: Sequence[Event], places: Sequence[Event]) -> Iterator[Violation]:
    """Never a silent negative: what failed stands at the place, and what is late stands there in time."""
    ends = _ends(history, study)
    for event, following in zip(routed, [*routed[1:], None], strict=True):
        for choice in _live(event):
            name = (choice["model"], choice.get("read_in") or event.revision)
            until = min((at for at in (ends.get(name), following.at if following else None) if at), default=None)
            yield from _in_time(history, event, until, places)
    last = routed[-1]
    found = {(e.body["model"], e.revision) for e in history.record.about(study, "FindingMade")}
    missing = [c for c in _live(last) if (c["model"], c.get("read_in") or last.revision) not in found]
    failed = [c for c in missing if (c["model"], c.get("read_in") or last.revision) in ends]
    if failed and not _says(places[-1], NO_AI):
        told = "a reading of it failed, but its place does not say so: a silent negative"
        yield broken(NAME, study, told, places[-1:])
    if not missing and _says(places[-1], NO_AI):
        yield broken(NAME, study, "its place says that there is no AI result, but there is one", places[-1:])


def _live(event: Event) -> list[Any]:
    return [choice for choice in event.body.get("chosen", ()) if choice.get("role", "live") == "live"]


def _ends(history: History, study: str) -> dict[tuple[str, int], datetime]:
    """Reading to when it was answered, or given up."""
    ends: dict[tuple[str, int], datetime] = {}
    for event in history.record.about(study, "ReadingAnswered", "ReadingFailed"):
        if event.type == "ReadingAnswered" or event.body["final"]:
            name = (event.body["model"], event.revision)
            ends[name] = min(event.at, ends.get(name, event.at))
    return ends


def _in_time(history: History, routed: Event, until: datetime | None, places: Sequence[Event]) -> Iterator[Violation]:
    limit = routed.at + timedelta(seconds=history.policy.no_ai_after_s) + SLACK
    ended = history.run.get("ended_at")
    last = until or (moment(ended) if ended else routed.at)
    if last > limit and not any(_says(p, NO_AI) and p.at <= limit for p in places):
        told = f"revision {routed.revision} waited {last - routed.at} for an answer, and nobody was told"
        yield broken(NAME, routed.study, told, [routed])
