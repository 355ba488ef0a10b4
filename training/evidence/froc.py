"""FROC: the share of true lesions that are marked, against false marks per scan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams.oversight.evaluation import BOOTSTRAP, Estimate, Groups, clustered_share
from training.evidence.cases import Detection, FrocScan
from training.evidence.figure import Figure, figure
from training.evidence.paper import BLUE, GREY, panels, save


@dataclass(frozen=True, slots=True)
class Curve:
    """At each score that marks are shown from: false marks per scan, and the share of lesions that is found."""

    score: NDArray[np.float64]
    false: NDArray[np.float64]
    found: NDArray[np.float64]

    def at(self, false: float) -> tuple[float, float]:
        """The largest share found with at most so many false marks per scan, and the score that it takes."""
        allowed = np.flatnonzero(self.false <= false + 1e-12)
        best = int(allowed[-1])
        return float(self.found[best]), float(self.score[best])


def best_marks(scan: FrocScan) -> dict[int, float]:
    """Of each lesion that is marked, the highest score; a second mark on it is neither true nor false."""
    best: dict[int, float] = {}
    for mark in scan.marks:
        if mark.lesion is not None:
            best[mark.lesion] = max(mark.score, best.get(mark.lesion, -np.inf))
    return best


@dataclass(frozen=True, slots=True)
class Laid:
    """One scan as numbers, of one stratum: how many lesions, the scores that find them, the scores of false marks."""

    lesions: int
    hits: NDArray[np.float64]
    false: NDArray[np.float64]


def laid(scan: FrocScan, stratum: str | None) -> Laid:
    """The scan's lesions of a stratum (None: all), and all its false marks."""
    best = best_marks(scan)
    chosen = [k for k, kind in enumerate(scan.lesions) if stratum in {None, kind}]
    return Laid(
        len(chosen),
        np.asarray([best[k] for k in chosen if k in best], np.float64),
        np.asarray([mark.score for mark in scan.marks if mark.lesion is None], np.float64),
    )


def curve(scans: Sequence[FrocScan], stratum: str | None = None) -> Curve:
    """The curve of these scans; of the lesions of one stratum, if one is named (false marks are those of all).

    Raises:
        ValueError: there is no such lesion.
    """
    return _curve([laid(scan, stratum) for scan in scans])


def _curve(scans: Sequence[Laid]) -> Curve:
    lesions = sum(scan.lesions for scan in scans)
    if not lesions:
        raise ValueError("A FROC curve needs at least one lesion.")
    hits = np.sort(-np.concatenate([scan.hits for scan in scans]))
    false = np.sort(-np.concatenate([scan.false for scan in scans]))
    steps = np.concatenate([[np.inf], np.unique(np.concatenate([-hits, -false]))[::-1]])
    return Curve(
        steps,
        np.searchsorted(false, -steps, side="right") / len(scans),
        np.searchsorted(hits, -steps, side="right") / lesions,
    )


def detect(detection: Detection) -> list[Figure]:
    """Sensitivity at the asked numbers of false marks per scan and at the threshold: all lesions, and each stratum."""
    scans = detection.scans
    groups = Groups.of([scan.group for scan in scans])
    rows = []
    kinds = sorted({kind for scan in scans for kind in scan.lesions if kind})
    for stratum in (None, *(kinds if len(kinds) > 1 else ())):
        for false in detection.at_false:
            what = f"sensitivity at {false:g} false marks a scan"
            rows.append(figure(detection.about, what, _at_false(scans, groups, stratum, false), stratum=stratum or ""))
        if detection.threshold is not None:
            found = _at_threshold(scans, groups, stratum, detection.threshold)
            rows.append(figure(detection.about, "sensitivity at the threshold", found, stratum=stratum or ""))
    if detection.threshold is not None:
        rows.append(_false_at(detection, groups, detection.threshold))
    return rows


def _at_false(scans: Sequence[FrocScan], groups: Groups, stratum: str | None, false: float) -> Estimate:
    told = [laid(scan, stratum) for scan in scans]

    def of(places: Iterable[int]) -> float:
        picked = [told[int(k)] for k in places]
        return _curve(picked).at(false)[0] if any(scan.lesions for scan in picked) else float("nan")

    count = sum(scan.lesions for scan in told)
    return clustered_share(round(of(range(len(scans))) * count), count, len(groups.members), groups.drawn_anew(of, 500))


def _at_threshold(scans: Sequence[FrocScan], groups: Groups, stratum: str | None, threshold: float) -> Estimate:
    def of(places: Iterable[int]) -> float:
        found = [told for k in places for told in told_of[int(k)]]
        return float(np.mean(found)) if found else float("nan")

    told_of = [_told(scan, stratum, threshold) for scan in scans]
    count = sum(map(len, told_of))
    return clustered_share(round(of(range(len(scans))) * count), count, len(groups.members), groups.drawn_anew(of, 500))


def _told(scan: FrocScan, stratum: str | None, threshold: float) -> list[bool]:
    """Of each lesion of the stratum, whether it is marked at the threshold."""
    best = best_marks(scan)
    return [best.get(k, -np.inf) >= threshold for k, kind in enumerate(scan.lesions) if stratum in {None, kind}]


def _false_at(detection: Detection, groups: Groups, threshold: float) -> Figure:
    counts = np.asarray([
        sum(mark.lesion is None and mark.score >= threshold for mark in scan.marks) for scan in detection.scans
    ])  # fmt: skip
    low, high = groups.drawn_anew(lambda places: float(counts[places].mean())) or (None, None)
    return Figure(
        about=detection.about, what="false marks a scan at the threshold", value=float(counts.mean()),
        low=low, high=high, n=len(counts), groups=len(groups.members), method=BOOTSTRAP if low is not None else "",
    )  # fmt: skip


def draw(detection: Detection, path: Path) -> None:
    """The curve of all lesions, up to 10 false marks per scan."""
    found = curve(detection.scans)
    sheet, (panel,) = panels(1)
    panel.step(found.false, found.found, where="post", color=BLUE)
    for false in detection.at_false:
        panel.axvline(false, color=GREY, linewidth=0.6, linestyle=":")
    lesions = sum(len(scan.lesions) for scan in detection.scans)
    panel.set(xlabel="false marks per scan", ylabel=f"share of {lesions} lesions found", xlim=(0, 10), ylim=(0, 1.02))
    save(sheet, path, detection.about)
