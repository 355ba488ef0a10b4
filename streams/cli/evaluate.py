"""`wetread evaluate`: what a model's scores are worth on cases whose truth is known, such as a hospital's own."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from math import exp, isfinite
from pathlib import Path
from typing import Annotated, Any, TextIO

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streams.contract import Calibration
from streams.oversight.evaluation import Estimate, Groups, brier, drawn, figures, reliability
from streams.runtime.models.judging import judgement
from streams.runtime.settings import load

NEEDED = ("study", "label", "score")
KNOWN = (*NEEDED, "group", "stratum")
LABELS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case of the file."""

    label: bool
    score: float
    group: str
    stratum: str


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate")(evaluate)


def evaluate(
    model: Annotated[str, typer.Argument(help="The model whose threshold and calibration hold (`wetread models`).")],
    cases: Annotated[
        Path,
        typer.Option(
            help="CSV with a header: study, label (1 or 0), score, and, where known, group (the patient) and stratum.",
            exists=True, dir_okay=False,
        ),
    ],
    raw: Annotated[bool, typer.Option("--raw", help="Scores are the model's logits, before calibration.")] = False,
    threshold: Annotated[float | None, typer.Option(help="Another threshold than the one in force.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:  # fmt: skip
    """AUC, sensitivity, specificity and more, each with its 95 % interval; a patient's cases stay together."""
    policies, contracts = judgement(load())
    contract = next((c for c in contracts if c.name == model), None)
    if contract is None:
        there = ", ".join(c.name for c in contracts) or "none"
        raise typer.BadParameter(f"There is no model {model}; there are: {there}.", param_hint="MODEL")
    line = threshold if threshold is not None else policies.routing.thresholds.get(model, contract.finding.threshold)
    with cases.open(newline="", encoding="utf-8-sig") as opened:
        rows = read(opened, contract.finding.calibration if raw else None)
    found = {"model": model, "version": contract.version, "finding": contract.finding.name, "threshold": line}
    found |= judged(rows, line)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    _print(found)


def read(opened: TextIO, calibration: Calibration | None) -> list[Row]:
    """The cases of a CSV; a logit becomes a probability by the calibration.

    Raises:
        BadParameter: a column is missing, or a value cannot be used; names the line, never the study.
    """
    table = csv.DictReader(opened)
    columns = [column.strip().lower() for column in table.fieldnames or ()]
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        raise typer.BadParameter(f"The file has no column {', '.join(missing)}: its first line names {list(KNOWN)}.")
    table.fieldnames = columns
    rows = [_row(values, table.line_num, calibration) for values in table]
    if not rows:
        raise typer.BadParameter("The file has no cases below its first line.")
    if len({row.label for row in rows}) == 1:
        raise typer.BadParameter("All cases have the same label: figures need cases with the finding and without it.")
    if len({row.group for row in rows}) == 1:
        raise typer.BadParameter("All cases are of one patient: intervals need several (column group, or study).")
    return rows


def _row(values: dict[str, str | None], line: int, calibration: Calibration | None) -> Row:
    told = {name: (values.get(name) or "").strip() for name in KNOWN}
    if not told["study"]:
        raise typer.BadParameter(f"Line {line} names no study.")
    label = LABELS.get(told["label"].lower())
    if label is None:
        raise typer.BadParameter(f"Line {line}: the label is {told['label']!r}; write 1 (has the finding) or 0.")
    try:
        score = float(told["score"])
    except ValueError:
        score = float("nan")
    if not isfinite(score):
        raise typer.BadParameter(f"Line {line}: the score is {told['score']!r}; a number is needed.")
    if calibration is not None:
        score = 1 / (1 + exp(-max(-500.0, min(500.0, calibration.a * score + calibration.b))))
    elif not 0 <= score <= 1:
        raise typer.BadParameter(f"Line {line}: the score {score:g} is no probability; for logits say --raw.")
    return Row(label=label, score=score, group=told["group"] or told["study"], stratum=told["stratum"])


def judged(rows: list[Row], threshold: float) -> dict[str, Any]:
    """The figures of all cases, of each stratum with both kinds of case, and how far probabilities hold."""
    truth = np.asarray([row.label for row in rows])
    score = np.asarray([row.score for row in rows])
    names = [row.group for row in rows]
    told = figures(truth, score, names, threshold) | {"Brier score": drawn(brier, truth, score, Groups.of(names))}
    strata: dict[str, Any] = {}
    for stratum in sorted({row.stratum for row in rows if row.stratum}):
        which = np.asarray([row.stratum == stratum for row in rows])
        part = figures(
            truth[which], score[which], [n for n, taken in zip(names, which, strict=True) if taken], threshold
        )
        strata[stratum] = {name: asdict(value) for name, value in part.items()}
    return {
        "cases": len(rows),
        "with_finding": int(truth.sum()),
        "groups": len(set(names)),
        "figures": {name: asdict(value) for name, value in told.items()},
        "strata": strata,
        "reliability": [asdict(bin_) for bin_ in reliability(truth, score)],
    }


def _print(found: dict[str, Any]) -> None:
    title = (
        f"{found['model']} {found['version']}: {found['finding'].replace('_', ' ')}, called at {found['threshold']:g}"
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("", "value", "95 % interval", "cases", "interval by"):
        table.add_column(column, no_wrap=column != "interval by")
    for heading, told in (("", found["figures"]), *found["strata"].items()):
        if heading:
            table.add_section()
            table.add_row(f"[bold]{heading}[/]")
        for name, estimate in told.items():
            table.add_row(name, *_cells(Estimate(**estimate)))
    console = Console()
    console.print(table)
    said = Table(title="How often the finding was there", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("probability said (mean)", "seen", "95 % interval", "cases"):
        said.add_column(column)
    for bin_ in found["reliability"]:
        said.add_row(f"{bin_['said']:.2f}", *_cells(Estimate(**bin_["seen"]))[:3])
    console.print(said)
    console.print(
        f"{found['cases']} cases of {found['groups']} patients, {found['with_finding']} with the finding. "
        "Predictive values hold at this share of findings only.",
        style="dim",
    )


def _cells(estimate: Estimate) -> tuple[str, str, str, str]:
    of = f"{estimate.hits} of {estimate.n}" if estimate.hits is not None else str(estimate.n)
    between = "not known" if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}"
    return f"{estimate.value:.3f}", between, of, estimate.method
