"""A mammogram: a compressed breast of known dense share seen by X-rays, with the chest muscle in the MLO view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from streams.phantom.solids import Field

Position = Literal["CC", "MLO"]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Woman:
    """The breast, the same in all views but for what compression does; lengths in mm.

    dense: share of the breast's area that dense tissue covers. clumped: 0 scattered in strands, 1 one smooth mass.
    """

    depth: float
    height: float
    thickness: float
    dense: float
    clumped: float
    strands: float
    muscle: float
    seed: int


@dataclass(frozen=True, slots=True)
class Machine:
    """How greys come about: steps of thickness evened out near the skin, contrast, a toe and a shoulder, grain."""

    evened: float = 0.85
    gamma: float = 1.0
    shoulder: float = 0.25
    noise: float = 0.012
    blur_mm: float = 0.15
    label: bool = True


@dataclass(frozen=True, slots=True)
class Mammogram:
    """One view `[rows, columns]`, its chest wall to the left: grey 0 (air) to 1, and the truth beneath.

    inside: breast with muscle; muscle: its part in the MLO view; dense: dense tissue off the muscle.
    """

    grey: Field
    inside: Bits
    muscle: Bits
    dense: Bits
    pixel_mm: float

    @property
    def percent(self) -> float:
        """Dense share of the breast without the muscle, percent."""
        breast = self.inside & ~self.muscle
        return 100.0 * float((self.dense & breast).sum()) / float(breast.sum())


@dataclass(frozen=True, slots=True)
class _Plane:
    """The detector: rows y and columns x in mm from the upper chest wall corner."""

    y: Field
    x: Field
    pixel: float
    rng: np.random.Generator = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        return (self.y.shape[0], self.x.shape[1])


def woman_of(seed: int, dense: float | None = None) -> Woman:
    """A woman by seed; dense share 0 to 1, drawn where not given."""
    rng = np.random.default_rng((seed, 41))
    share = float(rng.beta(1.1, 2.2) * 0.9) if dense is None else dense
    return Woman(
        depth=float(rng.uniform(60, 115)),
        height=float(rng.uniform(130, 200)),
        thickness=float(rng.uniform(35, 70)),
        dense=share,
        clumped=float(rng.uniform(0, 1)),
        strands=float(rng.uniform(0.2, 1.0)),
        muscle=float(rng.uniform(0.25, 0.75)),
        seed=seed,
    )


def machine_of(seed: int) -> Machine:
    """A machine, film or digital, by seed."""
    rng = np.random.default_rng((seed, 43))
    return Machine(
        evened=float(rng.uniform(0.0, 1.0)),
        gamma=float(np.exp(rng.normal(0, 0.3))),
        shoulder=float(rng.uniform(0.0, 0.8)),
        noise=float(rng.uniform(0.003, 0.03)),
        blur_mm=float(rng.uniform(0.05, 0.5)),
        label=bool(rng.random() < 0.7),
    )


def mammogram(woman: Woman, position: Position, machine: Machine, pixel_mm: float, side: int = 0) -> Mammogram:
    """One view of a woman's breast; side 0 or 1 makes the other breast, alike and not the same."""
    rng = np.random.default_rng((woman.seed, 47, side, int(position == "MLO")))
    size = (woman.height * 1.04, woman.depth * 1.12 + 8)
    rows, columns = (round(length / pixel_mm) for length in size)
    plane = _Plane(
        y=np.asarray((np.arange(rows, dtype=np.float32) + 0.5)[:, None] * np.float32(pixel_mm)),
        x=np.asarray((np.arange(columns, dtype=np.float32) + 0.5)[None, :] * np.float32(pixel_mm)),
        pixel=pixel_mm,
        rng=rng,
    )
    inside = _outline(woman, position, plane)
    muscle, wedge = _muscle(woman, plane, inside) if position == "MLO" else (np.zeros_like(inside), np.zeros(1))
    fraction = _fraction(woman, plane, inside & ~muscle)
    dense = (fraction > 0.5) & inside & ~muscle
    away = np.asarray(ndimage.distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1] * pixel_mm)
    thick = _thickness(away, woman.thickness)
    seen = thick + machine.evened * (1 - thick) * inside
    contrast = 0.55 * fraction * (1 - muscle) + 0.6 * woman.strands * _strands(plane) * inside + wedge
    signal = seen * (0.42 + 0.6 * contrast) + 0.10 * (inside & (away < 1.6))
    signal = signal * inside
    return Mammogram(_shown(signal, inside, machine, plane), inside, muscle, dense, pixel_mm)


def _outline(woman: Woman, position: Position, plane: _Plane) -> Bits:
    """CC: a rounded half oval. MLO: from the armpit down to the nipple and back to the wall beneath."""
    height, depth = woman.height, woman.depth
    wave = plane.rng.uniform(-0.04, 0.04, 3)
    if position == "CC":
        share = np.clip(np.abs(plane.y / (height * 0.98) - 0.51) * 2, 0, 1)
        skin = depth * np.power(1 - share ** (2.3 + wave[0]), 0.5)
    else:
        at = np.asarray([0.0, 0.3, 0.62, 0.82, 0.95, 1.0]) * height
        reach = np.asarray([0.52 + wave[0], 0.72 + wave[1], 1.0, 0.83 + wave[2], 0.3, 0.05]) * depth
        skin = PchipInterpolator(at, reach)(np.minimum(plane.y, height))
        skin = np.where(plane.y > height, 0, skin)
    centre = (0.51 if position == "CC" else 0.62) * height
    nipple = 5.0 * np.exp(-(((plane.y - centre) / 4.5) ** 4))
    return np.asarray(plane.x < skin + nipple)


def _muscle(woman: Woman, plane: _Plane, inside: Bits) -> tuple[Bits, Field]:
    """The muscle and what it adds to the signal: a wedge thickening towards its corner, with a bent border."""
    top = woman.depth * float(plane.rng.uniform(0.2, 0.5))
    foot = woman.height * (0.3 + 0.7 * woman.muscle)
    bend = float(plane.rng.uniform(-0.12, 0.06))
    down = np.clip(plane.y / foot, 0, 1)
    border = top * (1 - down) + top * bend * 4 * down * (1 - down)
    within = np.where(plane.y < foot, border - plane.x, -9.0)
    muscle = np.asarray((within > 0) & inside)
    bright = float(plane.rng.uniform(0.3, 0.7))
    fibres = _cloud(plane, 18.0, 1.6) * 0.06
    wedge = np.clip(within / 3.0, 0, 1) * (bright + 0.25 * np.clip(within / 40, 0, 1) + fibres)
    return muscle, np.asarray(wedge * muscle, np.float32)


def _fraction(woman: Woman, plane: _Plane, breast: Bits) -> Field:
    """Dense share of what a ray meets, 0 to 1: clouds gathered behind the nipple, cut where the share is right."""
    centre = woman.height * 0.55
    gather = 1 - np.hypot((plane.x - woman.depth * 0.55) / (woman.depth * 0.62), (plane.y - centre) / (centre * 0.85))
    clouds = _cloud(plane, 34.0, 1.7 + 0.9 * woman.clumped)
    fine = _cloud(plane, 9.0, 1.4)
    score = gather * 2.2 + clouds * (0.9 - 0.3 * woman.clumped) + fine * 0.35 * (1 - woman.clumped)
    away = ndimage.distance_transform_edt(np.pad(breast, 1, mode="edge"))[1:-1, 1:-1] * plane.pixel
    score = score - 4.0 * np.exp(-away / 4.0)
    cut = float(np.quantile(score[breast], 1 - np.clip(woman.dense, 0.001, 0.97)))
    soft = 0.08 + 0.5 * float(plane.rng.random()) ** 2
    inner = 0.75 + 0.25 * np.tanh(_cloud(plane, 14.0, 1.5))
    fraction = 1 / (1 + np.exp(-np.clip((score - cut) / soft, -30, 30)))
    fraction = np.where(fraction > 0.5, 0.5 + (fraction - 0.5) * inner, fraction)
    return np.asarray(fraction * breast, np.float32)


def _thickness(away: Field, thickness: float) -> Field:
    """Share of the compressed thickness: full inside, a round edge of half the thickness at the skin."""
    edge = np.clip(1 - away / (thickness * 0.5), 0, 1)
    return np.asarray(np.sqrt(np.maximum(1 - edge * edge, 0)), np.float32)


def _strands(plane: _Plane) -> Field:
    """Ligaments, ducts, vessels: the crests of clouds drawn out towards the nipple, 0 to 1."""
    out = np.zeros(plane.shape, np.float32)
    for scale in (22.0, 11.0):
        crest = np.abs(_cloud(plane, scale, 1.2))
        np.maximum(out, np.clip(1 - crest / 0.16, 0, 1) * np.clip(_cloud(plane, 30.0, 2.0) + 0.5, 0, 1), out=out)
    return out


def _cloud(plane: _Plane, scale_mm: float, slope: float) -> Field:
    """A random field of deviation 1 whose power falls with frequency from the scale on."""
    rows, columns = (n + n // 4 for n in plane.shape)
    white = plane.rng.standard_normal((rows, columns), dtype=np.float32)
    fy = np.fft.fftfreq(rows, plane.pixel)[:, None]
    fx = np.fft.rfftfreq(columns, plane.pixel)[None]
    falls = 1 / (1 + np.hypot(fy, fx) * scale_mm) ** (slope + 1)
    made = np.fft.irfft2(np.fft.rfft2(white) * falls, s=(rows, columns))[: plane.shape[0], : plane.shape[1]]
    return np.asarray((made - made.mean()) / made.std(), np.float32)


def _shown(signal: Field, inside: Bits, machine: Machine, plane: _Plane) -> Field:
    """Grey 0 to 1: blur, grain, tone, and a side label in the air."""
    blurred = ndimage.gaussian_filter(signal, machine.blur_mm / plane.pixel)
    grain = ndimage.gaussian_filter(plane.rng.standard_normal(signal.shape, dtype=np.float32), 0.6)
    grey = blurred + grain * np.float32(machine.noise * 1.7) * (0.3 + 0.7 * inside)
    grey = np.clip(grey, 0, None) ** machine.gamma
    bend = 1e-3 + 3 * machine.shoulder
    grey = np.tanh(grey * bend) / np.tanh(bend)
    if machine.label:
        _label(grey, inside, plane)
    return np.asarray(np.clip(grey, 0, 1), np.float32)


def _label(grey: Field, inside: Bits, plane: _Plane) -> None:
    """A bright plate with dark bars for letters in the upper corner, where it leaves the breast free."""
    tall, wide = (round(length / plane.pixel) for length in (7.0, 12.0))
    at = np.s_[4 : 4 + tall, grey.shape[1] - wide - 3 : grey.shape[1] - 3]
    if inside[at].any():
        return
    plate = np.full((tall, wide), 0.95, np.float32)
    for letter in range(3):
        left = round(wide * (0.15 + 0.27 * letter))
        plate[tall // 4 : -tall // 4, left : left + max(1, wide // 12)] = 0.1
    grey[at] = plate
