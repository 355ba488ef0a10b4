"""`python -m streams.faults.tables` writes the tables of README.md from the code; a test holds them together."""

from __future__ import annotations

from pathlib import Path

from streams.faults.points import Point
from streams.faults.protections import Protection

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- from the code: make faults -->", "<!-- until here -->"


def tables() -> str:
    """Both tables, as Markdown."""
    points = [f"| `{p.title}` | {p.where} | {p.is_before} | {p.is_after} |" for p in Point]
    off = [f"| `{p.title}` | {p.where} | {p.without} |" for p in Protection]
    return "\n".join(
        [
            "## Points",
            "| point | where | a crash before it finds | a crash after it finds |\n|---|---|---|---|",
            *points,
            "",
            "## Protections that can be switched off",
            "| WETREAD_UNPROTECTED | where | without it |\n|---|---|---|",
            *off,
        ]
    )


def page(old: str) -> str:
    """The page with its tables as the code says."""
    head, _, rest = old.partition(BEGIN)
    return f"{head}{BEGIN}\n{tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
