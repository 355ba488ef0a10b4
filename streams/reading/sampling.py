"""Brings volumes to another spacing, axis by axis, and names their axes by where they run to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

NATIVE = "SPL"
"""Our volumes [z, y, x]: z runs to Superior, y to Posterior, x to the patient's Left."""
_OPPOSITE = {"S": "I", "P": "A", "L": "R"}


@dataclass(frozen=True, slots=True)
class Direction:
    """How an array in our axes becomes one in a model's: transposed, then flipped.

    order: for each axis of the model's array the axis of ours. flips: which of the model's axes run the other way.
    """

    order: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def turn(self, native: NDArray[Any]) -> NDArray[Any]:
        """The last three axes of ours as the model's; a view."""
        lead = native.ndim - 3
        turned = native.transpose(*range(lead), *(lead + axis for axis in self.order))
        return _flipped(turned, self.flips)

    def turn_back(self, own: NDArray[Any]) -> NDArray[Any]:
        """The last three axes of the model's as ours; a view."""
        lead = own.ndim - 3
        flipped = _flipped(own, self.flips)
        return flipped.transpose(*range(lead), *(lead + self.order.index(axis) for axis in range(3)))

    def native(self, values: tuple[Any, ...]) -> tuple[Any, Any, Any]:
        """Three values in the model's order of axes, in ours."""
        z, y, x = (values[self.order.index(axis)] for axis in range(3))
        return z, y, x


def _flipped(array: NDArray[Any], flips: tuple[bool, bool, bool]) -> NDArray[Any]:
    a, b, c = (-1 if flip else 1 for flip in flips)
    return array[..., ::a, ::b, ::c]


def direction(axes: str) -> Direction:
    """The direction of three letters such as RAS: where each axis of the model's array runs to.

    Raises:
        ValueError: they are no three axes of a patient.
    """
    order, flips = [], []
    for letter in axes:
        for axis, native in enumerate(NATIVE):
            if letter in (native, _OPPOSITE[native]):
                order.append(axis)
                flips.append(letter != native)
    if sorted(order) != [0, 1, 2]:
        raise ValueError(
            f"axes '{axes}' are no three axes of a patient: one letter each of R or L, A or P, S or I is taken"
        )
    a, b, c = order
    return Direction(order=(a, b, c), flips=(flips[0], flips[1], flips[2]))


def linear(places: NDArray[np.float64], wanted: NDArray[np.float64]) -> csr_array:
    """Weights `[wanted, places]` that interpolate between ascending places; none beyond half a step outside them."""
    count = len(places)
    if count == 1:
        return csr_array(np.ones((len(wanted), 1), np.float32))
    right = np.clip(np.searchsorted(places, wanted), 1, count - 1)
    share = np.clip((wanted - places[right - 1]) / (places[right] - places[right - 1]), 0, 1)
    half = 0.5 * float(np.median(np.diff(places))) + 1e-6
    near = (wanted >= places[0] - half) & (wanted <= places[-1] + half)
    rows = np.arange(len(wanted))
    values = np.concatenate([(1 - share) * near, share * near]).astype(np.float32)
    where = (np.concatenate([rows, rows]), np.concatenate([right - 1, right]))
    return csr_array((values, where), shape=(len(wanted), count))


def sampled(volume: NDArray[Any], weights: tuple[csr_array, csr_array, csr_array]) -> NDArray[np.float32]:
    """A volume `[z, y, x]` under weights for each axis, float32."""
    z, y, x = weights
    planes = np.stack([np.asarray((x @ (y @ plane.astype(np.float32)).T).T) for plane in _needed(volume, z)])
    used = np.unique(z.indices)
    flat = planes.reshape(len(planes), -1)
    shape = (z.shape[0], y.shape[0], x.shape[0])
    return np.asarray(z[:, used] @ flat, dtype=np.float32).reshape(shape)


def _needed(volume: NDArray[Any], z: csr_array) -> NDArray[Any]:
    """The planes that have any weight; at least one."""
    return volume[np.unique(z.indices)] if z.nnz else volume[:0]
