"""`make machines STEPS=1000000 SEED=1`: the stateful tests for as many steps as asked; says how many each took."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

from tests.support.stepwise import Counted, run_long

UNIT = Path(__file__).resolve().parents[1] / "unit"
MACHINES = {
    "AssemblyMachine": UNIT / "assembly" / "test_machine.py",
    "DeliveryMachine": UNIT / "delivery" / "test_machine.py",
    "WindowMachine": UNIT / "runtime" / "processing" / "test_window_machine.py",
}


def machine(name: str) -> type[Counted]:
    """A machine out of its test's file: files of tests are no package."""
    spec = importlib.util.spec_from_file_location(f"machine_{name}", MACHINES[name])
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: type[Counted] = getattr(module, name)
    return found


def main() -> None:
    """Each in turn; ends at the first law that does not hold, with the steps that break it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(MACHINES))
    parser.add_argument("--steps", type=int, default=1_000_000, help="of all machines together")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.names:
        began = time.monotonic()
        taken = run_long(machine(name), asked.steps // len(asked.names), asked.seed)
        print(f"{name}: {taken} steps in {time.monotonic() - began:.0f} s, no law broken", flush=True)


if __name__ == "__main__":
    main()
