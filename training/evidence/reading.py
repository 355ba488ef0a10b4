"""A model folder asked as the engine asks it, in this process: by its own contract, functions and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streams.adapters.contract_files import WEIGHTS, read_model
from streams.reading.answers import Answered
from streams.reading.functions import ANSWERS, TENSORS, rows
from streams.reading.views import Views
from streams.reading.volume import Volume


class ModelInProcess:
    """Reads a series, or an exam, from what was decoded to what is said of it. One thread."""

    def __init__(self, folder: Path) -> None:
        model = read_model(folder)
        self.contract, self.digest = model.contract, model.digest
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / WEIGHTS), options, providers=["CPUExecutionProvider"]
        )  # fmt: skip

    def answered(self, source: Volume | Views) -> Answered:
        """What the model says, before calibration.

        Raises:
            NoAnatomy, ReadingBroken: as the engine would.
        """
        tensors, answer = self.contract.tensors, self.contract.answer
        prepared = TENSORS[tensors.function](source, tensors)
        return ANSWERS[answer.function](answer, self._asked(prepared.inputs), prepared, source)

    def _asked(self, inputs: Any) -> dict[str, NDArray[Any]]:
        names = list(self.contract.tensors.outputs)
        count, most = rows(inputs), self.contract.tensors.rows_most
        steps = [slice(None)] if most is None or count <= most else [slice(k, k + most) for k in range(0, count, most)]
        parts = [
            self._session.run(names, {name: np.ascontiguousarray(tensor[step]) for name, tensor in inputs.items()})
            for step in steps
        ]
        return {name: np.concatenate([p[k] for p in parts]) if len(parts) > 1 else parts[0][k]
                for k, name in enumerate(names)}  # fmt: skip

    def watched(self, source: Volume | Views, names: tuple[str, ...]) -> dict[str, float]:
        """`chance`, `lesions`, `mask_ml` or a quantity, by name.

        Raises:
            KeyError: the answer holds no such quantity.
        """
        answered = self.answered(source)
        scale = self.contract.finding.calibration
        told = {quantity.name: quantity.value for quantity in answered.quantities}
        told["chance"] = float(1 / (1 + np.exp(-(scale.a * answered.study_logit + scale.b))))
        told["lesions"] = float(len(answered.lesions or ()))
        told["mask_ml"] = answered.mask_ml or 0.0
        return {name: told[name] for name in names}
