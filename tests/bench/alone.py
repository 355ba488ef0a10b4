"""Runs where onnxruntime is, with numpy 1.26: one session without Triton, asked once for each line on stdin.

Arguments: the backend's folder, model.onnx, an .npz of inputs, the provider (auto, cpu or openvino), threads of a
call. Prints the seconds of each call.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import onnxruntime


def main() -> None:
    """Until stdin ends."""
    backend, model, inputs, provider, threads = sys.argv[1:]
    sys.path.insert(0, backend)
    import providers

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = int(threads)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with np.load(inputs) as arrays:
        feed = {name: arrays[name] for name in arrays.files}
    session = providers.choose(
        provider,
        lambda name: onnxruntime.InferenceSession(model, options, providers=[providers.options_of(name, int(threads))]),
        feed,
        int(threads),
    ).session
    names = [node.name for node in session.get_outputs()]
    session.run(names, feed)
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        session.run(names, feed)
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
