# ruff: noqa: INP001  # Triton loads it by its path
"""Triton backend `onnxruntime` for machines without the native one: runs `<version>/model.onnx` by onnxruntime.

A model's config.pbtxt is the same as for the native backend: inputs and outputs by name, `instance_group`,
`max_batch_size`, `default_model_filename`, and the parameters `intra_op_thread_count` and `inter_op_thread_count`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

QUIET = 3  # onnxruntime's level for errors only
DEFAULT_FILE = "model.onnx"


class TritonPythonModel:
    """One instance of one model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model; a file that is missing or damaged makes the load fail with onnxruntime's words."""
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or DEFAULT_FILE
        path = Path(args["model_repository"]) / args["model_version"] / file
        if not path.is_file():
            raise pb_utils.TritonModelException(f"{args['model_name']} has no {args['model_version']}/{file}")
        options, providers = _options(config), _providers(args)
        self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self.inputs = [(i["name"], bool(i.get("optional"))) for i in config["input"]]
        self.outputs = {o["name"]: pb_utils.triton_string_to_numpy(o["data_type"]) for o in config["output"]}
        self.batches = config.get("max_batch_size", 0) > 0
        _check_names({name for name, optional in self.inputs if not optional}, self.session.get_inputs(), "input")
        _check_names(set(self.outputs), self.session.get_outputs(), "output")

    def execute(self, requests: list) -> list:
        """Answers each request; those whose shapes agree run as one batch, and an error is of its request alone."""
        answers: list = [None] * len(requests)
        groups: dict[tuple, list[tuple[int, dict]]] = {}
        for number, request in enumerate(requests):
            try:
                wanted, feed = tuple(sorted(request.requested_output_names())), self._feed(request)
            except pb_utils.TritonModelException as refused:
                answers[number] = _failure(str(refused), pb_utils.TritonError.INVALID_ARG)
                continue
            if request.is_cancelled():
                answers[number] = _failure("cancelled", pb_utils.TritonError.CANCELLED)
                continue
            shapes = tuple((name, array.shape[1:], array.dtype.str) for name, array in sorted(feed.items()))
            alone = -1 if self.batches else number
            groups.setdefault((wanted, shapes, alone), []).append((number, feed))
        for (wanted, _, _), members in groups.items():
            for number, answer in self._run(wanted, members):
                answers[number] = answer
        return answers

    def _feed(self, request: object) -> dict[str, np.ndarray]:
        feed = {}
        for name, optional in self.inputs:
            tensor = pb_utils.get_input_tensor_by_name(request, name)
            if tensor is not None:
                array = tensor.as_numpy()
                feed[name] = np.char.decode(array.astype(np.bytes_), "utf-8") if array.dtype == object else array
            elif not optional:
                raise pb_utils.TritonModelException(f"input {name} is missing")
        return feed

    def _run(self, wanted: tuple[str, ...], members: list[tuple[int, dict]]) -> list[tuple[int, object]]:
        """The answers of one batch; where it fails, each of its requests runs alone and is told its own fault."""
        feeds = [feed for _, feed in members]
        sizes = [len(next(iter(feed.values()))) for feed in feeds]
        try:
            feed = feeds[0] if len(feeds) == 1 else {n: np.concatenate([f[n] for f in feeds]) for n in feeds[0]}
            results = self.session.run(list(wanted), feed)
        except Exception as failed:  # noqa: BLE001  # onnxruntime's errors share no class
            if len(members) > 1:
                return [answer for member in members for answer in self._run(wanted, [member])]
            return [(members[0][0], _failure(str(failed), pb_utils.TritonError.INTERNAL))]
        if len(feeds) == 1:
            return [(members[0][0], self._answer(wanted, results))]
        if any(len(result) != sum(sizes) for result in results):  # an output that does not grow with the batch
            return [answer for member in members for answer in self._run(wanted, [member])]
        parts = zip(*(np.split(result, np.cumsum(sizes)[:-1]) for result in results), strict=True)
        return [(number, self._answer(wanted, part)) for (number, _), part in zip(members, parts, strict=True)]

    def _answer(self, names: tuple[str, ...], arrays: object) -> object:
        tensors = [
            pb_utils.Tensor(name, np.ascontiguousarray(array, dtype=self.outputs.get(name)))
            for name, array in zip(names, arrays, strict=True)
        ]
        return pb_utils.InferenceResponse(tensors)


def _options(config: dict) -> onnxruntime.SessionOptions:
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 0))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 0))
    return options


def _providers(args: dict[str, str]) -> list:
    cuda = "CUDAExecutionProvider"
    if args["model_instance_kind"] == "GPU" and cuda in onnxruntime.get_available_providers():
        return [(cuda, {"device_id": int(args["model_instance_device_id"])}), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def _check_names(configured: set[str], of_model: list, kind: str) -> None:
    names = {node.name for node in of_model}
    if configured - names:
        raise pb_utils.TritonModelException(
            f"config.pbtxt names {kind} {', '.join(sorted(configured - names))}, "
            f"the model has {', '.join(sorted(names))}"
        )


def _failure(words: str, code: int) -> object:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(words, code))
