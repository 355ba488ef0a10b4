"""The local backend's receipts: what it signs is what the reader asks for."""

from __future__ import annotations

import importlib.util

import numpy as np

from streams.adapters import receipts as ours
from streams.adapters.contract_files import read_model
from streams.runtime.settings import shipped
from tests.support.models import write_model_folder

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


def test_a_receipt_names_the_weights_that_answered(tmp_path):
    """As a model's folder counts them; where nobody tells, it is no fault of the answer."""
    feed, call = {"A": np.ones(2, np.float32)}, ours.call_id("reading")
    folder = write_model_folder(tmp_path)
    (folder / "1").mkdir()
    (folder / "1" / "model.onnx").write_bytes(b"a model")
    weights = receipts.weights(folder / "1" / "model.onnx")
    assert weights == read_model(folder).weights
    for said in (weights, ""):
        signed = Signed(receipts.receipt(call, feed, said))
        ours.check("m", signed, call, ours.crc(feed))
        assert ours.weights(signed) == said
    assert ours.weights(Signed(b"")) == ""
