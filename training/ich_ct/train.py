"""Trains one net on all patients but one fold, on which it is judged.

First two nets, each on half of the folds; then one net for each fold, which begins with the half that never saw the
fold's patients, and goes on (`--more`) from its own weights. So the four share their beginning, and still no net has
seen the patients that it is judged on. Shipped are all four; each is judged alone.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
from data import patients
from net import SlabNet, slice_logit
from pool import RUNS
from samples import Draw, patient_of
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

FOLDS = 4
HALVES = 2
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


def unseen_net(fold: int) -> Path:
    """The net that never saw the fold's patients."""
    return RUNS / f"more{fold}.pt"


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
    keep = min(0.993, (step + 1) / (step + 20))
    for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.mul_(keep).add_(fast, alpha=1 - keep)
        else:
            slow.copy_(fast)


@dataclass(frozen=True, slots=True)
class Course:
    """So many steps at one rate, the first 60 slower, the last falling to nothing."""

    steps: int
    rate: float
    fall: int = 120

    def at(self, step: int) -> float:
        """The rate of a step."""
        return self.rate * min(1.0, (step + 1) / WARM, (self.steps - step) / self.fall)


HALF = Course(600, RATE)
FOLD = Course(760, 0.6 * RATE)
MORE = Course(1450, 0.6 * RATE, 600)


def train(draw: Draw, net: SlabNet, course: Course, keep: Path) -> SlabNet:
    """The averaged net after the course's batches."""
    net = net.train().to(memory_format=torch.channels_last)
    average = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    start, history = time.monotonic(), []
    for step in count():
        if (RUNS / "steps").exists():
            course = replace(course, steps=int((RUNS / "steps").read_text()))
        if step >= course.steps:
            break
        for group in optimiser.param_groups:
            group["lr"] = course.at(step)
        image, mask, weight, label = draw.batch()
        logits = net(image.contiguous(memory_format=torch.channels_last))
        loss, parts = loss_of(logits, mask, weight, label)
        draw.looked(slice_logit(logits.detach())[draw.normal_rows].numpy())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        follow(average, net, step)
        history.append(parts)
        if step % 25 == 24:
            said = " ".join(f"{v:.3f}" for v in np.mean(history[-25:], axis=0))
            torch.save(average.state_dict(), keep)
            print(f"step {step + 1} {time.monotonic() - start:.0f} s pixel dice slice {said}", flush=True)
    return average


def main() -> None:
    """Trains and keeps the weights in runs/."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--half", type=int, help="the half of the folds that is left out")
    which.add_argument("--fold", type=int, help="the fold that is left out")
    parser.add_argument("--more", action="store_true", help="the fold's net goes on from its own weights, levelled")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folds = fold_of(patients())
    if options.half is not None:
        seed, name, course = 10 + options.half, f"half{options.half}", HALF
        numbers = [n for n, f in folds.items() if f % HALVES != options.half]
    else:
        seed, name, course = options.fold, f"fold{options.fold}", FOLD
        numbers = [n for n, f in folds.items() if f != options.fold]
    before = f"half{(options.fold or 0) % HALVES}"
    if options.more:
        before, name, seed, course = name, f"more{options.fold}", seed + 20, MORE
    torch.manual_seed(seed)
    net = SlabNet()
    if options.fold is not None:
        half = RUNS / f"{before}.pt"
        net.load_state_dict(torch.load(half, map_location="cpu", weights_only=True))
    net = train(Draw(numbers, seed), net, course, RUNS / f"{name}_so_far.pt")
    torch.save(net.state_dict(), RUNS / f"{name}.pt")


if __name__ == "__main__":
    main()
