"""Draws training batches: real bleeds (slice labels), painted ones, normal slabs and look-alikes, phantoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pool import RUNS, kept_at, triplets
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

CROP = (slice(8, 184), slice(16, 176))  # the head with room for turning; the net takes any multiple of 16
SHARES = {"bleed": 3, "painted": 4, "normal": 4, "phantom": 1}
SURE, SUSPECTED = 0.25, 0.05  # the teacher's chance from which a pixel is blood, and under which it is none
ALONE = 0.1  # so many samples are given as their own neighbours: lone slices, ends of stacks
HARD = 0.5  # so many of the normal slabs are drawn by how much like a bleed they looked last
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
        return Patient(kept["tensor"], kept["labels"].any(axis=1), kept["image"], kept["mask"], taught)


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
    """Level, contrast, shading, grain, sharpness; turn, scale, shift. Then the crop."""
    n = len(image)

    def within(low: float, high: float) -> Tensor:
        return torch.empty(n, 1, 1, 1).uniform_(low, high)

    grey = (image[:, :3] + within(-0.08, 0.08)) * within(0.88, 1.12)
    grey = grey + functional.interpolate(
        torch.randn(n, 1, 4, 4) * 0.025, size=192, mode="bilinear", align_corners=False
    )
    grey = grey + torch.randn(n, 3, 192, 192) * within(0, 0.11)
    soft = functional.avg_pool2d(grey, 3, 1, 1)
    grey = grey + (grey - soft) * within(-0.9, 0.8)
    image = torch.cat([grey.clamp(-1, 1), image[:, 3:]], 1)
    turn, scale = torch.empty(n).uniform_(-0.35, 0.35), torch.empty(n).uniform_(0.87, 1.15)
    shift_y, shift_x = torch.empty(n).uniform_(-0.06, 0.06), torch.empty(n).uniform_(-0.06, 0.06)
    sine, cosine = scale * torch.sin(turn), scale * torch.cos(turn)
    grid = torch.stack([torch.stack([cosine, -sine, shift_x], 1), torch.stack([sine, cosine, shift_y], 1)], 1)
    flow = functional.affine_grid(grid, list(image.shape), align_corners=False)
    image = functional.grid_sample(image + 1, flow, align_corners=False) - 1
    flow = functional.affine_grid(grid, list(maps.shape), align_corners=False)
    maps = functional.grid_sample(maps, flow, mode="nearest", align_corners=False)
    rows, columns = CROP
    half = (slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2))
    return image[:, :, rows, columns], maps[:, :, half[0], half[1]]
