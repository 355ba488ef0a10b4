"""Draws training batches: real bleeds (slice labels), painted ones, normal slabs and look-alikes, phantoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from net import GREY_PER_HU, LEVEL_HU, LOWEST_HU, usual_shift
from numpy.typing import NDArray
from pool import RUNS, kept_at, triplets
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

CROP = (slice(8, 184), slice(16, 176))  # the head with room for turning; the net takes any multiple of 16
SHARES = {"bleed": 3, "painted": 4, "normal": 4, "phantom": 1}
SURE, SUSPECTED = 0.25, 0.05  # the teacher's chance from which a pixel is blood, and under which it is none
ALONE = 0.15  # so many samples are given as their own neighbours: lone slices, ends of stacks
HARD = 0.5  # so many of the normal slabs are drawn by how much like a bleed they looked last
LEVEL = (LEVEL_HU - LOWEST_HU) * GREY_PER_HU / 127.5 - 1  # the brain's usual grey, as the net gets it
BATCH = sum(SHARES.values())


@dataclass(frozen=True, slots=True)
class Patient:
    """One CT-ICH head and what was painted on it."""

    tensor: NDArray[np.uint8]
    bleeds: NDArray[np.bool_]
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    taught: NDArray[np.uint8] | None


def patient_of(number: int) -> Patient:
    """From the pool, with the teacher's masks where there are some."""
    taught = None
    if (path := kept_at(number)).exists():
        with np.load(path) as masks:
            taught = masks["chance"]
    with np.load(RUNS / f"head_{number:03d}.npz") as kept:
        tensor, image = _levelled(kept["tensor"], kept["image"])
        return Patient(tensor, kept["labels"].any(axis=1), image, kept["mask"], taught)


def _levelled(tensor: NDArray[np.uint8], image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A head as the net will see it, and what was painted on its slabs by the same shift."""
    shift = usual_shift(torch.from_numpy(tensor))
    out = []
    for given in (tensor, image):
        grey = given.copy()
        moved = np.clip(np.rint(grey[:, :3] + float(shift)), 1, 254).astype(np.uint8)
        plain = (grey[:, :3] > 0) & (grey[:, :3] < 255)
        grey[:, :3] = np.where(plain, moved, grey[:, :3])
        out.append(grey)
    return out[0], out[1]


@dataclass(frozen=True, slots=True)
class Sample:
    """image `[4, h, w]` uint8; mask and weight `[h/2, w/2]`; label 0 or 1."""

    image: NDArray[np.uint8]
    mask: NDArray[np.float32]
    weight: NDArray[np.float32]
    label: float


class Draw:
    """Draws samples of the given patients (and of phantoms) with its own random numbers."""

    def __init__(self, numbers: list[int], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._heads = {n: patient_of(n) for n in numbers}
        heads = self._heads.items()
        self._bleed = [(n, int(k)) for n, h in heads for k in np.flatnonzero(h.bleeds & triplets(h.tensor))]
        self._normal = [(n, int(k), True) for n, h in heads for k in np.flatnonzero(~h.bleeds & triplets(h.tensor))]
        beside = {n: ndimage.binary_dilation(h.bleeds) for n, h in heads}
        self._normal += [(n, int(k), False) for n, h in heads for k in np.flatnonzero(~h.mask.any((1, 2)))]
        # beside a labelled slice the label is not sure: such a slab is not drawn for looking like a bleed
        self._minable = np.asarray([not (real and beside[n][k]) for n, k, real in self._normal])
        self._real = np.asarray([real for _, _, real in self._normal])
        self._looks = np.zeros(len(self._normal))
        self._drawn: list[int] = []
        self._painted = [(n, int(k)) for n, h in heads for k in np.flatnonzero(h.mask.any((1, 2)))]
        each = np.asarray([sum(m == n for m, _ in self._bleed) for n, _ in self._bleed])
        self._odds = each**-0.5 / (each**-0.5).sum()  # no patient with many slices rules the rest
        self._phantoms: dict[str, NDArray[np.uint8]] = {}
        if (RUNS / "phantoms.npz").exists():
            self._phantoms = dict(np.load(RUNS / "phantoms.npz"))
            image, _ = _levelled(self._phantoms["image"], self._phantoms["image"][:1])
            self._phantoms["image"] = image

    def batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images -1..1, masks, pixel weights, labels; augmented."""
        shares = SHARES if self._phantoms else {k: v for k, v in SHARES.items() if k != "phantom"}
        self._drawn = []
        samples = [getattr(self, f"_one_{kind}")() for kind, count in shares.items() for _ in range(count)]
        flips = self._rng.random(len(samples)) < 0.5
        alone = self._rng.random(len(samples)) < ALONE
        for sample in (s for s, a in zip(samples, alone, strict=True) if a):
            sample.image[:3] = sample.image[1]
        pairs = list(zip(samples, flips, strict=True))
        image = torch.from_numpy(np.stack([_flipped(s.image, f) for s, f in pairs])).float() / 127.5 - 1
        maps = torch.from_numpy(np.stack([_flipped(np.stack([s.mask, s.weight]), f) for s, f in pairs])).float()
        image, maps = augmented(image, maps)
        return image, maps[:, 0], maps[:, 1], torch.tensor([s.label for s in samples], dtype=torch.float32)

    def looked(self, scores: NDArray[np.float32]) -> None:
        """Tells the scores of the last batch's normal slabs, in their order: what looks like a bleed comes again."""
        self._looks[self._drawn] = scores

    @property
    def normal_rows(self) -> slice:
        """Which rows of a batch are the normal slabs."""
        first = sum(n for k, n in list(SHARES.items())[: list(SHARES).index("normal")])
        return slice(first, first + SHARES["normal"])

    def _one_bleed(self) -> Sample:
        number, k = self._bleed[int(self._rng.choice(len(self._bleed), p=self._odds))]
        head = self._heads[number]
        image = head.tensor[k]
        inside = image[3, ::2, ::2] > 0
        weight = np.where(inside, 0.0, 0.3).astype(np.float32)
        chance = np.zeros((96, 96), np.float32) if head.taught is None else head.taught[k] / np.float32(255)
        mask = chance >= SURE
        if mask.sum() < 4:  # where in the head the bleed lies is not known: the slice's label alone teaches
            return Sample(image.copy(), np.zeros((96, 96), np.float32), weight, 1.0)
        weight[inside & (chance < SUSPECTED)] = 0.3
        weight[mask] = 1.0
        return Sample(image.copy(), mask.astype(np.float32), weight, 1.0)

    def _one_painted(self) -> Sample:
        number, k = self._painted[int(self._rng.integers(len(self._painted)))]
        return self._exact(self._heads[number].image[k], self._heads[number].mask[k])

    def _one_normal(self) -> Sample:
        if self._rng.random() < HARD:
            odds = np.where(self._minable, np.exp(np.clip(self._looks, -4, 4)), 0)
        else:
            odds = np.where(self._real, 0.7 / self._real.sum(), 0.3 / max(1, (~self._real).sum()))
        pick = int(self._rng.choice(len(odds), p=odds / odds.sum()))
        self._drawn.append(pick)
        number, k, real = self._normal[pick]
        image = self._heads[number].tensor[k] if real else self._heads[number].image[k]
        return self._exact(image, np.zeros((96, 96), np.uint8))

    def _one_phantom(self) -> Sample:
        shown = self._phantoms["mask"].any((1, 2)) == (self._rng.random() < 0.5)
        k = int(self._rng.choice(np.flatnonzero(shown)))
        return self._exact(self._phantoms["image"][k], self._phantoms["mask"][k])

    def _exact(self, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> Sample:
        label = float(mask.sum() >= 4)  # 16 mm2
        return Sample(image.copy(), mask.astype(np.float32), np.ones((96, 96), np.float32), label)


def _flipped(planes: NDArray[np.generic], flip: bool) -> NDArray[np.generic]:
    return np.ascontiguousarray(planes[..., ::-1]) if flip else planes


def augmented(image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """As other scanners might have seen it, then turned, scaled, shifted and cropped."""
    image, maps = placed(image, maps)
    rows, columns = CROP
    half = (slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2))
    return as_scanned(image[:, :, rows, columns]), maps[:, :, half[0], half[1]]


def _each(n: int, low: float, high: float, odds: float = 1.0) -> Tensor:
    """A number for each sample, `[n, 1, 1, 1]`, uniform; 0 for those that chance leaves out."""
    return torch.empty(n, 1, 1, 1).uniform_(low, high) * (torch.rand(n, 1, 1, 1) < odds)


def _smooth(x: Tensor) -> Tensor:
    """Weights 1, 2, 1 along both axes; some times as fast on a CPU as a pooling of the same size."""
    for axis in (2, 3):
        n = x.shape[axis]
        wide = torch.cat([x.narrow(axis, 0, 1), x, x.narrow(axis, n - 1, 1)], axis)
        x = wide.narrow(axis, 0, n).add(wide.narrow(axis, 2, n)).mul_(0.25).add_(x, alpha=0.5)
    return x


def _some(n: int, odds: float) -> Tensor:
    return torch.nonzero(torch.rand(n) < odds)[:, 0]


def as_scanned(image: Tensor) -> Tensor:
    """Slab thickness, bone that spills over, hardened beams, level, contrast, grain, kernel, the mask's rim."""
    n = len(image)
    grey, inside = image[:, :3].clone(), image[:, 3:].clone()
    blank = grey <= -0.999
    some = _some(n, 0.3)
    thick = _each(len(some), 0, 0.25)
    part = grey[some]
    grey[some, 1:2] = (1 - 2 * thick) * part[:, 1:2] + thick * (part[:, :1] + part[:, 2:])
    some = _some(n, 0.5)
    bone = (grey[some] > 0.96).float()
    wide = _larger(functional.avg_pool2d(functional.avg_pool2d(bone, 8), 3, 1, 1), grey)
    grey[some] += _smooth(bone) * _each(len(some), 0, 3.0) + wide * _each(len(some), -0.1, 0.4, 0.7)
    grey = (grey - LEVEL) * _each(n, 0.85, 1.18) + LEVEL + _each(n, -0.08, 0.08)
    for cells, amount in ((4, 0.03), (10, 0.02)):
        grey += _larger(torch.randn(n, 1, cells, cells) * _each(n, 0, amount), grey)
    some = _some(n, 0.4)
    grey[some] += _larger(torch.randn(len(some), 3, 96, 96) * _each(len(some), 0, 0.12), grey)
    grey += torch.randn(grey.shape) * _each(n, 0, 0.13)
    grey += (grey - _smooth(grey)) * _each(n, -1.0, 1.2)
    some = _some(n, 0.2)
    grey[some] += (_smooth(_smooth(_smooth(grey[some]))) - grey[some]) * _each(len(some), 0, 1)
    grey = torch.where(blank, torch.full_like(grey, -1), grey.clamp(-1, 1))
    some = _some(n, 0.3)
    inside[some] = _jittered(inside[some])
    return torch.cat([grey, inside], 1)


def _larger(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def _jittered(inside: Tensor) -> Tensor:
    """The inside of the skull, wider or narrower by 2 mm."""
    coarse = inside[:, :, ::2, ::2]
    wider = functional.max_pool2d(coarse, 3, 1, 1)
    tight = -functional.max_pool2d(-coarse, 3, 1, 1)
    either = torch.where(torch.rand(len(inside), 1, 1, 1) < 0.4, wider, tight)
    return either.repeat_interleave(2, 2).repeat_interleave(2, 3)


def placed(image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Turned, scaled, shifted."""
    n = len(image)
    turn, scale = torch.empty(n).uniform_(-0.35, 0.35), torch.empty(n).uniform_(0.84, 1.18)
    shift_y, shift_x = torch.empty(n).uniform_(-0.06, 0.06), torch.empty(n).uniform_(-0.06, 0.06)
    sine, cosine = scale * torch.sin(turn), scale * torch.cos(turn)
    grid = torch.stack([torch.stack([cosine, -sine, shift_x], 1), torch.stack([sine, cosine, shift_y], 1)], 1)
    flow = functional.affine_grid(grid, list(image.shape), align_corners=False)
    image = functional.grid_sample(image + 1, flow, align_corners=False) - 1
    flow = functional.affine_grid(grid, list(maps.shape), align_corners=False)
    return image, functional.grid_sample(maps, flow, mode="nearest", align_corners=False)
