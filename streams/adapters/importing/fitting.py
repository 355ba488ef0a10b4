"""Whether a network and what is said of it go together, shape by shape, before it is ever asked."""

from __future__ import annotations

from typing import Any

from streams.adapters.importing.onnx_files import ANY, OnnxModel
from streams.contract import TensorSpec
from streams.errors import ModelRefused
from streams.reading.stitching import meaning_of
from streams.reading.windowed import Recipe, recipe_of

Tree = dict[str, Any]
AXES_OF_A_PATCH = 5
"""n, channel and three of space."""


def fit(model: OnnxModel, tree: Tree) -> None:
    """Check a network against its contract's `volume_patches` and `volume_mask`, and fill in what it tells itself.

    Raises:
        ModelRefused: a sentence that says what does not fit, and what to change.
    """
    name = model.path.name
    tensors, answer = tree.setdefault("tensors", {}), tree.setdefault("answer", {})
    tensors.setdefault("function", "volume_patches")
    answer.setdefault("function", "volume_mask")
    tensors["inputs"] = _table(model.inputs)
    tensors["outputs"] = _table(model.outputs)
    if answer["function"] == "volume_mask":
        answer.setdefault("mask", _one_output(name, model))
    if tensors["function"] == "volume_patches" and answer["function"] == "volume_mask":
        _patches(name, model, tree)


def _patches(name: str, model: OnnxModel, tree: Tree) -> None:
    try:
        recipe = recipe_of(options_of(tree, "tensors"))
        meaning = meaning_of(options_of(tree, "answer"))
    except ValueError as fault:
        raise ModelRefused(f"{name}: {fault}") from fault
    if len(model.inputs) != 1:
        raise ModelRefused(f"{name} has {len(model.inputs)} inputs ({_and(model.inputs)}); one image is given")
    (image, spec), *_ = model.inputs.items()
    _check_input(name, image, spec, recipe)
    output = tree["answer"]["mask"]
    if output not in model.outputs:
        raise ModelRefused(f"{name} has no output '{output}'; it has {_and(model.outputs)}")
    _check_output(name, output, model.outputs[output], recipe, len(meaning.classes))
    if spec.shape[0] == 1 or model.outputs[output].shape[0] == 1:
        tree["tensors"]["rows_most"] = 1
        for kind in ("inputs", "outputs"):  # put together again, its answers are one for each patch
            for one in tree["tensors"][kind].values():
                one["shape"] = [ANY, *one["shape"][1:]]


def _one_output(name: str, model: OnnxModel) -> str:
    if len(model.outputs) != 1:
        raise ModelRefused(
            f"{name} has {len(model.outputs)} outputs ({_and(model.outputs)}): say which one is the mask, "
            f'as `mask = "{next(iter(model.outputs), "")}"` under [answer] in model.toml'
        )
    return next(iter(model.outputs))


def _check_input(name: str, image: str, spec: TensorSpec, recipe: Recipe) -> None:
    shape = spec.shape
    said = f"{name}: input '{image}' is {_by(shape)}"
    if len(shape) != AXES_OF_A_PATCH:
        raise ModelRefused(f"{said}; volume_patches gives patches x 1 channel x three axes of space")
    if shape[0] not in (1, ANY):
        raise ModelRefused(f"{said}: it takes {shape[0]} patches at a time; export it with 1, or with any number")
    if shape[-1] == 1 and shape[1] != 1:
        raise ModelRefused(f"{said}: its channel comes last; export the model with the channel second")
    if shape[1] not in (1, ANY):
        raise ModelRefused(f"{said}: it takes {shape[1]} channels; one, the CT, is given")
    if spec.datatype not in ("FP32", "FP16"):
        raise ModelRefused(f"{said} of {spec.datatype}; volume_patches gives FP32 or FP16")
    patch = _own(recipe, recipe.patch)
    for axis, (side, given) in enumerate(zip(shape[2:], patch, strict=True)):
        if side not in (ANY, given):
            raise ModelRefused(
                f"{said}, and option patch gives {given or 'any number of'} voxels along axis {axis + 1}: "
                f"patch takes [{', '.join(str(s if s != ANY else p) for s, p in zip(shape[2:], patch, strict=True))}]"
            )


def _check_output(name: str, output: str, spec: TensorSpec, recipe: Recipe, classes: int) -> None:
    shape = spec.shape
    said = f"{name}: output '{output}' is {_by(shape)}"
    if len(shape) != AXES_OF_A_PATCH:
        raise ModelRefused(f"{said}; volume_mask reads patches x classes x three axes of space")
    if shape[1] == ANY or shape[1] == classes:
        pass
    elif shape[-1] == classes:
        raise ModelRefused(f"{said}: its classes come last; export the model with the classes second")
    else:
        raise ModelRefused(f"{said}: it has {shape[1]} channels, and option classes names {classes}")
    inner = _own(recipe, (recipe.inner(0), recipe.inner(1), recipe.inner(2)))
    for axis, (side, wanted) in enumerate(zip(shape[2:], inner, strict=True)):
        if wanted and side not in (ANY, wanted):
            raise ModelRefused(
                f"{said}, and a patch less what is lost leaves {wanted} along axis {axis + 1}: "
                "option lost is what the answer is smaller by, on each side"
            )


def _own(recipe: Recipe, native: tuple[int, int, int]) -> tuple[int, ...]:
    """Three values of our axes in the model's order."""
    return tuple(native[axis] for axis in recipe.turned.order)


def options_of(tree: Tree, table: str) -> Tree:
    """The options of `[tensors]` or `[answer]`, TOML's lists as a contract's tuples."""
    options = tree[table].get("options", {})
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def _table(specs: dict[str, TensorSpec]) -> Tree:
    return {name: {"datatype": spec.datatype, "shape": list(spec.shape)} for name, spec in specs.items()}


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join("any" if side == ANY else str(side) for side in shape)


def _and(names: dict[str, TensorSpec]) -> str:
    return ", ".join(names)
