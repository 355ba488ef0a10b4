"""Three neighbouring slabs of a real head, and the fields on which bleeds and their look-alikes are painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.float32]
SLAB_MM = 5.0
Z = np.asarray([-SLAB_MM, 0.0, SLAB_MM], np.float32)[:, None, None]


@dataclass(frozen=True, slots=True)
class Scene:
    """Slabs below, here, above on 1 mm pixels.

    hu: `[3, 192, 192]`, -15..100 (bone is 100). inside: the cavity. depth: mm from the cavity's rim.
    smooth: hu without grain. y, x: mm from the cavity's middle. angle: round it.
    """

    rng: np.random.Generator
    hu: Plane
    inside: NDArray[np.bool_]
    depth: Plane
    smooth: Plane
    y: Plane
    x: Plane
    angle: Plane

    def blobs(self, size: float) -> Plane:
        """Smooth noise of unit deviation, one plane."""
        noise = ndimage.gaussian_filter(self.rng.standard_normal(self.y.shape, np.float32), size)
        return noise / (noise.std() + 1e-6)

    def turn(self, towards: float) -> Plane:
        """Angle from a direction, 0..pi, one plane."""
        return np.abs((self.angle - towards + np.pi) % (2 * np.pi) - np.pi)

    def rim_point(self, towards: float) -> tuple[float, float] | None:
        """y, x of the cavity's rim in that direction, middle slab."""
        ray = (self.turn(towards) < 0.06) & self.inside[1]
        if not ray.any():
            return None
        far = np.where(ray, np.hypot(self.y, self.x), -1).argmax()
        return float(self.y.flat[far]), float(self.x.flat[far])

    def somewhere(self, at: NDArray[np.bool_]) -> tuple[float, float] | None:
        """y, x of a random pixel of a plane's mask."""
        places = np.flatnonzero(at)
        if not len(places):
            return None
        pick = int(self.rng.choice(places))
        return float(self.y.flat[pick]), float(self.x.flat[pick])


def scene_of(rng: np.random.Generator, tensor: NDArray[np.uint8], index: int) -> Scene | None:
    """The scene round slab `index` of a head's tensor `[n, 4, 192, 192]`; None where there is little brain."""
    around = np.clip([index - 1, index, index + 1], 0, len(tensor) - 1)
    inside = np.stack([ndimage.binary_fill_holes(tensor[k, 3] > 0) for k in around])
    if inside[1].sum() < 2500:
        return None
    hu = tensor[around, 1].astype(np.float32) * (115 / 255) - 15
    depth = np.stack([ndimage.distance_transform_edt(plane) for plane in inside]).astype(np.float32)
    rows, columns = np.nonzero(inside[1])
    y, x = np.mgrid[: hu.shape[1], : hu.shape[2]].astype(np.float32)
    y, x = y - rows.mean(), x - columns.mean()
    smooth = ndimage.gaussian_filter(hu, (0, 1.2, 1.2))
    return Scene(rng, hu, inside, depth, smooth, y, x, np.arctan2(y, x))
