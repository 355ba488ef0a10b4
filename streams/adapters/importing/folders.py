"""Writes a model folder: config.pbtxt for Triton, contract.toml for us, card.md for people, and a known answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from streams.adapters.contract_files import CONTRACT, WEIGHTS
from streams.adapters.importing.fitting import options_of
from streams.adapters.importing.onnx_files import ANY, OnnxModel, in_one_file
from streams.adapters.onnx_trial import Bench
from streams.contract import TensorSpec
from streams.errors import ModelRefused
from streams.ports import Tensor
from streams.reading.windowed import recipe_of

Tree = dict[str, Any]
CANARY = "canary.npz"
CARD = "card.md"
CONFIG = "config.pbtxt"
LARGEST_CANARY = 64 << 20
"""Bytes of a known answer; a larger one is not kept."""
SHARE_OFF = 0.02
"""Of the largest value: by so much a known answer may be off on other processors."""
NUMPY = {
    "BOOL": np.bool_, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip
ORDER = (
    "schema", "name", "version", "title", "role", "needs", "tensors", "answer", "finding", "measure", "quantities",
    "limits", "canary",
)  # fmt: skip
"""Of a contract's keys: what a person looks for first comes first."""


def write_folder(folder: Path, tree: Tree, model: OnnxModel, card: str) -> None:
    """All but the canary; the tree is a whole contract."""
    (folder / WEIGHTS).parent.mkdir(parents=True)
    in_one_file(model, folder / WEIGHTS)
    (folder / CONFIG).write_text(config(model))
    (folder / CARD).write_text(card)
    write_contract(folder, tree)


def write_contract(folder: Path, tree: Tree) -> None:
    """contract.toml, its keys in the usual order."""
    ordered = {key: tree[key] for key in ORDER if key in tree} | {k: v for k, v in tree.items() if k not in ORDER}
    (folder / CONTRACT).write_text(tomli_w.dumps(ordered))


def config(model: OnnxModel) -> str:
    """config.pbtxt: without a name, so that versions of a model can be served side by side."""

    def ports(specs: dict[str, TensorSpec]) -> str:
        return ",\n".join(
            f'  {{ name: "{name}" data_type: TYPE_{spec.datatype} dims: [ {", ".join(map(str, spec.shape))} ] }}'
            for name, spec in specs.items()
        )

    return (
        "# Written by `wetread models add`; what the tensors mean stands in contract.toml.\n"
        'backend: "onnxruntime"\nmax_batch_size: 0\n'
        f"input [\n{ports(model.inputs)}\n]\noutput [\n{ports(model.outputs)}\n]\n"
        "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
        'parameters: { key: "intra_op_thread_count" value: { string_value: "1" } }\n'
    )


def example_shape(tree: Tree) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The smallest patch that the options allow, as `[1, 1, ...]`, and the axes that may have any size."""
    recipe = recipe_of(options_of(tree, "tensors"))
    sides = [recipe.patch[axis] or recipe.multiple + 2 * recipe.lost[axis] for axis in recipe.turned.order]
    free = [k + 2 for k, axis in enumerate(recipe.turned.order) if not recipe.patch[axis]]
    return (1, 1, *sides), (0, *free)


def record_canary(folder: Path, tree: Tree, model: OnnxModel, bench: Bench) -> Tree | None:
    """Ask the model a question, twice, and keep the answer; returns the contract's `[canary]`, None: too large.

    Raises:
        ModelRefused: it does not run, answers no numbers, or not the same twice.
    """
    output = tree["answer"].get("mask") or next(iter(model.outputs))
    question = {name: _question(tree, spec, np.random.default_rng(7)) for name, spec in model.inputs.items()}
    trial = bench.tried(model.path, question, (output,), runs=2)
    answer = trial.outputs[output]
    check_answer(model.path.name, output, answer)
    if not trial.repeats:
        raise ModelRefused(f"{model.path.name} does not answer the same to the same question: export it in eval mode")
    if answer.nbytes > LARGEST_CANARY:
        return None
    np.savez_compressed(folder / CANARY, expected=answer, **question)  # type: ignore[arg-type]
    off = max(1e-3, SHARE_OFF * float(np.abs(answer.astype(np.float64)).max()))
    return {"file": CANARY, "output": output, "tolerance": float(f"{off:.2g}")}


def check_answer(name: str, output: str, answer: Tensor) -> None:
    """Whether these are numbers.

    Raises:
        ModelRefused: NaN or infinite among them.
    """
    wrong = int(answer.size - np.isfinite(answer.astype(np.float64)).sum())
    if wrong:
        raise ModelRefused(
            f"{name}: {wrong} of {answer.size} values of '{output}' are no numbers (NaN or infinite): "
            "its weights, or the window that it is given, are wrong"
        )


def _question(tree: Tree, spec: TensorSpec, random: np.random.Generator) -> Tensor:
    """Noise in the range that the model is given, of the smallest shape."""
    low, high, shape = 0.0, 1.0, tuple(max(1, side) for side in spec.shape)
    if tree["tensors"]["function"] == "volume_patches":
        low, high = recipe_of(options_of(tree, "tensors")).scale_to
        shape, _ = example_shape(tree)
    elif any(side == ANY for side in spec.shape[1:]):
        raise ModelRefused(f"its input is {spec.shape}: a canary.npz must be given, since no shape is known to ask in")
    noise = random.uniform(low, high, shape)
    dtype = NUMPY[spec.datatype]
    return np.asarray(noise * 255 if spec.datatype == "UINT8" else noise).astype(dtype)


def card(tree: Tree, origin: str, told: dict[str, str], remarks: Sequence[str]) -> str:
    """A card that says first that nothing is known, then what must be filled in."""
    lines = [
        f"# {tree['name']} {tree['version']}: {tree['title']}",
        "",
        "**Role shadow: no evidence of what it is worth stands here yet.** Its results are recorded and shown as such;",
        "they move nobody on the worklist and alert nobody.",
        "",
        "## Where it comes from",
        f"Brought by `wetread models add` from {origin}.",
        *(f"- {name.replace('_', ' ')}, by its makers: {words}" for name, words in told.items()),
        *(f"- {remark}" for remark in remarks),
        "",
        "## To be filled in before it goes live",
        "- Intended use, and what it is not for.",
        "- Data that it was trained on: hospitals, scanners, years, patients; licence of data and weights.",
        "- Figures on patients not trained on, each with n, 95 % interval and data; those of this hospital apart.",
        f"- How the threshold {tree['finding']['threshold']:g} and the calibration were chosen.",
        "- Limits: what it misses, what it calls in vain, which scans it was never shown.",
        "",
    ]
    return "\n".join(lines)
