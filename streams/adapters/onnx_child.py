"""Runs where onnxruntime is, alone, with numpy 1.26: one ONNX model on given inputs, timed and measured.

Arguments: the model, an .npz of inputs, the .npz to write, and a JSON object: runs, rows (at most in one call, or
null), outputs, megabytes (of memory at most). Prints one JSON object.
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
        told = [run(session, inputs, asked) for _ in range(asked["runs"])]
    except MemoryError:
        say({"fault": f"needs more than {asked['megabytes']} MB of memory"})
        return
    except Exception as fault:  # noqa: BLE001  # onnxruntime's errors share no class
        words = " ".join(str(fault).split())
        short = "needs more than" in words or "bad_alloc" in words or "Failed to allocate" in words
        say({"fault": f"needs more than {asked['megabytes']} MB of memory" if short else words[:300]})
        return
    outputs = told[0][0]
    same = [np.array_equal(a, again[0][name], equal_nan=True) for again in told[1:] for name, a in outputs.items()]
    np.savez(given, **outputs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say({"seconds": [seconds for _, seconds in told], "repeats": all(same), "megabytes": round(peak)})


def run(
    session: onnxruntime.InferenceSession, inputs: dict[str, Any], asked: dict[str, Any]
) -> tuple[dict[str, Any], float]:
    """All outputs asked for, and the seconds it took; in several calls where rows are limited, as a reader does."""
    names = asked["outputs"] or [node.name for node in session.get_outputs()]
    count = len(next(iter(inputs.values())))
    most = asked["rows"] or count
    edges = [round(k * count / -(-count // most)) for k in range(-(-count // most) + 1)]
    began = time.perf_counter()
    parts = [
        session.run(names, {name: array[low:high] for name, array in inputs.items()}) for low, high in pairwise(edges)
    ]
    seconds = time.perf_counter() - began
    if len(parts) == 1:
        return dict(zip(names, parts[0], strict=True)), seconds
    return {name: np.concatenate([part[k] for part in parts]) for k, name in enumerate(names)}, seconds


def say(what: dict[str, Any]) -> None:
    """One line on the standard output."""
    print(json.dumps(what), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
