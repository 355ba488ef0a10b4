"""Trains one net on the scans of the other fold; it is judged on the scans of its own, which it never saw."""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from net import SIDE, NoduleNet
from numpy.typing import NDArray
from pool import FOLDS, WIDE
from scans import RUNS
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

RATE, DECAY, WARM = 2e-3, 2e-2, 40
BATCH, POSITIVE = 32, 14


class Draw:
    """Random batches of a pool: nodules and look-alikes of all scans alike, turned, scaled, moved, made noisy."""

    def __init__(self, fold: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        kept = [np.load(path) for path in sorted((RUNS / "pool").glob("*.npz")) if _trains(path.stem, fold)]
        self._masks = np.concatenate([k["mask"] for k in kept])
        of_pool = [(k["patch"][k["label"] == 1], k["patch"][k["label"] == 0]) for k in kept]
        self._nodules = np.concatenate([one for one, _ in of_pool])
        self._others = np.concatenate([other for _, other in of_pool])
        levels = np.concatenate([k["level"][k["label"] == 1] for k in kept]).astype(int)
        weight = 1 / np.bincount(levels, minlength=3)[levels] ** 0.5
        self._chance = weight / weight.sum()
        print(f"{len(self._nodules)} nodules, {len(self._others)} others, by level {np.bincount(levels)}", flush=True)

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Images `[n, 1, 24, 24, 24]` in -1..1, masks `[n, 24, 24, 24]` in 0..1, labels `[n]`."""
        one = self._rng.choice(len(self._nodules), POSITIVE, p=self._chance)
        other = self._rng.integers(len(self._others), size=BATCH - POSITIVE)
        image = np.concatenate([self._nodules[one], self._others[other]]).astype(np.float32) / 127.5 - 1
        mask = np.zeros_like(image)
        mask[:POSITIVE] = self._masks[one].astype(np.float32) / 255
        both = torch.from_numpy(np.stack([image, mask], axis=1))
        grid = affine_grid(self._moves(), [BATCH, 2, SIDE, SIDE, SIDE], align_corners=False)
        seen = grid_sample(both, grid, padding_mode="border", align_corners=False)
        label = torch.zeros(BATCH)
        label[:POSITIVE] = 1
        return self._graded(seen[:, :1]), seen[:, 1], label

    def _moves(self) -> Tensor:
        """Flips, turns in the slice, scale and shift; the product's slices keep their direction."""
        moves = np.zeros((BATCH, 3, 4), np.float32)
        for move in moves:
            angle = self._rng.uniform(0, 2 * np.pi) if self._rng.random() < 0.5 else self._rng.integers(4) * np.pi / 2
            cos, sin = np.cos(angle), np.sin(angle)
            turn = np.asarray([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
            size = SIDE / WIDE * np.exp(self._rng.uniform(-0.15, 0.15))
            flips = self._rng.choice([-1.0, 1.0], 3)
            move[:, :3] = turn * flips * size
            move[:, 3] = self._rng.uniform(-1.0, 1.0, 3) / (WIDE / 2)
            if self._rng.random() < 0.4:  # exactly on the cubes, as the product gives them: not blurred
                move[:, :3] = np.rint(turn) * flips * SIDE / WIDE if abs(cos * sin) < 1e-6 else np.diag(flips) * SIDE / WIDE
                move[:, 3] = self._rng.integers(-1, 2, 3) / (WIDE / 2)
        return torch.from_numpy(moves)

    def _graded(self, image: Tensor) -> Tensor:
        """Other doses and offsets."""
        count = len(image)
        gain = torch.from_numpy(self._rng.uniform(0.93, 1.07, (count, 1, 1, 1, 1)).astype(np.float32))
        shift = torch.from_numpy(self._rng.uniform(-0.05, 0.05, (count, 1, 1, 1, 1)).astype(np.float32))
        grain = torch.from_numpy(self._rng.uniform(0, 0.06, (count, 1, 1, 1, 1)).astype(np.float32) ** 1.5)
        return (image * gain + shift + grain * torch.randn(image.shape)).clamp(-1, 1)


def _trains(stem: str, fold: int) -> bool:
    """Whether a file of the pool is of a scan that this fold's net may see."""
    name = stem.rpartition("-")[0]
    return FOLDS.get(name, -1) != fold


def loss_of(said: tuple[Tensor, Tensor], mask: Tensor, label: Tensor) -> tuple[Tensor, list[float]]:
    """Cross entropy of the call; cross entropy and Dice of the nodules' cubes, and none at the middle of others."""
    logit, cubes = said
    call = cross_entropy(logit, label * 0.97 + 0.015)
    own, true = cubes[label > 0], mask[label > 0]
    pixel = cross_entropy(own, true, weight=1 + 3 * true)
    middle = slice(SIDE // 2 - 5, SIDE // 2 + 5)
    empty = cubes[label == 0][:, middle, middle, middle]
    pixel = pixel + 0.3 * cross_entropy(empty, torch.zeros_like(empty))
    shown = torch.sigmoid(own)
    overlap = (2 * (shown * true).flatten(1).sum(1) + 2) / ((shown + true).flatten(1).sum(1) + 2)
    dice = (1 - overlap).mean()
    return call + 4 * pixel + 0.5 * dice, [float(v.detach()) for v in (call, pixel, dice)]


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, step: int) -> None:
    """Moves the averaged weights towards the net's."""
    keep = min(0.985, (step + 1) / (step + 20))
    for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.mul_(keep).add_(fast, alpha=1 - keep)
        else:
            slow.copy_(fast)


def train(draw: Draw, steps: int, seed: int, warm: Path | None = None) -> NoduleNet:
    """The averaged net after `steps` batches."""
    torch.manual_seed(seed)
    net = NoduleNet()
    if warm:
        net.load_state_dict(torch.load(warm, map_location="cpu", weights_only=True))
    net = net.to(memory_format=torch.channels_last_3d)
    average = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    start = time.monotonic()
    history: list[list[float]] = []
    for step in range(steps):
        rate = RATE * min(1, (step + 1) / WARM) * max(0.02, (1 + np.cos(np.pi * step / steps)) / 2)
        for group in optimiser.param_groups:
            group["lr"] = rate
        image, mask, label = draw.batch()
        loss, parts = loss_of(net(image.contiguous(memory_format=torch.channels_last_3d)), mask, label)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        follow(average, net, step)
        history.append(parts)
        if step % 25 == 24:
            said = " ".join(f"{v:.3f}" for v in np.mean(history[-25:], axis=0))
            print(f"step {step + 1} {time.monotonic() - start:.0f} s call pixel dice {said}", flush=True)
        if step % 100 == 99:
            torch.save(average.state_dict(), RUNS / f"fold{seed}.part.pt")
    return average


def main() -> None:
    """Trains and keeps the weights in runs/."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--fold", type=int, required=True, help="the fold that is left out")
    parser.add_argument("--steps", type=int, default=950)
    parser.add_argument("--warm", type=Path, help="weights to begin with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    net = train(Draw(options.fold, options.fold), options.steps, options.fold, options.warm)
    torch.save(net.state_dict(), RUNS / f"fold{options.fold}.pt")


if __name__ == "__main__":
    main()
