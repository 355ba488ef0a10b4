"""Looks into an ONNX file before anything runs it: size, operators, inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.contract import TensorSpec
from streams.errors import ModelRefused

LARGEST_MB = 256
"""Of a model: what two cores read in reasonable time is smaller, and it is loaded twice while it is changed."""
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Whose operators ONNX Runtime, and the container's backend, bring with them."""
DATATYPES = {
    "BOOL": "BOOL", "UINT8": "UINT8", "INT16": "INT16", "INT32": "INT32", "INT64": "INT64",
    "FLOAT16": "FP16", "FLOAT": "FP32", "DOUBLE": "FP64",
}  # fmt: skip
"""ONNX's names of element types to Triton's."""
ANY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxModel:
    """What an ONNX file says of itself; a dimension of any size is -1."""

    path: Path
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


def look_into(path: Path, largest_mb: int = LARGEST_MB) -> OnnxModel:
    """Read and check an ONNX file.

    Raises:
        ModelRefused: too large, damaged, with operators that nobody has, or with tensors that are no numbers.
    """
    import onnx  # noqa: PLC0415  # 0.8 s, only where a model is brought

    megabytes = sum(part.stat().st_size for part in (path, *_beside(path))) / 1e6
    if megabytes > largest_mb:
        raise ModelRefused(
            f"{path.name} holds {megabytes:.0f} MB; up to {largest_mb} MB are taken: "
            "give --largest-mb if this machine has the memory and the time"
        )
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as fault:
        words = " ".join(str(fault).split())[:200]
        raise ModelRefused(f"{path.name} is no sound ONNX model: {words}") from fault
    _check_operators(path.name, model, onnx.defs)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    return OnnxModel(
        path=path,
        inputs={v.name: _spec(path.name, v, onnx.TensorProto) for v in inputs},
        outputs={v.name: _spec(path.name, v, onnx.TensorProto) for v in model.graph.output},
    )


def in_one_file(model: OnnxModel, target: Path) -> None:
    """Copy it, with weights that lie in files beside it put into the one file."""
    import onnx  # noqa: PLC0415

    if _beside(model.path):
        onnx.save(onnx.load(str(model.path)), str(target))
    else:
        target.write_bytes(model.path.read_bytes())


def _beside(path: Path) -> list[Path]:
    """Weights kept outside, as torch names them."""
    return [p for p in (path.with_name(f"{path.name}.data"), path.with_name(f"{path.name}_data")) if p.is_file()]


def _check_operators(name: str, model: Any, defs: Any) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    versions = {entry.domain: entry.version for entry in model.opset_import}
    for node in _nodes(model.graph.node):
        if (node.domain, node.op_type) in own:
            continue
        if node.domain not in DOMAINS:
            raise ModelRefused(
                f"{name} uses the operator {node.domain}.{node.op_type} (node '{node.name}'), which neither "
                "ONNX Runtime nor Triton has: export the model with standard operators"
            )
        known = defs.has(node.op_type, versions.get(node.domain, 1), node.domain)
        if node.domain == "" and not known:
            raise ModelRefused(
                f"{name} uses the operator {node.op_type} (node '{node.name}'), which opset "
                f"{versions.get('', 0)} of ONNX does not have"
            )


def _nodes(nodes: Any) -> Iterator[Any]:
    """Every node, those in the branches of others too."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g.node)
            for graph in attribute.graphs:
                yield from _nodes(graph.node)


def _spec(name: str, value: Any, types: Any) -> TensorSpec:
    tensor = value.type.tensor_type
    kind = types.DataType.Name(tensor.elem_type)
    if not value.type.HasField("tensor_type") or kind not in DATATYPES:
        raise ModelRefused(f"{name}: '{value.name}' is {kind.lower()}; tensors of numbers are taken")
    if not tensor.HasField("shape"):
        raise ModelRefused(f"{name}: '{value.name}' does not tell its shape: export it with shapes")
    shape = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else ANY for d in tensor.shape.dim)
    return TensorSpec(datatype=DATATYPES[kind], shape=shape)
