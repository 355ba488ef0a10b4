"""The local backend's receipts: what it signs is what the reader asks for."""

from __future__ import annotations

import importlib.util

import numpy as np

from streams.adapters import receipts as ours
from streams.runtime.settings import shipped

_path = shipped("deploy") / "local" / "backends" / "onnxruntime" / "receipts.py"
_spec = importlib.util.spec_from_file_location("wetread_backend_receipts", _path)
assert _spec is not None
assert _spec.loader is not None
receipts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(receipts)


class Signed:
    def __init__(self, receipt: bytes) -> None:
        self._receipt = receipt

    def as_numpy(self, _name: str) -> np.ndarray:
        return np.array([self._receipt], np.object_)


def test_backend_and_reader_agree():
    """Kinds, shapes and strides of every sort; texts are summed up by neither."""
    feed = {
        "B": np.arange(12, dtype=np.float16).reshape(3, 4)[:, ::2],
        "A": np.array([[True, False]]),
        "C": np.arange(4, dtype=np.complex64),
        "T": np.array(["a text"]),
        "O": np.array([b"bytes"], np.object_),
    }
    call = ours.call_id("reading")
    ours.check("m", Signed(receipts.receipt(call, feed)), call, ours.crc(feed))
    assert ours.crc(feed) != ours.crc({**feed, "A": np.array([[True, True]])})
