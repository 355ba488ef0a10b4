"""`python -m tests.bench [--quick] [SECTION ...]`: measures, and writes the tables of tests/bench/README.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.bench import latency, open_studies
from tests.bench.table import Section, write

SECTIONS: dict[str, Callable[[bool], Section]] = {
    "latency": latency.stand_in,
    "whole": latency.whole,
    "open-studies": open_studies.run,
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
