"""What a section of the bench found, as a table in tests/bench/README.md with its circumstances."""

from __future__ import annotations

import os
import platform
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

README = Path(__file__).with_name("README.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table: `goal` is what was promised, `notes` how it was measured, in sentences."""

    name: str
    title: str
    goal: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def circumstances(quick: bool) -> str:
    """Machine, versions, load and mode: a figure without them says nothing."""
    with Path("/proc/cpuinfo").open() as file:
        processor = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka", "redis", "orjson"))
    mode = "quick mode (few samples: for trying the bench, not for quoting)" if quick else "full run"
    now = datetime.now(UTC)  # noqa: TID251  # when it was measured
    return (
        f"{now:%Y-%m-%d %H:%M} UTC, {mode}. {processor}, {os.cpu_count()} cores, Linux "
        f"{platform.release()}, Python {platform.python_version()}, {packages}. "
        f"Load average at the end (1, 5, 15 min): {load}."
    )


def rendered(section: Section, said: str) -> str:
    """The section as Markdown between its own markers."""
    lines = [
        f"<!-- {section.name} -->",
        f"## {section.title}",
        "",
        f"Promised: {section.goal}",
        "",
        "| " + " | ".join(section.columns) + " |",
        "|" + "---|" * len(section.columns),
        *("| " + " | ".join(row) + " |" for row in section.rows),
        "",
        textwrap.fill(" ".join(section.notes), 118),
        "",
        f"*{said}*",
        f"<!-- /{section.name} -->",
    ]
    return "\n".join(lines)


def write(sections: Sequence[Section], quick: bool) -> None:
    """Put the sections in the place of their former runs; a new one goes to the end."""
    text = README.read_text()
    for section in sections:
        table = rendered(section, circumstances(quick))
        before, opened, rest = text.partition(f"<!-- {section.name} -->")
        _old, closed, after = rest.partition(f"<!-- /{section.name} -->")
        text = f"{before}{table}{after}" if opened and closed else f"{text.rstrip()}\n\n{table}\n"
    README.write_text(text)


def quantile(values: Sequence[float], share: float) -> float:
    """The empirical quantile: the smallest value that so large a share of the values does not exceed."""
    return float(np.quantile(np.asarray(values), share, method="inverted_cdf"))


def ms(seconds: float) -> str:
    """0.1234 -> 123 ms."""
    return f"{seconds * 1000:.0f} ms"
