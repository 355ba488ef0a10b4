"""What may happen to images before a model reads them: noise, kernel, thickness, tilt, flip, shift, crop, loss."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter, rotate

from streams.reading.views import View, Views
from streams.reading.volume import Volume

SEED = 7
AIR = -1000


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a series or of an exam, by its kind and how strong it is."""

    kind: str
    strength: str
    apply: Callable[[Any], Any]


def of_volume(change: Callable[[NDArray[np.float32], Volume], NDArray[np.float32]]) -> Callable[[Volume], Volume]:
    """A change of the HU alone, rounded and clipped as they are stored."""

    def apply(volume: Volume) -> Volume:
        hu = change(volume.hu.astype(np.float32), volume)
        return replace(volume, hu=np.clip(np.rint(hu), -32768, 32767).astype(np.int16))

    return apply


def _noise(sigma: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The same each time."""
    return np.random.default_rng(SEED).normal(0, sigma, shape).astype(np.float32)


def noisy(sigma: float) -> Callable[[Volume], Volume]:
    """Independent noise of `sigma` HU."""
    return of_volume(lambda hu, _: hu + _noise(sigma, hu.shape))


def softer(mm: float) -> Callable[[Volume], Volume]:
    """A softer kernel: Gaussian of sigma `mm` within each slice."""
    return of_volume(
        lambda hu, v: gaussian_filter(hu, (0, mm / v.spacing_mm[1], mm / v.spacing_mm[2])).astype(np.float32)
    )  # fmt: skip


def sharper(amount: float, mm: float = 0.7) -> Callable[[Volume], Volume]:
    """A sharper kernel: unsharp masking within each slice, which raises the noise too."""

    def change(hu: NDArray[np.float32], volume: Volume) -> NDArray[np.float32]:
        soft = gaussian_filter(hu, (0, mm / volume.spacing_mm[1], mm / volume.spacing_mm[2]))
        return np.asarray(hu + amount * (hu - soft), np.float32)

    return of_volume(change)


def shifted(hounsfield: float) -> Callable[[Volume], Volume]:
    """All HU off by so much, as a scanner out of calibration gives them."""
    return of_volume(lambda hu, _: hu + np.float32(hounsfield))


def thicker(volume: Volume) -> Volume:
    """Neighbouring slices averaged two by two; an odd one at the top is left out."""
    pairs = len(volume.hu) // 2
    hu = volume.hu[: 2 * pairs].reshape(pairs, 2, *volume.hu.shape[1:]).astype(np.float32).mean(axis=1)
    places = volume.positions_mm[: 2 * pairs].reshape(pairs, 2).mean(axis=1)
    return replace(
        volume, hu=np.rint(hu).astype(np.int16), positions_mm=places, instances=volume.instances[: 2 * pairs : 2],
        spacing_mm=(2 * volume.spacing_mm[0], *volume.spacing_mm[1:]),
    )  # fmt: skip


def nodding(degrees: float) -> Callable[[Volume], Volume]:
    """The patient turned about the left-right axis, as a tilt that nobody corrected."""

    def change(hu: NDArray[np.float32], volume: Volume) -> NDArray[np.float32]:
        angle, (dz, dy, _) = np.radians(degrees), volume.spacing_mm
        turn = np.asarray([[np.cos(angle), np.sin(angle) * dy / dz, 0],
                           [-np.sin(angle) * dz / dy, np.cos(angle), 0], [0, 0, 1]])  # fmt: skip
        middle = (np.asarray(hu.shape) - 1) / 2
        out = affine_transform(hu, turn, middle - turn @ middle, order=1, mode="constant", cval=AIR)
        return np.asarray(out, np.float32)

    return of_volume(change)


def cropped(share: float) -> Callable[[Volume], Volume]:
    """A smaller field of view: so much of each side is cut off, within the slice."""

    def apply(volume: Volume) -> Volume:
        cut = [round(share * n) for n in volume.hu.shape[1:]]
        inner = volume.hu[:, cut[0] : volume.hu.shape[1] - cut[0], cut[1] : volume.hu.shape[2] - cut[1]]
        return replace(volume, hu=np.ascontiguousarray(inner))

    return apply


def lossy(plane: NDArray[Any], ratio: float) -> NDArray[np.float32]:
    """One plane through JPEG 2000, irreversible, at about 1:ratio of 16 bits."""
    from PIL import Image  # noqa: PLC0415  # the other changes are tried without it

    floor = float(plane.min())
    image = Image.fromarray(np.clip(np.rint(plane - floor), 0, 65535).astype(np.uint16))
    packed = io.BytesIO()
    image.save(packed, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)
    packed.seek(0)
    with Image.open(packed) as opened:
        return np.asarray(opened).astype(np.float32) + floor


VOLUME_CHANGES = (
    Change("noise", "10 HU", noisy(10)),
    Change("noise", "20 HU", noisy(20)),
    Change("kernel", "softer, 0.8 mm", softer(0.8)),
    Change("kernel", "sharper", sharper(1.0)),
    Change("thickness", "doubled", thicker),
    Change("tilt", "10 degrees", nodding(10)),
    Change("flip", "left and right", of_volume(lambda hu, _: hu[:, :, ::-1])),
    Change("shift", "-5 HU", shifted(-5)),
    Change("shift", "+5 HU", shifted(5)),
    Change("crop", "5 % of each side", cropped(0.05)),
    Change("compression", "JPEG 2000, 1:20", of_volume(lambda hu, _: np.stack([lossy(p, 20) for p in hu]))),
)


def of_views(change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Callable[[Views], Views]:
    """A change of each view's pixels."""

    def turned(view: View) -> View:
        return replace(view, pixels=np.ascontiguousarray(change(view.pixels), dtype=np.float32))

    return lambda views: replace(views, views=tuple(map(turned, views.views)))


def _reach(pixels: NDArray[np.float32]) -> float:
    return float(np.percentile(pixels, 99.5) - pixels.min())


def _noised(share: float) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    return lambda p: p + _noise(share * _reach(p), p.shape)


def _blurred(p: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(gaussian_filter(p, max(p.shape) / 1000), np.float32)


def _bordered(p: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = (round(0.05 * n) for n in p.shape)
    return p[rows : p.shape[0] - rows, columns : p.shape[1] - columns]


VIEW_CHANGES = (
    Change("noise", "1 % of the range", of_views(_noised(0.01))),
    Change("noise", "3 % of the range", of_views(_noised(0.03))),
    Change("kernel", "softer", of_views(_blurred)),
    Change("kernel", "sharper", of_views(lambda p: 2 * p - _blurred(p))),
    Change("tilt", "5 degrees", of_views(lambda p: rotate(p, 5, reshape=False, order=1, mode="nearest"))),
    Change("flip", "left and right, side kept", of_views(lambda p: p[:, ::-1])),
    Change("shift", "+5 % of the range", of_views(lambda p: p + 0.05 * _reach(p))),
    Change("contrast", "gamma 1.2", of_views(lambda p: p.min() + _reach(p) * ((p - p.min()) / _reach(p)) ** 1.2)),
    Change("crop", "5 % of each side", of_views(_bordered)),
    Change("compression", "JPEG 2000, 1:20", of_views(lambda p: lossy(p, 20))),
)
"""Thickness has no meaning for projections; contrast stands in its place."""


def changes_of(source: Volume | Views) -> tuple[Change, ...]:
    """Those that fit the kind of images."""
    return VOLUME_CHANGES if isinstance(source, Volume) else VIEW_CHANGES
