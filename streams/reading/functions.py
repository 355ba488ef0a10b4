"""The functions that a contract can name: how tensors are made, what outputs mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streams.contract import Answer, Option, Tensors
from streams.reading.answers import Answered, slices_and_mask
from streams.reading.breast.density import breast_density
from streams.reading.breast.density import rules_of as density_rules_of
from streams.reading.breast.exam import BreastViews, breast_views
from streams.reading.lung.nodules import lung_nodules, lung_patches, rules_of
from streams.reading.stitching import meaning_of, volume_mask
from streams.reading.tensors import HeadSlabs, head_slabs
from streams.reading.views import Views
from streams.reading.volume import Volume
from streams.reading.windowed import recipe_of, volume_patches


class Prepared(Protocol):
    """A series, or an exam, as a model's input, with whatever its answer function needs to find the way back."""

    @property
    def inputs(self) -> Mapping[str, NDArray[Any]]:
        """The tensors by input name, as a contract's `[tensors.inputs]` lists them."""


Source = Any
"""A Volume (streams.reading.volume) of slices, or Views (streams.reading.views) of projections."""
MakesTensors = Callable[[Source, Tensors], Prepared]
"""Of what was decoded and the contract's `[tensors]`; raises NoAnatomy where the body part is not in the pixels."""
GivesMeaning = Callable[[Answer, Mapping[str, NDArray[Any]], Any, Source], Answered]
"""Of the contract's `[answer]`, the outputs, what the tensor function made, and what was decoded.

Raises ReadingBroken where the outputs do not fit it.
"""


def _head_slabs(volume: Volume, _tensors: Tensors) -> HeadSlabs:
    return head_slabs(volume.hu, volume.spacing_mm, volume.positions_mm)


def _breast_views(exam: Views, _tensors: Tensors) -> BreastViews:
    return breast_views(exam)


TENSORS: dict[str, MakesTensors] = {
    "head_slabs": _head_slabs,
    "volume_patches": volume_patches,
    "lung_patches": lung_patches,
    "breast_views": _breast_views,
}
ANSWERS: dict[str, GivesMeaning] = {
    "slices_and_mask": slices_and_mask,
    "volume_mask": volume_mask,
    "lung_nodules": lung_nodules,
    "breast_density": breast_density,
}

OPTIONS: dict[str, Callable[[Mapping[str, Option]], object]] = {
    "volume_patches": recipe_of,
    "volume_mask": meaning_of,
    "lung_nodules": rules_of,
    "breast_density": density_rules_of,
}
"""What checks the options of a function before the first study does; raises ValueError with a sentence."""


def rows(inputs: Mapping[str, NDArray[Any]]) -> int:
    """Of the inputs' first axis, which is the same for all; 0 where it is not."""
    counts = {len(tensor) if np.ndim(tensor) else 0 for tensor in inputs.values()}
    return counts.pop() if len(counts) == 1 else 0
