# ruff: noqa: INP001  # Triton loads it by its path
"""Triton backend `onnxruntime` for machines without the native one: runs `<version>/model.onnx` by onnxruntime.

A model's config.pbtxt is the same as for the native backend: inputs and outputs by name, `instance_group`,
`max_batch_size`, `default_model_filename`, and the parameters `intra_op_thread_count` and `inter_op_thread_count`.
One parameter more, which the native backend passes over: `execution_provider` is `auto` (the faster of onnxruntime's
own and OpenVINO, measured when the model loads; the log tells which), `cpu` or `openvino`.
An output RECEIPT, which the local stack adds to the configuration, is no output of the model: receipts.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import providers
import receipts
import triton_python_backend_utils as pb_utils

QUIET = 3  # onnxruntime's level for errors only
DEFAULT_FILE, CONTRACTED = "model.onnx", "1"
CUDA = "CUDAExecutionProvider"


class TritonPythonModel:
    """One instance of one model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model; a file that is missing or damaged makes the load fail with onnxruntime's words."""
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or DEFAULT_FILE
        path = Path(args["model_repository"]) / args["model_version"] / file
        if not path.is_file():
            raise pb_utils.TritonModelException(f"{args['model_name']} has no {args['model_version']}/{file}")
        contracted = file == DEFAULT_FILE and args["model_version"] == CONTRACTED
        self.weights = receipts.weights(path) if contracted else ""  # contracts know no other file
        self.session = _session(args, config, path)
        self.inputs = [(i["name"], bool(i.get("optional"))) for i in config["input"]]
        outputs = {o["name"]: pb_utils.triton_string_to_numpy(o["data_type"]) for o in config["output"]}
        self.outputs = {name: kind for name, kind in outputs.items() if name != receipts.OUTPUT}
        self.batches = config.get("max_batch_size", 0) > 0
        _check_names({name for name, optional in self.inputs if not optional}, self.session.get_inputs(), "input")
        _check_names(set(self.outputs), self.session.get_outputs(), "output")

    def execute(self, requests: list) -> list:
        """Answers each request; those whose shapes agree run as one batch, and an error is of its request alone."""
        answers: list = [None] * len(requests)
        groups: dict[tuple, list[tuple[int, dict]]] = {}
        signed: dict[int, bytes] = {}
        for number, request in enumerate(requests):
            try:
                wanted, feed = set(request.requested_output_names()), self._feed(request)
            except pb_utils.TritonModelException as refused:
                answers[number] = _failure(str(refused), pb_utils.TritonError.INVALID_ARG)
                continue
            if request.is_cancelled():
                answers[number] = _failure("cancelled", pb_utils.TritonError.CANCELLED)
                continue
            if receipts.OUTPUT in wanted:
                signed[number] = receipts.receipt(request.request_id(), feed, self.weights)
            shapes = tuple((name, array.shape[1:], array.dtype.str) for name, array in sorted(feed.items()))
            alone = -1 if self.batches else number
            names = tuple(sorted(wanted - {receipts.OUTPUT}))
            groups.setdefault((names, shapes, alone), []).append((number, feed))
        for (names, _, _), members in groups.items():
            for number, answer in self._run(names, members):
                answers[number] = self._response(answer, signed.get(number))
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

    def _answer(self, names: tuple[str, ...], arrays: object) -> list:
        return [
            pb_utils.Tensor(name, np.ascontiguousarray(array, dtype=self.outputs.get(name)))
            for name, array in zip(names, arrays, strict=True)
        ]

    def _response(self, answer: object, receipt: bytes | None) -> object:
        """The tensors of an answer, signed where the call asked for it; a failure as it is."""
        if not isinstance(answer, list):
            return answer
        if receipt is not None:
            shape = (len(answer[0].as_numpy()), 1) if self.batches and answer else (1,)
            answer.append(pb_utils.Tensor(receipts.OUTPUT, np.full(shape, receipt, np.object_)))
        return pb_utils.InferenceResponse(answer)


def _session(args: dict[str, str], config: dict, path: Path) -> onnxruntime.InferenceSession:
    """On a GPU by CUDA; on a CPU by what `providers` chooses."""
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    threads = int(parameters.get("intra_op_thread_count", 0))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 0))
    # threads that wait by turning round and round take the cores from decoders and other models: a sixth of the
    # processor time of a head where the cores are shared, and where they are not it gains nothing that matters
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    def made(*wanted: object) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(str(path), options, providers=list(wanted))

    if args["model_instance_kind"] == "GPU" and CUDA in onnxruntime.get_available_providers():
        return made((CUDA, {"device_id": int(args["model_instance_device_id"])}), providers.CPU)
    types = {i["name"]: pb_utils.triton_string_to_numpy(i["data_type"]) for i in config["input"]}
    try:
        choice = providers.choose(
            parameters.get("execution_provider", "auto"),
            lambda provider: made(providers.options_of(provider, threads)),
            providers.question(config, path, types),
            threads,
        )
    except providers.ProviderUnusable as fault:
        raise pb_utils.TritonModelException(f"{args['model_name']}: {fault}") from fault
    pb_utils.Logger.log_info(f"{args['model_name']} runs by {choice.said}")
    return choice.session


def _check_names(configured: set[str], of_model: list, kind: str) -> None:
    names = {node.name for node in of_model}
    if configured - names:
        raise pb_utils.TritonModelException(
            f"config.pbtxt names {kind} {', '.join(sorted(configured - names))}, "
            f"the model has {', '.join(sorted(names))}"
        )


def _failure(words: str, code: int) -> object:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(words, code))
