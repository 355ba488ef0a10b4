"""What a model's outputs mean: scores, the slices that speak for them, a mask on the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.contract import Answer
from streams.errors import ReadingBroken
from streams.events.reading import Grade, Lesion, Quantity
from streams.reading.masks import Mask, encode_mask
from streams.reading.tensors import HeadSlabs
from streams.reading.volume import Volume

Outputs = Mapping[str, NDArray[Any]]

KEY_INSTANCES = 3
"""So many slices are shown with a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the outputs say, before calibration and threshold.

    Attributes:
        slice_logits: one for each slab, from foot to head.
        key_instances: SOP Instance UIDs, the strongest first.
        mask: the mask object's bytes (streams.reading.masks); None where nothing is marked.
        mask_ml: None where the model gives no mask.
        lesions: None where the model does not look for single ones.
        grades: all classes of one scale, in its order.
        notes: what the answer itself tells a reader to mind, as sentences.
    """

    study_logit: float
    slice_logits: tuple[float, ...] = ()
    key_instances: tuple[str, ...] = ()
    mask: bytes | None = None
    mask_ml: float | None = None
    lesions: tuple[Lesion, ...] | None = None
    quantities: tuple[Quantity, ...] = ()
    grades: tuple[Grade, ...] = ()
    notes: tuple[str, ...] = ()


def slices_and_mask(answer: Answer, outputs: Outputs, slabs: HeadSlabs, volume: Volume) -> Answered:
    """A score for the study, one for each slab, and a mask [slabs, side, side] over the slabs' own grid.

    Raises:
        ReadingBroken: an output does not have one value, or one plane, for each slab.
    """
    study = np.asarray(outputs[answer.study_logit or ""])
    if study.size != 1:
        raise ReadingBroken(f"The model gave {study.size} scores for the study; one is expected.")
    count = len(slabs.source_index)
    scores = _per_slab(outputs, answer.slice_logit, count, 1) if answer.slice_logit else None
    planes = _per_slab(outputs, answer.mask, count, 3) if answer.mask else None
    marked: tuple[bytes | None, float | None] = (None, None)
    if planes is not None:
        on_slices = volume.axes.turn_back(slabs.mask_to_source(planes, answer.mask_threshold))
        mask = encode_mask(Mask(instances=volume.instances, bits=on_slices))
        marked = (mask, slabs.volume_ml(planes, answer.mask_threshold))
    return Answered(
        study_logit=float(study.reshape(())),
        slice_logits=() if scores is None else tuple(scores.astype(np.float64).tolist()),
        key_instances=() if scores is None else _strongest(scores, slabs, volume),
        mask=marked[0],
        mask_ml=marked[1],
    )


def _per_slab(outputs: Outputs, name: str, count: int, dimensions: int) -> NDArray[np.float32]:
    """An output with one entry for each slab, axes of length 1 left out."""
    output = np.asarray(outputs[name], dtype=np.float32)
    single = tuple(axis for axis in range(1, output.ndim) if output.shape[axis] == 1)
    output = output.squeeze(single) if output.ndim > dimensions else output
    if output.ndim != dimensions or output.shape[0] != count:
        shape = " x ".join(map(str, output.shape))
        raise ReadingBroken(f"The model's output {name} has the shape {shape}, for {count} slabs.")
    return output


def _strongest(scores: NDArray[np.float32], slabs: HeadSlabs, volume: Volume) -> tuple[str, ...]:
    """The slices at the slabs of the highest scores; of equal ones the lower slab first."""
    order = np.argsort(-scores, kind="stable")[:KEY_INSTANCES]
    return tuple(volume.instances[int(slabs.source_index[slab])] for slab in order)
