"""The README's drawing of the flow: topics, agents and what they say, from the map."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from streams import flow
from streams.adapters.policy_files import read_policies
from streams.stage import Agent

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- flow -->", "<!-- /flow -->"
Row = tuple[tuple[str, ...], str, str, tuple[str, ...]]
EDGES: tuple[Row, ...] = (
    (
        tuple(topic for topic in flow.RETRY),
        "reading",
        "pixels -> quality -> Triton -> raw answers, in two lanes (the one effect)",
        ("imaging.quality", "triage.findings"),
    ),
    (("triage.feedback",), flow.FEEDBACK, "hands on what people did with a study", ("triage.findings",)),
)
"""What runs beside the deciding agents: topics, name, what it does, where it says it."""


def deciding() -> tuple[Agent, ...]:
    """The deciding agents, as the shipped policies make them; the models do not change the map."""
    return flow.agents(read_policies(ROOT / "deploy" / "policies", {}), ())


def said_onto(agent: Agent) -> tuple[str, ...]:
    """The topics that an agent's words go to, in the order of the map."""
    says = {t for stage in agent.stages for t in stage.says}
    return tuple(topic.name for topic in flow.TOPICS if says & set(topic.carries))


def drawing() -> str:
    """The flow as text, 110 columns at most."""
    rows: list[Row] = [((a.topic,), a.name, a.title, said_onto(a)) for a in deciding()]
    triage = next(n for n, row in enumerate(rows) if row[1] == flow.TRIAGE)
    rows[triage:triage] = EDGES
    lines = ["doors (DIMSE, watched folder, orders)  people (open, read, prioritise)"]
    lines.append("  └─> imaging.instances, imaging.orders, triage.feedback")
    for topics, name, title, onto in rows:
        lines.append(_folded(topics))
        lines.append(f"  └─ {name:<9} {title}")
        lines += _wrapped(onto)
    return "\n".join(lines)


def _folded(topics: Iterable[str]) -> str:
    """triage.readings.urgent, triage.readings.routine -> triage.readings.{urgent,routine}."""
    names = list(topics)
    stem = names[0].rpartition(".")[0]
    if len(names) > 1 and all(name.rpartition(".")[0] == stem for name in names):
        return f"{stem}.{{{','.join(name.rpartition('.')[2] for name in names)}}}"
    return ", ".join(names)


def _wrapped(topics: tuple[str, ...]) -> list[str]:
    lanes = [t for t in topics if t in flow.RETRY]
    shown = [t for t in topics if t not in lanes]
    if lanes:
        shown.insert(next((i for i, t in enumerate(topics) if t in lanes), 0), _folded(lanes))
    lines, line = [], "       └─> "
    for topic in shown:
        if len(line) + len(topic) > 108:  # noqa: PLR2004  # columns of the README
            lines.append(line.rstrip())
            line = "           "
        line += f"{topic}, " if topic != shown[-1] else topic
    return [*lines, line]


def with_drawing(readme: str) -> str:
    """The README with the drawing between its markers; unchanged where it has none."""
    before, opened, rest = readme.partition(START)
    _old, closed, after = rest.partition(END)
    if not opened or not closed:
        return readme
    return f"{before}{START}\n```\n{drawing()}\n```\n{END}{after}"
