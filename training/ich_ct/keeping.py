"""Keeps what is slow to make in runs/, by name; `make train-ich` makes it anew where the folder is empty."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TypeVar

from pool import RUNS

Kept = TypeVar("Kept")


def kept(name: str, make: Callable[[], Kept]) -> Kept:
    """What `make` gave when it was first asked under that name; only this project's own files are read."""
    path = RUNS / "kept" / f"{name.replace(' ', '_').replace(',', '').replace(':', '')}.pickle"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = make()
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(made))
        fresh.rename(path)
        return made
    found: Kept = pickle.loads(path.read_bytes())  # our own, written above
    return found
