"""A MONAI bundle's inference.json and metadata.json, said as a contract says it; what has no equal is named by line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from streams.adapters.importing.monai_json import Step, Tree, read_json, steps_of, with_lines
from streams.errors import ModelRefused

NOTHING = frozenset(
    {"LoadImage", "EnsureChannelFirst", "AddChannel", "EnsureType", "ToTensor", "CastToType", "ToDevice"}
    | {"Invert", "SaveImage", "DeleteItems"}
)
"""What the engine does in any case: it loads, turns masks back to the images and stores them."""
AXCODES = frozenset("RLAPSI")
SPACE = 3
OVERLAP = 0.25
"""Of MONAI's SlidingWindowInferer where it says none."""


@dataclass(slots=True)
class Mapped:
    """What a bundle says, as a contract's tree, and what was left out.

    Attributes:
        tree: parts of contract.toml.
        lacking: what has no equal, each with file and line.
        remarks: what is only nearly the same, for the card.
        told: what its makers say of it, for the card.
    """

    tree: Tree = field(default_factory=lambda: {"tensors": {"options": {}}, "answer": {"options": {}}})
    lacking: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    @property
    def patches(self) -> Tree:
        """Options of volume_patches."""
        options: Tree = self.tree["tensors"]["options"]
        return options

    @property
    def meaning(self) -> Tree:
        """Options of volume_mask."""
        options: Tree = self.tree["answer"]["options"]
        return options


def is_bundle(folder: Path) -> bool:
    """Whether the folder is laid out as MONAI's bundles are."""
    return (folder / "configs" / "inference.json").is_file() or (folder / "configs" / "metadata.json").is_file()


def read_bundle(folder: Path, ignored: frozenset[str] = frozenset()) -> Mapped:
    """What the bundle says that a contract can say.

    Args:
        folder: the bundle.
        ignored: names of transforms and arguments that may be left out; the card tells it.

    Raises:
        ModelRefused: a file is missing or no JSON, or something has no equal and is not ignored.
    """
    config, text = read_json(folder / "configs" / "inference.json")
    metadata, _ = read_json(folder / "configs" / "metadata.json")
    mapped = Mapped()
    steps = list(with_lines(config, text))
    for section in ("preprocessing", "inferer", "postprocessing"):
        if section not in config:
            mapped.lacking.append(f"inference.json has no '{section}'")
        for step in steps_of(config, section, steps):
            _map(step, mapped)
    _describe(metadata, mapped)
    left = [what for what in mapped.lacking if not any(re.search(rf"\b{re.escape(n)}\b", what) for n in ignored)]
    if left:
        raise ModelRefused(
            f"{folder.name}: {len(left)} of what its inference.json asks for has no equal here: {'; '.join(left)}. "
            "Leave one out with --ignore NAME, if the answer may differ by it"
        )
    mapped.remarks += [f"Left out at the import: {what}." for what in mapped.lacking]
    return mapped


Mapper = Callable[[Step, Mapped], frozenset[str]]
"""Writes what a step says into the tree; returns the arguments that it understood."""


def _map(step: Step, mapped: Mapped) -> None:
    if step.name in NOTHING:
        return
    mapper = MAPPERS.get(step.name)
    if mapper is None:
        mapped.lacking.append(step.where)
        return
    if unknown := step.expressions:
        mapped.lacking.append(f"{unknown[0]} of {step.where}, an expression: write the value")
        return
    try:
        understood = mapper(step, mapped)
    except KeyError as missing:
        raise ModelRefused(f"{step.where} does not say {missing.args[0]}") from missing
    except (TypeError, ValueError) as fault:
        raise ModelRefused(f"{step.where} cannot be taken: {fault}") from fault
    for name in sorted(set(step.arguments) - understood):
        if step.arguments[name] is not None:
            mapped.lacking.append(f"{name} = {json.dumps(step.arguments[name])} of {step.where}")


def _orientation(step: Step, mapped: Mapped) -> frozenset[str]:
    axes = str(step.arguments["axcodes"])
    if len(axes) != SPACE or not set(axes) <= AXCODES:
        raise ValueError(f"axcodes {axes!r}")
    mapped.patches["axes"] = axes
    return frozenset({"axcodes"})


def _spacing(step: Step, mapped: Mapped) -> frozenset[str]:
    pixdim = step.arguments["pixdim"]
    three = [float(v) for v in (pixdim if isinstance(pixdim, list) else [pixdim] * 3)]
    if len(three) != SPACE or min(three) <= 0:
        raise ValueError(f"pixdim {pixdim}: three spacings above 0 mm are taken")
    mapped.patches["spacing_mm"] = three
    linear = step.arguments.get("mode", "bilinear") in ("bilinear", ["bilinear"])
    return frozenset({"pixdim", "mode"} if linear else {"pixdim"})


def _window(step: Step, mapped: Mapped) -> frozenset[str]:
    low, high, first, last = (float(step.arguments[name]) for name in ("a_min", "a_max", "b_min", "b_max"))
    if step.arguments.get("clip", False) is not True:
        raise ValueError("clip is not true: values beyond the window have no limit")
    mapped.patches.update({"clip_hu": [low, high], "scale_to": [first, last]})
    return frozenset({"a_min", "a_max", "b_min", "b_max", "clip"})


def _foreground(step: Step, mapped: Mapped) -> frozenset[str]:
    mapped.patches["region"] = "body"
    mapped.remarks.append(f"{step.where} is taken as the box of the body, which is nearly the same.")
    return frozenset({"source_key", "margin", "start_coord_key", "end_coord_key", "allow_smaller"})


def _sliding(step: Step, mapped: Mapped) -> frozenset[str]:
    roi = step.arguments["roi_size"]
    mapped.patches["patch"] = [int(v) for v in (roi if isinstance(roi, list) else [roi] * 3)]
    mapped.patches["overlap"] = float(step.arguments.get("overlap", OVERLAP))
    mapped.meaning["blend"] = str(step.arguments.get("mode", "constant"))
    rows = int(step.arguments.get("sw_batch_size", 1))
    mapped.tree["tensors"]["rows_most"] = max(1, rows)
    understood = {"roi_size", "overlap", "mode", "sw_batch_size", "progress", "cache_roi_weight_map"}
    if step.arguments.get("padding_mode", "constant") == "constant":
        understood.add("padding_mode")
    return frozenset(understood | {"device", "sw_device", "cpu_thresh"})


def _activation(step: Step, mapped: Mapped) -> frozenset[str]:
    kinds = [kind for kind in ("softmax", "sigmoid") if step.arguments.get(kind) is True]
    if len(kinds) != 1:
        raise ValueError("one of softmax and sigmoid is taken")
    mapped.meaning["activation"] = kinds[0]
    return frozenset({"softmax", "sigmoid"})


def _discrete(step: Step, mapped: Mapped) -> frozenset[str]:
    threshold = step.arguments.get("threshold", step.arguments.get("threshold_values"))
    if step.arguments.get("argmax") is True:
        mapped.meaning["decision"] = "argmax"
    elif isinstance(threshold, float | int) and not isinstance(threshold, bool):
        mapped.meaning["decision"] = "threshold"
        mapped.tree["answer"]["mask_threshold"] = float(threshold)
    else:
        raise ValueError("argmax or threshold is taken")
    return frozenset({"argmax", "threshold", "threshold_values"})


MAPPERS: dict[str, Mapper] = {
    "Orientation": _orientation,
    "Spacing": _spacing,
    "ScaleIntensityRange": _window,
    "CropForeground": _foreground,
    "SlidingWindowInferer": _sliding,
    "Activations": _activation,
    "AsDiscrete": _discrete,
}


def _describe(metadata: Tree, mapped: Mapped) -> None:
    """Classes, modality and what its makers say."""
    formats = metadata.get("network_data_format") or {}
    image: Tree = next(iter((formats.get("inputs") or {}).values()), {})
    answer: Tree = next(iter((formats.get("outputs") or {}).values()), {})
    if image.get("num_channels", 1) != 1:
        raise ModelRefused(f"metadata.json: the network takes {image['num_channels']} channels; one, the CT, is given")
    if str(image.get("modality", "CT")).upper() != "CT":
        raise ModelRefused(f"metadata.json: the network reads {image['modality']}; CT is read so far")
    named = answer.get("channel_def") or {}
    mapped.meaning["classes"] = [str(named[key]) for key in sorted(named, key=int)]
    if mapped.meaning.get("activation") is None and mapped.meaning.get("decision") == "argmax":
        mapped.meaning["activation"] = "softmax"
        mapped.remarks.append("No activation is named; softmax is taken, which an argmax does not see.")
    shape, patch = image.get("spatial_shape"), mapped.patches.get("patch")
    if isinstance(shape, list) and patch and all(isinstance(v, int) for v in shape) and shape != patch:
        mapped.remarks.append(f"metadata.json says patches of {shape}, inference.json of {patch}: the latter is taken.")
    mapped.tree["version"] = str(metadata.get("version", "1"))
    mapped.tree["title"] = str(metadata.get("name") or metadata.get("task") or "A MONAI bundle")
    for name in ("description", "intended_use", "data_source", "copyright", "authors"):
        if isinstance(metadata.get(name), str) and metadata[name]:
            mapped.told[name] = metadata[name]
    if metadata.get("eval_metrics"):
        mapped.told["eval_metrics"] = json.dumps(metadata["eval_metrics"])
