"""The card's tables, written from evidence.json between two marker lines; a test writes them again and compares."""

from __future__ import annotations

from typing import Any

BEGIN, END = "<!-- evidence -->", "<!-- /evidence -->"


def put(card: str, evidence: dict[str, Any]) -> str:
    """The card with its tables made anew.

    Raises:
        ValueError: the card does not hold both marker lines, once each, in order.
    """
    lines = card.splitlines()
    places = [[k for k, line in enumerate(lines) if line.strip() == marker] for marker in (BEGIN, END)]
    if [len(found) for found in places] != [1, 1] or places[0][0] > places[1][0]:
        raise ValueError(f"The card needs one line {BEGIN} and one line {END} below it: its figures stand between.")
    return "\n".join([*lines[: places[0][0]], *tables(evidence), *lines[places[1][0] + 1 :]]) + "\n"


def tables(evidence: dict[str, Any]) -> list[str]:
    """Marker, figures, robustness, pictures, marker."""
    return [
        BEGIN,
        f"Intervals are of 95 %; written by `make evidence ARGS={evidence['model']}`, from `evidence.json`.",
        "",
        *figures([row for row in evidence["figures"] if not row.get("stratum")]),
        *strata([row for row in evidence["figures"] if row.get("stratum")]),
        *robustness(evidence.get("robustness", [])),
        *pictures(evidence.get("pictures", [])),
        END,
    ]


def figures(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each figure; what it was measured on is told where it changes."""
    out, before = ["| measured on | figure | value | cases |", "|---|---|---|---|"], ""
    for row in rows:
        about = row["about"] if row["about"] != before else ""
        what = f"{row['what']}, {row['stratum']}" if row.get("stratum") else row["what"]
        out.append(f"| {about} | {what} | {value(row)} | {cases(row)} |")
        before = row["about"]
    return out


def strata(rows: list[dict[str, Any]]) -> list[str]:
    """The same by stratum, folded away: many rows, of few cases each."""
    if not rows:
        return []
    return ["", "<details><summary>By stratum</summary>", "", *figures(rows), "", "</details>"]


def value(row: dict[str, Any]) -> str:
    """The value with its unit and its interval (of limits of agreement: the two limits)."""
    unit = f" {row['unit']}" if row.get("unit") else ""
    low, high = row.get("low"), row.get("high")
    if row.get("method") == "limits of agreement":
        return f"{number(low)} to {number(high)}{unit}"
    return f"{number(row['value'])}{unit}" + (f" [{number(low)} to {number(high)}]" if low is not None else "")


def cases(row: dict[str, Any]) -> str:
    """How many, of how many patients where that is another number, and how the interval was made."""
    told = f"{row['hits']} of {row['n']}" if "hits" in row else str(row["n"])
    grouped = f" in {row['groups']} groups" if row["groups"] != row["n"] else ""
    return ", ".join(part for part in (f"{told}{grouped}", row.get("method"), row.get("note")) if part)


def number(told: float | None) -> str:
    """Three digits that count, no more decimals than three, no exponent."""
    if told is None:
        return "?"
    size = abs(told)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{told:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def robustness(rows: list[dict[str, Any]]) -> list[str]:
    """How far the answer moves: mean and largest change over the subjects."""
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row["watched"]))
    head = [f"{name.replace('_', ' ')}: mean change (largest)" for name in names]
    called = any("calls_turned" in row for row in rows)
    head += ["calls turned", "refused"] if called else ["refused"]
    out = ["", f"| images changed | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for row in rows:
        cells = [
            f"{signed(row['watched'][name]['mean'])} ({signed(row['watched'][name]['largest'])})"
            if name in row["watched"] else "" for name in names
        ]  # fmt: skip
        if called:
            cells.append(f"{row['calls_turned']} of {row['subjects'] - row['refused']}")
        cells.append(f"{row['refused']} of {row['subjects']}")
        out.append(f"| {row['change']}, {row['strength']} | {' | '.join(cells)} |")
    return out


def signed(told: float) -> str:
    """With its sign; nothing before a 0."""
    text = number(told)
    return f"+{text}" if told > 0 and float(text) != 0 else text


def pictures(rows: list[dict[str, Any]]) -> list[str]:
    """Links to the pictures with what they show."""
    if not rows:
        return []
    return ["", "Pictures: " + "; ".join(f"[{row['what']}](evidence/{row['file']})" for row in rows) + "."]
