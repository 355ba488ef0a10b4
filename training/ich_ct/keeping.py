"""Keeps what is slow to make in runs/, by name and by the digest of the code that makes it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from pool import RUNS

from training.evidence.unchanged import digest, files_below

Kept = TypeVar("Kept")
ROOT = Path(__file__).resolve().parents[2]
MAKERS = ("heads", "insertions", "bleeds", "lookalikes", "scene", "trials", "phantom_trials", "scores", "data")


@cache
def made_by() -> str:
    """The digest of what paints, inserts and makes slabs."""
    reading = [ROOT / f"streams/reading/{name}.py" for name in ("brain", "tensors", "morphology", "volume")]
    own = [Path(__file__).with_name(f"{name}.py") for name in MAKERS]
    return digest(ROOT, [*files_below(ROOT, ROOT / "streams/phantom"), *reading, *own], ())[:16]


def kept(name: str, make: Callable[[], Kept]) -> Kept:
    """What `make` gave when this code was first asked under that name; only this project's own files are read."""
    path = RUNS / "kept" / made_by() / f"{name.replace(' ', '_').replace(',', '').replace(':', '')}.pickle"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = make()
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(made))
        fresh.rename(path)
        return made
    found: Kept = pickle.loads(path.read_bytes())  # our own, written above
    return found
