"""Robustness: how far a model's answer moves when the same images come with noise, another kernel, tilted and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.errors import NotReadable
from streams.reading.tensors import NoAnatomy
from streams.reading.views import Views
from streams.reading.volume import Volume
from training.evidence.cases import Subject
from training.evidence.changes import Change, changes_of
from training.evidence.figure import rounded

Watch = Callable[[Volume | Views], dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One subject under one change; `after` is empty where the model refused, and `refused` says why."""

    kind: str
    strength: str
    subject: str
    before: dict[str, float]
    after: dict[str, float]
    refused: str = ""


def tried(watch: Watch, subjects: Iterable[Subject]) -> list[Trial]:
    """Every subject under every change that fits its kind of images.

    Raises:
        NoAnatomy, NotReadable: a subject cannot be read unchanged.
    """
    trials = []
    for subject in subjects:
        before = watch(subject.source)
        trials += [_tried(watch, subject, before, change) for change in changes_of(subject.source)]
    return trials


def _tried(watch: Watch, subject: Subject, before: dict[str, float], change: Change) -> Trial:
    after, refused = {}, ""
    try:
        after = watch(change.apply(subject.source))
    except (NoAnatomy, NotReadable) as fault:
        refused = str(fault)
    return Trial(
        kind=change.kind, strength=change.strength, subject=subject.name, before=before, after=after, refused=refused
    )  # fmt: skip


def summed(trials: list[Trial], threshold: float) -> list[dict[str, Any]]:
    """A row for each change: per watched number the mean and the largest difference; calls turned; refusals."""
    rows = []
    for kind, strength in dict.fromkeys((trial.kind, trial.strength) for trial in trials):
        these = [trial for trial in trials if (trial.kind, trial.strength) == (kind, strength)]
        read = [trial for trial in these if not trial.refused]
        row: dict[str, Any] = {
            "change": kind, "strength": strength, "subjects": len(these), "refused": len(these) - len(read),
            "watched": {name: _moved(read, name) for name in these[0].before if read},
        }  # fmt: skip
        if "chance" in these[0].before:
            row["calls_turned"] = sum(_called(t.before, threshold) != _called(t.after, threshold) for t in read)
        rows.append(row)
    return rows


def _moved(trials: list[Trial], name: str) -> dict[str, Any]:
    apart = np.asarray([trial.after[name] - trial.before[name] for trial in trials])
    return {"mean": rounded(float(apart.mean())), "largest": rounded(float(apart[np.abs(apart).argmax()]))}


def _called(told: dict[str, float], threshold: float) -> bool:
    return told["chance"] >= threshold
