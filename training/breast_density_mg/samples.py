"""What the net is trained on: films, films with dense tissue painted in, and phantoms, each in greys of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from films import CLASSES, Film
from guess import outlined
from numpy.typing import NDArray
from scipy import ndimage

from streams.phantom.breast import machine_of, mammogram, woman_of
from streams.reading.breast.frames import HEIGHT, WIDTH, channels_of, frame_of
from streams.reading.breast.outline import Breast
from streams.reading.breast.rule import off_muscle

Plane = NDArray[np.float32]
Bits = NDArray[np.bool_]
PHANTOM_MM = 0.6
NO_CLASS = -1


@dataclass(frozen=True, slots=True)
class Scene:
    """A breast in the frame before its greys are drawn: grey 0 to 1 with air 0; tissue 0, 1, 2 or -1 (not known)."""

    grey: Plane
    inside: Bits
    muscle: Bits
    dense: Bits
    tissue: int
    oblique: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """channels uint8 `[4, 256, 192]`; truth uint8 `[3, 128, 96]`: dense, muscle, where dense is judged (0 to 255)."""

    channels: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    tissue: int


def scene_of(film: Film) -> Scene:
    """A film as it is."""
    return Scene(film.grey, film.inside, film.muscle, film.dense, CLASSES.index(film.tissue), True)


def phantom_scene(seed: int) -> Scene:
    """A phantom of either view, in the frame by the same way as a real one."""
    made = mammogram(woman_of(seed), "MLO" if seed % 2 else "CC", machine_of(seed), PHANTOM_MM)
    breast = Breast(made.grey, made.inside, 0.0, False, 1, (0, 0), (made.grey.shape[0], made.grey.shape[1]))
    frame = frame_of(breast)
    masks = [_framed(bits, frame.scale) & frame.inside for bits in (made.muscle, made.dense)]
    grey = frame.channels[0].astype(np.float32) / 255
    dense = outlined(masks[1]) & off_muscle(frame.inside, masks[0])
    return Scene(grey, frame.inside, masks[0], dense, NO_CLASS, bool(seed % 2))


def painted(film: Film, other: Scene, rng: np.random.Generator) -> Scene:
    """A fatty film with the dense tissue of a phantom laid into it: real texture, exact mask."""
    breast = film.inside & ~ndimage.binary_dilation(film.muscle, iterations=2)
    edge = np.clip(ndimage.distance_transform_edt(breast) / 6, 0, 1)
    laid = other.dense & breast & (edge > 0.5)
    soft = ndimage.gaussian_filter(laid.astype(np.float32), float(rng.uniform(0.7, 2.0))) * edge
    inner = 1 + 0.35 * ndimage.gaussian_filter(rng.standard_normal(laid.shape), 5) * 15
    rise = float(rng.uniform(0.15, 0.5)) * np.clip(inner, 0.4, 1.6)
    grey = film.grey + np.asarray(soft * rise, np.float32) * (0.4 + 0.6 * film.grey)
    dense = outlined(laid | film.dense) & breast
    return Scene(np.asarray(grey, np.float32), film.inside, film.muscle, dense, NO_CLASS, True)


def drawn(scene: Scene, rng: np.random.Generator) -> Sample:
    """A sample of the scene: cut, stretched, in other greys."""
    moved = _moved(scene, rng)
    grey = _other_greys(moved.grey, moved.inside, rng)
    channels = channels_of(grey, moved.inside, 0.0)
    judged = moved.inside & ~(ndimage.binary_dilation(moved.muscle, iterations=3) ^ moved.muscle)
    judged &= ~moved.muscle
    truth = np.stack([_half(bits) for bits in (moved.dense & ~moved.muscle, moved.muscle, judged)])
    return Sample(channels, truth, moved.tissue)


def _moved(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene scaled, turned a little, and, of a third, its upper part cut away, as if it were a CC view."""
    rows = float(np.flatnonzero(scene.inside.any(axis=1))[-1] + 1)
    top, flip = 0.0, False
    if scene.oblique and rng.random() < 0.3:
        foot = np.flatnonzero(scene.muscle.any(axis=1))
        top = min(float(foot[-1]) if foot.size else 0.25 * rows, 0.45 * rows)
        flip = bool(rng.random() < 0.5)
    elif not scene.oblique:
        flip = bool(rng.random() < 0.5)
    grow = float(np.exp(rng.normal(0, 0.08)))
    if top:
        grow = max(grow, min(1.15, HEIGHT / (rows - top)))
    turn = float(rng.normal(0, 0.05))
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    if flip:
        y = (rows - top) * grow - 1 - y
    squeeze = float(np.exp(rng.normal(-0.06, 0.1)))  # some sets of films were stored at another aspect
    at = (top + (y + turn * x) / grow, (x / squeeze) / grow)

    def of(plane: NDArray[np.generic], order: int) -> Plane:
        return np.asarray(ndimage.map_coordinates(plane.astype(np.float32), at, order=order, mode="constant"))

    masks = [of(m, 0) > 0.5 for m in (scene.inside, scene.muscle, scene.dense)]
    return Scene(of(scene.grey, 1), masks[0], masks[1], masks[2], scene.tissue, scene.oblique)


def _other_greys(grey: Plane, inside: Bits, rng: np.random.Generator) -> Plane:
    """Another machine's scale: gamma, shoulder, a skin lifted or not, grain, sharpness."""
    out = np.clip(grey, 0, None) ** float(np.exp(rng.normal(0, 0.18)))
    bend = float(rng.uniform(0.05, 1.0))
    out = np.tanh(bend * out) / np.tanh(bend)
    if rng.random() < 0.4:
        depth = np.clip(ndimage.distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1] / 30, 0, 1)
        out = out + float(rng.uniform(-0.1, 0.35)) * (1 - depth) * inside
    if rng.random() < 0.5:
        soft = ndimage.gaussian_filter(out, float(rng.uniform(0.6, 3.0)))
        out = out + (out - soft) * float(rng.uniform(-0.6, 0.8))
    out = out + rng.standard_normal(out.shape) * float(rng.uniform(0, 0.012))
    return np.asarray(np.clip(out, 0, None) * inside, np.float32)


def _half(bits: Bits) -> NDArray[np.uint8]:
    mean = bits.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean((1, 3))
    return np.asarray(np.rint(mean * 255), np.uint8)


def _framed(bits: Bits, scale: float) -> Bits:
    """A mask of a phantom in the frame."""
    y = np.rint((np.arange(HEIGHT) + 0.5) / scale - 0.5).astype(int)
    x = np.rint((np.arange(WIDTH) + 0.5) / scale - 0.5).astype(int)
    fits = (y < bits.shape[0])[:, None] & (x < bits.shape[1])[None, :]
    return np.asarray(bits[np.minimum(y, bits.shape[0] - 1)[:, None], np.minimum(x, bits.shape[1] - 1)] & fits)
