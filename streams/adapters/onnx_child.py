"""Runs where onnxruntime is, alone, with numpy 1.26: one ONNX model on given inputs, timed and measured.

Arguments: the model, an .npz of inputs, the .npz to write, and a JSON object: runs, rows (at most in one call, or
null), parts (at most so many calls, or null), outputs, megabytes (of memory at most). Prints a JSON object for each
call, {"part", "of", "seconds"}, and one with what was found. Inputs of several calls are repeated by their first alone.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import pairwise
from typing import Any

import numpy as np
import onnxruntime


def main() -> None:
    """Run; what goes wrong is said as {"fault": ...}."""
    path, taken, given, asked = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    limit = asked["megabytes"] << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        with np.load(taken, allow_pickle=False) as arrays:
            inputs = {name: arrays[name] for name in arrays.files}
        edges = cut(inputs, asked["rows"])
        outputs, seconds = run(session, inputs, asked, edges)
        told: dict[str, Any] = {"seconds": [sum(seconds)], "repeats": True, "parts": len(seconds), "of": len(edges)}
        for _ in range(asked["runs"] - 1):
            answers, (took,) = run(session, inputs, asked | {"parts": 1}, edges)
            told["seconds"] += [took] if len(edges) == 1 else []
            told["repeats"] = told["repeats"] and all(
                np.array_equal(array, outputs[name][: len(array)], equal_nan=True) for name, array in answers.items()
            )
    except MemoryError:
        say({"fault": f"needs more than {asked['megabytes']} MB of memory"})
        return
    except Exception as fault:  # noqa: BLE001  # onnxruntime's errors share no class
        words = " ".join(str(fault).split())
        short = "needs more than" in words or "bad_alloc" in words or "Failed to allocate" in words
        say({"fault": f"needs more than {asked['megabytes']} MB of memory" if short else words[:300]})
        return
    np.savez(given, **outputs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(told | {"megabytes": round(peak)})


def cut(inputs: dict[str, Any], rows: int | None) -> list[tuple[int, int]]:
    """First and one past the last row of each call, as a reader makes them."""
    count = len(next(iter(inputs.values())))
    calls = max(1, -(-count // (rows or count or 1)))
    return list(pairwise(round(k * count / calls) for k in range(calls + 1)))


def run(
    session: onnxruntime.InferenceSession, inputs: dict[str, Any], asked: dict[str, Any], edges: list[tuple[int, int]]
) -> tuple[dict[str, Any], list[float]]:
    """All outputs asked for, of as many calls as may be, and the seconds of each; each is told as it ends."""
    names = asked["outputs"] or [node.name for node in session.get_outputs()]
    parts, seconds = [], []
    for number, (low, high) in enumerate(edges[: asked["parts"]], 1):
        began = time.perf_counter()
        parts.append(session.run(names, {name: array[low:high] for name, array in inputs.items()}))
        seconds.append(time.perf_counter() - began)
        say({"part": number, "of": len(edges), "seconds": seconds[-1]})
    if len(parts) == 1:
        return dict(zip(names, parts[0], strict=True)), seconds
    return {name: np.concatenate([part[k] for part in parts]) for k, name in enumerate(names)}, seconds


def say(what: dict[str, Any]) -> None:
    """One line on the standard output."""
    print(json.dumps(what), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
