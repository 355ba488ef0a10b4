"""`make evidence`: the figures, pictures and tables of one model's card, from the cases that its folder hands over."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from streams.oversight.evaluation import share
from training.evidence import (
    bland_altman,
    card,
    checked,
    dice,
    froc,
    grading,
    reliability,
    robustness,
    roc,
    sheet,
    unchanged,
)
from training.evidence.cases import Agreement, Detection, Evidence, Fact, Facts, Grading, Judged, Overlap, Ranking
from training.evidence.figure import Figure, figure, plain, rounded
from training.evidence.reading import ModelInProcess

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "triton_models"
MOST_LISTED = 300
"""Cases whose scores stand in evidence.json one by one."""


def handed_over(model: str) -> Evidence:
    """What `training/<model>/cases.py` gives.

    Raises:
        SystemExit: there is no such file, or data or fold weights are missing; says what to do.
    """
    folder = ROOT / "training" / model
    if not (folder / "cases.py").is_file():
        raise SystemExit(f"training/{model}/cases.py is missing: a function evidence() hands its cases over.")
    sys.path.insert(0, str(folder))
    try:
        found: Evidence = importlib.import_module("cases").evidence()
    except FileNotFoundError as missing:
        raise SystemExit(
            f"{missing.filename} is missing: the data lies where WETREAD_DATA says (default ../shared/data), and what "
            f"training/{model}/runs/ keeps is made by the model's own make target (see `make help`)."
        ) from missing
    if not isinstance(found, Evidence):
        raise SystemExit(f"training/{model}/cases.py: evidence() must give training.evidence.cases.Evidence.")
    return found


def figures(judged: Judged) -> list[Figure]:
    """All rows of one kind of comparison, checked against scikit-learn where it has the same."""
    match judged:
        case Ranking():
            rows = roc.rank(judged)
            checked.same_ranking(judged, rows)
        case Grading():
            rows = grading.grade(judged)
            checked.same_grading(judged, rows)
        case Overlap():
            rows = dice.overlap(judged)
        case Agreement():
            rows = bland_altman.agree(judged)
        case Detection():
            rows = froc.detect(judged)
        case Facts():
            rows = [_fact(judged, fact) for fact in judged.facts]
    return rows


def _fact(judged: Facts, fact: Fact) -> Figure:
    if fact.hits is not None and fact.of is not None:
        return figure(judged.about, fact.what, share(fact.hits, fact.of), note=fact.how)
    if fact.value is None:
        raise ValueError(f"{judged.about}: {fact.what} has neither a value nor hits of a number.")
    return Figure(
        about=judged.about, what=fact.what, value=fact.value, unit=fact.unit, low=fact.low, high=fact.high, n=fact.n,
        groups=fact.n, note=fact.how,
    )  # fmt: skip


def pictures(judged: Judged, folder: Path) -> list[dict[str, str]]:
    """Draw what fits; the file and what it shows, of each."""
    named = re.sub(r"[^a-z0-9]+", "-", judged.about.lower()).strip("-")[:50]
    made = []
    match judged:
        case Ranking() if len({case.label for case in judged.cases}) == 2:
            made.append(("roc", "ROC", lambda path: roc.draw(judged, path)))
            if judged.probability:
                made.append(("reliability", "reliability", lambda path: reliability.draw(judged, path)))
            if judged.pictures and sheet.chosen(judged):
                made.append(("sheet", "best and worst cases", lambda path: sheet.draw(judged, path)))
        case Detection():
            made.append(("froc", "FROC", lambda path: froc.draw(judged, path)))
        case Agreement():
            made.append(("bland-altman", "Bland-Altman", lambda path: bland_altman.draw(judged, path)))
        case _:
            pass
    told = []
    for kind, what, draw in made:
        name = f"{kind}-{named}.png"
        draw(folder / name)
        told.append({"file": name, "what": f"{what}, {judged.about}", "data": judged.data})
    return told


def listed(judged: Judged) -> dict[str, Any] | None:
    """A ranking's cases one by one, so that anybody can compute its figures again."""
    if not isinstance(judged, Ranking) or len(judged.cases) > MOST_LISTED:
        return None
    rows = [[case.name, case.group, int(case.label), rounded(float(case.score))] for case in judged.cases]
    return {"about": judged.about, "threshold": judged.threshold, "cases": rows}


def made(model: str, *, robust: bool) -> dict[str, Any]:
    """evidence.json of a model; its pictures are written on the way."""
    folder, began = MODELS / model, time.monotonic()
    asked, given = ModelInProcess(folder), handed_over(model)
    print(f"{model}: cases handed over, {time.monotonic() - began:.0f} s", flush=True)
    shown = folder / "evidence"
    rows, drawn, cases = [], [], []
    for judged in given.judged:
        began = time.monotonic()
        rows += [plain(row) for row in figures(judged)]
        drawn += pictures(judged, shown)
        cases += [told] if (told := listed(judged)) else []
        print(f"{model}: {judged.about}, {time.monotonic() - began:.0f} s", flush=True)
    for old in {path.name for path in shown.glob("*.png")} - {row["file"] for row in drawn}:
        (shown / old).unlink()
    began = time.monotonic()
    trials: list[robustness.Trial] = []
    if robust and given.subjects is not None:
        kept = robustness.Kept(ROOT / "training" / model / "runs/robustness.json", asked.digest, *given.watched)
        trials = robustness.tried(lambda source: asked.watched(source, given.watched), given.subjects(), kept)
        print(f"{model}: robustness, {time.monotonic() - began:.0f} s", flush=True)
    return {
        "model": model, "version": asked.contract.version, "digest": asked.digest,
        "data": {judged.about: judged.data for judged in given.judged},
        "figures": rows, "robustness": robustness.summed(trials, asked.contract.finding.threshold),
        "pictures": drawn, "cases": cases,
    }  # fmt: skip


def main() -> None:
    """Write evidence.json, pictures and the card's tables of the models that are named (all that have cases)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model")
    parser.add_argument("--quick", action="store_true", help="without the robustness table")
    parser.add_argument("--anew", action="store_true", help="also where nothing has changed since the last time")
    options = parser.parse_args()
    os.chdir(ROOT)
    began = time.monotonic()
    data = Path(os.environ.get("WETREAD_DATA", ROOT.parent / "shared/data"))  # noqa: TID251  # a script, not the product
    if not options.anew and unchanged.is_unchanged(ROOT, data, options.model):
        print(f"{options.model}: code, weights, data and card are as they were: nothing to compute (--anew does)")
        return
    evidence = made(options.model, robust=not options.quick)
    folder = MODELS / options.model
    path = folder / "card.md"
    page = card.put(path.read_text(), evidence)
    (folder / "evidence.json").write_text(json.dumps(evidence, indent=1, ensure_ascii=False) + "\n")
    path.write_text(page)
    if not options.quick:
        unchanged.write_down(ROOT, data, options.model)
    print(f"{options.model}: {time.monotonic() - began:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
