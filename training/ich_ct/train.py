"""Trains one net on all patients but one fold, on which it is judged; the nets together are what is shipped."""

from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
from data import patients
from net import SlabNet, slice_logit
from pool import RUNS
from samples import Draw, patient_of
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

FOLDS = 2
RATE, DECAY, WARM = 2e-3, 2e-2, 60


def fold_of(numbers: list[int]) -> dict[int, int]:
    """Patient to fold: those with a bleed and those without dealt out in turn, in an order fixed by seed."""
    rng = np.random.default_rng(4)
    out: dict[int, int] = {}
    for wanted in (True, False):
        group = [n for n in numbers if bool(patient_of(n).bleeds.any()) == wanted]
        for place, number in enumerate(rng.permutation(group)):
            out[int(number)] = place % FOLDS
    return out


def loss_of(logits: Tensor, mask: Tensor, weight: Tensor, label: Tensor) -> tuple[Tensor, list[float]]:
    """Pixels (cross entropy, Dice where a mask is known) and slices (cross entropy on the score)."""
    pixel = cross_entropy(logits, mask, weight=weight * (1 + 2 * mask), reduction="sum")
    pixel = pixel / (weight.sum() + 1)
    known = mask * weight
    some = (known.flatten(1).sum(1) > 3).float()
    shown = torch.sigmoid(logits)
    overlap = (2 * (shown * known).flatten(1).sum(1) + 1) / (((shown + mask) * weight).flatten(1).sum(1) + 1)
    dice = ((1 - overlap) * some).sum() / (some.sum() + 1e-6)
    slices = cross_entropy(slice_logit(logits), label)
    return 3 * pixel + 0.5 * dice + 0.5 * slices, [float(v.detach()) for v in (pixel, dice, slices)]


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, step: int) -> None:
    """Moves the averaged weights towards the net's."""
    keep = min(0.99, (step + 1) / (step + 20))
    for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.mul_(keep).add_(fast, alpha=1 - keep)
        else:
            slow.copy_(fast)


def train(numbers: list[int], steps: int, seed: int) -> SlabNet:
    """The averaged net after `steps` batches of these patients."""
    torch.manual_seed(seed)
    draw = Draw(numbers, seed)
    net = SlabNet().to(memory_format=torch.channels_last)
    average = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    start, history = time.monotonic(), []
    for step in range(steps):
        rate = RATE * min(1, (step + 1) / WARM) * max(0.02, (1 + np.cos(np.pi * step / steps)) / 2)
        for group in optimiser.param_groups:
            group["lr"] = rate
        image, mask, weight, label = draw.batch()
        loss, parts = loss_of(net(image.contiguous(memory_format=torch.channels_last)), mask, weight, label)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        follow(average, net, step)
        history.append(parts)
        if step % 50 == 49:
            said = " ".join(f"{v:.3f}" for v in np.mean(history[-50:], axis=0))
            print(f"step {step + 1} {time.monotonic() - start:.0f} s pixel dice slice {said}", flush=True)
    return average


def main() -> None:
    """Trains and keeps the weights in runs/."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--fold", type=int, required=True, help="the fold that is left out")
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folds = fold_of(patients())
    numbers = [n for n, f in folds.items() if f != options.fold]
    net = train(numbers, options.steps, options.fold)
    torch.save(net.state_dict(), RUNS / f"fold{options.fold}.pt")


if __name__ == "__main__":
    main()
