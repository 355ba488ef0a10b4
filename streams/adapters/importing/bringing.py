"""One way in for whatever somebody brings: a file or a folder becomes a whole model folder, or a sentence why not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streams.adapters.contract_files import CONTRACT, WEIGHTS, read_model
from streams.adapters.importing import folders
from streams.adapters.importing.fitting import fit
from streams.adapters.importing.monai_bundles import Mapped, is_bundle, read_bundle
from streams.adapters.importing.onnx_files import LARGEST_MB, look_into
from streams.adapters.importing.torchscript import Converter, torch_python
from streams.adapters.onnx_trial import Bench
from streams.adapters.strict_toml import TomlFile
from streams.contract import Contract
from streams.errors import ModelRefused

Tree = dict[str, Any]
SAID = "model.toml"
"""What only its makers know, beside the file or in the folder: the part of contract.toml that it does not tell."""
ONNX, TORCHSCRIPT = (".onnx",), (".ts", ".pt", ".pth", ".jit", ".torchscript")
NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")
ASKED = {
    ("needs", "body_part"): 'body_part = "head"      # under [needs]; a name of deploy/policies/routing.toml',
    ("finding", "name"): 'name = "my_finding"     # under [finding]',
    ("finding", "threshold"): "threshold = 0.5         # under [finding]; on the calibrated probability",
    ("finding", "code"): 'code = { scheme = "SCT", value = "...", meaning = "..." } # under [finding]',
}
"""What nobody can guess, and the line that says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What whoever brings a model says of it.

    Attributes:
        name: of the model; None: by model.toml, else by the file.
        said: a model.toml that lies elsewhere.
        ignored: names of a bundle's transforms and arguments that may be left out.
        largest_mb: a larger file is refused.
    """

    name: str | None = None
    said: Path | None = None
    ignored: frozenset[str] = frozenset()
    largest_mb: int = LARGEST_MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What conversion and trial need: onnxruntime, and interpreters in which torch may be."""

    bench: Bench
    torch: Sequence[Path] = ()


@dataclass(slots=True)
class _Brought:
    """What was found: the network, what is said of it, and what for the card."""

    network: Path
    mapped: Mapped = field(default_factory=Mapped)
    said: Path | None = None


def bring(source: Path, scratch: Path, wishes: Wishes, tools: Tools) -> Path:
    """A whole model folder below `scratch`, named as the model is; it has answered a first question.

    Raises:
        ModelRefused, PolicyInvalid, PartMissing: why not, and what to change.
    """
    if not source.exists():
        raise ModelRefused(f"{source} is not there")
    if (source / CONTRACT).is_file():
        return _whole(source, scratch, wishes, tools)
    brought = _found(source, wishes)
    tree = _tree(brought, wishes)
    network = brought.network
    if network.suffix in TORCHSCRIPT:
        network, remark = _converted(network, tree, scratch, wishes, tools)
        brought.mapped.remarks.append(remark)
    model = look_into(network, wishes.largest_mb)
    fit(model, tree)
    folder = scratch / str(tree["name"])
    text = folders.card(tree, f"`{source.name}`", brought.mapped.told, brought.mapped.remarks)
    folders.write_folder(folder, tree, model, text)
    canary = folders.record_canary(folder, tree, model, tools.bench)
    if canary is not None:
        folders.write_contract(folder, tree | {"canary": canary})
    read_model(folder)
    return folder


def _whole(source: Path, scratch: Path, wishes: Wishes, tools: Tools) -> Path:
    """A model folder as it is: looked into, its canary asked."""
    held = read_model(source, wishes.name or source.resolve().name)
    model = look_into(source / WEIGHTS, wishes.largest_mb)
    folder = scratch / held.contract.name
    (folder / WEIGHTS).parent.mkdir(parents=True)
    shutil.copyfile(source / WEIGHTS, folder / WEIGHTS)
    for name in (CONTRACT, folders.CONFIG, folders.CARD, held.contract.canary.file if held.contract.canary else ""):
        if not name:
            continue
        if not (source / name).is_file():
            raise ModelRefused(f"{source.name} has no {name}")
        shutil.copyfile(source / name, folder / name)
    config = folder / folders.CONFIG  # versions are served side by side, under names of their own
    config.write_text(re.sub(r'^name:\s*"[^"]*"\n', "", config.read_text(), flags=re.MULTILINE))
    canary = held.contract.canary
    if canary is not None:
        check_canary(folder, canary.file, canary.output, canary.tolerance, tools.bench)
    missing = sorted(set(held.contract.tensors.outputs) - set(model.outputs))
    if missing:
        raise ModelRefused(
            f"{source.name}: its network has no output '{missing[0]}'; it has {', '.join(model.outputs)}"
        )
    return folder


def check_canary(folder: Path, file: str, output: str, tolerance: float, bench: Bench) -> float:
    """How far the model in a folder is from its known answer.

    Raises:
        ModelRefused: further than is tolerated, or it does not run.
    """
    with np.load(folder / file, allow_pickle=False) as arrays:
        question = {name: arrays[name] for name in arrays.files}
    expected = question.pop("expected")
    answer = bench.tried(folder / WEIGHTS, question, (output,), runs=1).outputs[output]
    if answer.shape != expected.shape:
        raise ModelRefused(f"{folder.name} answers its canary with the shape {answer.shape}, not {expected.shape}")
    off = float(np.abs(answer.astype(np.float64) - expected).max())
    if not off <= tolerance:
        raise ModelRefused(f"{folder.name} answers its canary wrongly: {off:.3g} off, {tolerance:g} is tolerated")
    return off


def _found(source: Path, wishes: Wishes) -> _Brought:
    if source.is_file():
        if source.suffix not in ONNX + TORCHSCRIPT:
            raise ModelRefused(
                f"{source.name} is none of {', '.join(ONNX + TORCHSCRIPT)}; a MONAI bundle is given as its folder"
            )
        beside = [source.with_suffix(".toml"), source.with_name(SAID)]
        return _Brought(source, said=wishes.said or next((p for p in beside if p.is_file()), None))
    said = wishes.said or (source / SAID if (source / SAID).is_file() else None)
    if is_bundle(source):
        return _Brought(_network(source / "models", source.name), read_bundle(source, wishes.ignored), said)
    return _Brought(_network(source, source.name), said=said)


def _network(folder: Path, of: str) -> Path:
    """The one network of a folder; ONNX before TorchScript, TorchScript (.ts) before what may be mere weights."""
    for endings in (ONNX, (".ts", ".torchscript", ".jit"), (".pt", ".pth")):
        found = sorted(p for p in folder.glob("*") if p.suffix in endings)
        if len(found) == 1:
            return found[0]
        if found:
            raise ModelRefused(f"{of} holds {', '.join(p.name for p in found)}: name the file that is meant")
    raise ModelRefused(f"{of} holds no network ({', '.join(ONNX + TORCHSCRIPT)}) and no {CONTRACT}")


def _tree(brought: _Brought, wishes: Wishes) -> Tree:
    """What is said of the model, from everybody who says something; model.toml has the last word."""
    said: Tree = TomlFile(brought.said, brought.said.name).part_of(Contract) if brought.said else {}
    tree = _merged(brought.mapped.tree, said)
    stem = re.sub(r"[^a-z0-9]+", "_", brought.network.stem.lower()).strip("_")
    tree["name"] = wishes.name or tree.get("name") or stem
    if not NAME.fullmatch(str(tree["name"])):
        raise ModelRefused(f"a model is not called '{tree['name']}': --name takes small letters, digits and _")
    tree |= {"schema": 1, "role": "shadow", "version": str(tree.get("version", "1"))}
    tree.setdefault("title", tree["name"])
    tree.setdefault("needs", {}).setdefault("modality", ["CT"])
    missing = [line for path, line in ASKED.items() if not _has(tree, path)]
    if missing:
        where = brought.said or brought.network.with_name(SAID)
        raise ModelRefused(
            f"{brought.network.name} does not say all that is needed, and nothing is guessed; "
            f"write into {where.name} beside it:\n  " + "\n  ".join(missing)
        )
    return tree


def _merged(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _has(tree: Tree, path: tuple[str, ...]) -> bool:
    value: Any = tree
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value is not None


def _converted(network: Path, tree: Tree, scratch: Path, wishes: Wishes, tools: Tools) -> tuple[Path, str]:
    try:
        shape, free = folders.example_shape(tree)
    except ValueError as fault:
        raise ModelRefused(f"{network.name}: {fault}") from fault
    converter = Converter(python=torch_python(tools.torch), bench=tools.bench, largest_mb=wishes.largest_mb)
    folder = scratch / "converted"
    folder.mkdir()
    off = converter.to_onnx(network, shape, free, folder)
    return (
        folder / "model.onnx",
        f"TorchScript, written as ONNX here: {off:.1g} of the largest value off torch's answer.",
    )
