"""Writes small ONNX models without the onnx package: float inputs and outputs of shape [N, M], element-wise nodes."""

from __future__ import annotations

from collections.abc import Sequence

FLOAT = 1
IR_VERSION = 8
OPSET = 17


def model_bytes(nodes: Sequence[tuple[str, list[str], str]], inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """A serialized ModelProto.

    Args:
        nodes: (operator, names of its inputs, name of its output), in order.
        inputs: names of the graph's.
        outputs: names of the graph's.
    """
    graph = b"".join(
        _field(1, b"".join(_field(1, i.encode()) for i in takes) + _field(2, gives.encode()) + _field(4, kind.encode()))
        for kind, takes, gives in nodes
    )
    graph += _field(2, b"tiny")
    graph += b"".join(_field(11, _value(name)) for name in inputs)
    graph += b"".join(_field(12, _value(name)) for name in outputs)
    return _number(1, IR_VERSION) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, OPSET))


def _value(name: str) -> bytes:
    shape = b"".join(_field(1, _field(2, axis)) for axis in (b"N", b"M"))
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, FLOAT) + _field(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
