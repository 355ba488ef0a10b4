"""`make fuzz COUNT=10000 SEED=1`: mutated files through both doors and the whole flow; exits 1 where one is untold."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from streams.runtime.settings import CHECKOUT
from tests.attack.fuzzed import Found, fuzz
from tests.attack.mutants import mutants

DATA = CHECKOUT.parent / "shared" / "data"
LARGEST = 600_000
BATCH = 300


def real_files() -> list[Path]:
    """DICOM files that no one here made; none where they are not beside the project."""
    if not DATA.is_dir():
        return []
    return [path for path in sorted(DATA.rglob("*.dcm")) if path.stat().st_size <= LARGEST]


def main() -> int:
    """Half by C-STORE, half by the watched folder, a batch at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    files = real_files()
    print(f"{len(files)} real files beside the phantoms" if files else "no real files: phantoms only", flush=True)
    began, whole, number = time.monotonic(), Found(), 0
    coming = mutants(asked.count, asked.seed, files)
    while batch := list(islice(coming, BATCH)):
        with tempfile.TemporaryDirectory() as home:
            whole.add(asyncio.run(fuzz(Path(home), batch, ("dimse", "folder")[number % 2])))
        number += 1
        print(f"{whole.sent} in {time.monotonic() - began:.0f} s: {dict(whole.ends)}", flush=True)
    slowest = max(whole.replaced_s, default=0.0)
    print(f"decoders that died: {len(whole.replaced_s)}, the slowest replaced in {slowest:.2f} s")
    for name in ("silent", "twice", "broken"):
        found = getattr(whole, name)
        print(f"{name}: {len(found)}", *sorted(set(found))[:20], sep="\n  ")
    return 0 if whole.well else 1


if __name__ == "__main__":
    sys.exit(main())
