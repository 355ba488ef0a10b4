"""Robustness: how far a model's answer moves when the same images come with noise, another kernel, tilted and so on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streams.errors import NotReadable
from streams.reading.tensors import NoAnatomy
from streams.reading.views import Views
from streams.reading.volume import Volume
from training.evidence import changes
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


def tried(watch: Watch, subjects: Iterable[Subject], kept: Kept | None = None) -> list[Trial]:
    """Every subject under every change that fits its kind of images; what `kept` knows is not read again.

    Raises:
        NoAnatomy, NotReadable: a subject cannot be read unchanged.
    """
    trials = []
    for subject in subjects:
        known = kept.of(subject) if kept else None
        if known is None:
            before = watch(subject.source)
            known = [_tried(watch, subject, before, change) for change in changes_of(subject.source)]
            if kept:
                kept.keep(subject, known)
        trials += known
    return trials


class Kept:
    """Trials that were read before, by the model's digest, what was watched, the subject's pixels and the changes."""

    def __init__(self, path: Path, *told: str) -> None:
        self._path = path
        self._told = (*told, Path(changes.__file__).read_text(), Path(__file__).read_text())
        self._rows: dict[str, list[dict[str, Any]]] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, subject: Subject) -> list[Trial] | None:
        """What is known of the subject."""
        rows = self._rows.get(self._key(subject))
        return None if rows is None else [Trial(**row) for row in rows]

    def keep(self, subject: Subject, trials: list[Trial]) -> None:
        """Write it down at once."""
        self._rows[self._key(subject)] = [asdict(trial) for trial in trials]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._rows))

    def _key(self, subject: Subject) -> str:
        sha = hashlib.sha256("\0".join((*self._told, subject.name)).encode())
        source = subject.source
        for pixels in (source.hu,) if isinstance(source, Volume) else (view.pixels for view in source.views):
            sha.update(np.ascontiguousarray(pixels).tobytes())
        return sha.hexdigest()


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
