"""The training pool: real slabs, slabs with synthetic bleeds and look-alikes, and phantoms, kept as arrays."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from bleeds import with_bleed
from data import ct_ich, patients
from lookalikes import with_lookalikes
from numpy.typing import NDArray
from scene import scene_of

from streams.phantom.bleeds import KINDS as PHANTOM_KINDS
from streams.phantom.head import HeadSample, random_head
from streams.reading.tensors import HeadSlabs, head_slabs

RUNS = Path(__file__).parent / "runs"
PER_PATIENT = 100  # slabs with a synthetic bleed, and half as many with look-alikes only
PHANTOM_SEED = 710_000  # far from the seeds of the demo's heads
PHANTOMS = 45


def kept_at(patient: int) -> Path:
    """Where the teacher's masks of a patient are kept: `chance` uint8 `[n, 96, 96]`, 255 is certain."""
    return RUNS / f"teacher_{patient:03d}.npz"


def grey(hu: NDArray[np.float32], keep: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """HU as the net's grey, blank where the real slab was."""
    return np.clip(np.rint((hu + 15) * (255 / 115)), 0, 255).astype(np.uint8) * keep


def halved(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A 192 mask on the 96 grid: a cell counts from half."""
    n = mask.shape[-1] // 2
    return (mask.reshape(*mask.shape[:-2], n, 2, n, 2).mean(axis=(-3, -1)) >= 0.5).astype(np.uint8)


def painted(patient: int, tensor: NDArray[np.uint8], free: NDArray[np.int64]) -> dict[str, NDArray[np.uint8]]:
    """Synthetic samples on a patient's slabs without a bleed: images `[n, 4, 192, 192]`, masks `[n, 96, 96]`."""
    rng = np.random.default_rng((patient, 1))
    images: list[NDArray[np.uint8]] = []
    masks: list[NDArray[np.uint8]] = []
    bleeds = 0
    for attempt in range(6 * PER_PATIENT):
        if bleeds == PER_PATIENT:
            break
        index = int(rng.choice(free))
        scene = scene_of(rng, tensor, index)
        if scene is None:
            continue
        around = np.clip([index - 1, index, index + 1], 0, len(tensor) - 1)
        keep = (tensor[around, 1] > 0) | (np.stack([tensor[k, 3] for k in around]) > 0)
        made = with_bleed(scene) if attempt % 3 < 2 else (scene.hu, np.zeros(scene.y.shape, np.bool_), "none")
        if made is None:
            continue
        hu, mask, kind = made
        if kind == "none" or rng.random() < 0.3:
            bare = hu
            hu = with_lookalikes(scene, hu)
            hu[:, mask] = bare[:, mask]  # no look-alike covers the bleed
        bleeds += kind != "none"
        images.append(np.concatenate([grey(hu, keep), tensor[index, 3:]]))
        masks.append(halved(mask))
    return {"image": np.stack(images), "mask": np.stack(masks)}


def slab_mask(slabs: HeadSlabs, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A source mask on the slabs' 96 grid."""
    out = []
    for (first, last), origin in zip(slabs.members, slabs.origin_mm, strict=True):
        plane = np.pad(mask[first:last].mean(axis=0), 1)
        rows, columns = (
            np.clip(np.floor((np.arange(192) + 0.5 + o) / p).astype(int) + 1, 0, plane.shape[k] - 1)
            for k, (o, p) in enumerate(zip(origin, slabs.pixel_mm, strict=True))
        )
        cells = plane[np.ix_(rows, columns)].reshape(96, 2, 96, 2).mean(axis=(1, 3))
        out.append((cells >= 0.4).astype(np.uint8))
    return np.stack(out)


def slabs_of(sample: HeadSample) -> HeadSlabs:
    """A phantom's slabs."""
    return head_slabs(sample.hu, sample.spacing, np.arange(len(sample.hu)) * sample.spacing[0])


def triplets(tensor: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The slabs with enough brain to be worth a training sample."""
    return np.asarray(tensor[:, 3].sum((1, 2), dtype=np.int64) > 255 * 300)


def phantoms(count: int) -> dict[str, NDArray[np.uint8]]:
    """Slabs of phantoms, every third without a bleed; of those with one, mostly the slabs that show it."""
    images, masks = [], []
    for number in range(count):
        rng = np.random.default_rng(PHANTOM_SEED + number)
        kind = None if number % 3 == 0 else list(PHANTOM_KINDS)[number % len(PHANTOM_KINDS)]
        sample = random_head(rng, thickness_mm=(5.0, 4.0, 2.5, 5.0, 1.25)[number // 5 % 5], bleed=kind)
        slabs = slabs_of(sample)
        mask = slab_mask(slabs, sample.mask)
        shows = mask.any((1, 2))
        keep = triplets(slabs.tensor) & (shows | (rng.random(len(mask)) < (0.5 if kind is None else 0.15)))
        images.append(slabs.tensor[keep])
        masks.append(mask[keep])
    return {"image": np.concatenate(images), "mask": np.concatenate(masks)}


def main() -> None:
    """Makes what is missing of the pool."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--only", choices=["real", "phantoms"])
    parser.add_argument("--part", type=int, default=0, help="which of the parts of the patients")
    parser.add_argument("--parts", type=int, default=1, help="how many processes share the work")
    options = parser.parse_args()
    only = options.only
    RUNS.mkdir(exist_ok=True)
    start = time.monotonic()
    for patient in patients()[options.part :: options.parts] if only != "phantoms" else ():
        target = RUNS / f"head_{patient:03d}.npz"
        if target.exists():
            continue
        head = ct_ich(patient)
        free = np.flatnonzero(~head.bleeds & triplets(head.slabs.tensor))
        made = painted(patient, head.slabs.tensor, free)
        np.savez(target, tensor=head.slabs.tensor, labels=head.labels, **made)
        print(f"{patient} {len(made['mask'])} {time.monotonic() - start:.0f} s", flush=True)
    target = RUNS / "phantoms.npz"
    if only != "real" and not target.exists():
        np.savez(target, **phantoms(PHANTOMS))
        print(f"phantoms {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
