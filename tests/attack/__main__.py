"""`make attack`: each attack on a door of its own, and a table of what it did; exits 1 where a bar is missed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.attack.attacks import ATTACKS
from tests.attack.besieged import Measured, lone_door, measured

SLOWER, GROWN_MB = 2.0, 200.0
SETTINGS = {"endless image": {"held_most": 100_000_000}}


def held(found: Measured) -> bool:
    """Whether the door kept to its bars."""
    return (
        found.attacked_ms <= SLOWER * found.calm_ms
        and found.grown_mb <= GROWN_MB
        and not found.astray
        and not found.unserved
    )


def main() -> int:
    """Run those that are named; all, if none is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(ATTACKS))
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    print("| attack | p99 of a calm door | this | ratio | not served | memory, MB | threads left | outside | turns | |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.names:
            home, settings = Path(folder) / name.replace(" ", "-"), SETTINGS.get(name, {})
            with lone_door(home / "attacked", **settings) as door, lone_door(home / "calm", **settings) as calm:
                found = measured(door, calm, name, asked.images, asked.seconds)
            missed += not held(found)
            print(
                f"| {name} | {found.calm_ms:.1f} | {found.attacked_ms:.1f} | {found.attacked_ms / found.calm_ms:.2f}"
                f" | {found.unserved} | {found.grown_mb:+.0f} | {found.threads:+d} | {len(found.astray)}"
                f" | {found.turns} | {'held' if held(found) else 'MISSED'} |",
                flush=True,
            )
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
