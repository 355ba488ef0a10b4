"""`python -m tests.bench [--quick] [SECTION ...]`: measures, and writes the tables of tests/bench/README.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.bench import (
    at_once,
    bulk_replay,
    calls,
    growth_open,
    growth_partitions,
    latency,
    models,
    rebuild,
    stat_first,
    transport,
)
from tests.bench.table import Section, write

TRANSPORT_NOTES = (
    "Events of 1 KB on 8 partitions of a real Kafka, each way in a process of its own, in turns; medians over the",
    "rounds. The step says one event for each that it hears, so it stands beside a bare agent that sends one too.",
)


def transport_section(quick: bool) -> Section:
    """CPU per event: bare Faust, our window, the whole step, in turns."""
    text = transport.table(events=4_000, rounds=1) if quick else transport.table()
    head, _rule, *rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.splitlines()]
    return Section(
        name="transport",
        title="CPU per event of the transport and of the step",
        goal="transport and window against a bare Faust agent <= 1.1; the whole guaranteed step with Redis <= 2.",
        columns=head,
        rows=tuple(rows),
        notes=TRANSPORT_NOTES,
    )


SECTIONS: dict[str, Callable[[bool], Section]] = {
    "transport": transport_section,
    "latency": latency.stand_in,
    "whole": latency.whole,
    "at-once": at_once.run,
    "growth-open": growth_open.run,
    "growth-partitions": growth_partitions.run,
    "rebuild": rebuild.run,
    "bulk-replay": bulk_replay.run,
    "models": models.per_model,
    "calls": calls.against_a_session,
    "stat-first": stat_first.run,
}


def main() -> int:
    """Run the chosen sections, all by default, one after the other; each is written as soon as it is done."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], help="all by default")
    parser.add_argument("--quick", action="store_true", help="few samples: tries the bench in a minute or two")
    chosen = parser.parse_args()
    for name in chosen.sections or SECTIONS:
        print(f"{name} ...", flush=True)
        section = SECTIONS[name](chosen.quick)
        write([section], chosen.quick)
        for row in section.rows:
            print("  " + "  ".join(row), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
