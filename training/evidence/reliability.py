"""Reliability: of cases that were given a probability, the share that had the finding."""

from __future__ import annotations

from pathlib import Path

from streams.oversight.evaluation import Bin, reliability
from training.evidence.cases import Ranking
from training.evidence.paper import BLUE, GREY, panels, save
from training.evidence.roc import Told


def bins(ranking: Ranking) -> tuple[Bin, ...]:
    """Bins of nearly equal size, each with Wilson's interval."""
    told = Told.of(ranking.cases)
    return reliability(told.truth, told.score)


def draw(ranking: Ranking, path: Path) -> None:
    """What was said against what was seen; the dotted line is where both are the same."""
    found = bins(ranking)
    sheet, (panel,) = panels(1)
    panel.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=":")
    said, seen = [b.said for b in found], [b.seen.value for b in found]
    reach = [
        [max(0.0, b.seen.value - (b.seen.low or 0.0)) for b in found],
        [max(0.0, (b.seen.high or 0.0) - b.seen.value) for b in found],
    ]
    panel.errorbar(said, seen, yerr=reach, fmt="o-", color=BLUE, capsize=2)
    panel.set(xlabel="probability said (mean)", ylabel="share with the finding", xlim=(0, 1), ylim=(-0.02, 1.02))
    save(sheet, path, f"{ranking.about} (n = {len(ranking.cases)})")
