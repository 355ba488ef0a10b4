"""Every acknowledged instance belongs to its study: said under its UID, and held by the study's last revision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from streams.chaos.verifier.history import Event, History, Sent
from streams.chaos.verifier.violations import Violation, broken

NAME = "belonging"


def check(history: History) -> Iterator[Violation]:
    """The last revision counts as many images of each series as events have named of it."""
    for sent in history.studies.values():
        yield from _placed(history, sent)
        yield from _held(history, sent)


def _placed(history: History, sent: Sent) -> Iterator[Violation]:
    series_of = {i.instance: i.series for i in sent.instances}
    for event in history.record.about(sent.study, "InstancesStored"):
        series = event.body["series"]["series"]
        for one in event.body["instances"]:
            wanted = series_of.get(one["instance"])
            if wanted is not None and wanted != series:
                told = f"instance {one['instance']} of series {wanted} is said to be of series {series}"
                yield broken(NAME, sent.study, told, [event])


def _held(history: History, sent: Sent) -> Iterator[Violation]:
    stored: dict[str, set[str]] = defaultdict(set)
    for event in history.record.about(sent.study, "InstancesStored"):
        stored[event.body["series"]["series"]].update(i["instance"] for i in event.body["instances"])
    last = _last(history.record.about(sent.study, "StudyAssembled"))
    if last is None:
        return  # a study without a revision has no outcome either: that check tells
    held = {one["facts"]["series"]: int(one["count"]) for one in last.body["series"]}
    for series in sorted(stored.keys() | held.keys()):
        if len(stored[series]) != held.get(series, 0):
            told = (
                f"revision {last.revision} holds {held.get(series, 0)} images of series {series}, "
                f"but {len(stored[series])} are stored"
            )
            yield broken(NAME, sent.study, told, [last], effect="lost")


def _last(events: list[Event]) -> Event | None:
    return max(events, key=lambda event: event.revision, default=None)
