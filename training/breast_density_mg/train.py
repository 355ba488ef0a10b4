"""Trains one net on phantoms and from it one for each fold of women, on all others; their mean is what is shipped."""

from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
from films import FOLDS, RUNS, Film, films, fold_of
from net import BreastNet, share
from samples import NO_CLASS, Sample, drawn, painted, phantom_scene, scene_of
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

FIRST_STEPS, STEPS, BATCH = 250, 420, 8
RATE, DECAY, WARM = 4e-3, 3e-2, 40
PHANTOMS = 160
OF_PHANTOM, OF_FILM, OF_FATTY = 3, 4, 3
"""Samples drawn of each phantom and film, and painted ones of each fatty film."""


def pool(seed: int = 11) -> tuple[list[Sample], list[int]]:
    """All samples and the woman each belongs to (-1: a phantom), the same for every fold."""
    rng = np.random.default_rng(seed)
    scenes = [phantom_scene(20_000 + k) for k in range(PHANTOMS)]
    made = [(drawn(scene, rng), -1) for scene in scenes for _ in range(OF_PHANTOM)]
    oblique = [scene for scene in scenes if scene.oblique]
    for film in films():
        made += [(drawn(scene_of(film), rng), film.woman) for _ in range(OF_FILM)]
        if film.tissue == "F":
            made += [(_mixed(film, oblique, rng), film.woman) for _ in range(OF_FATTY)]
    return [s for s, _ in made], [w for _, w in made]


def _mixed(film: Film, oblique: list, rng: np.random.Generator) -> Sample:
    return drawn(painted(film, oblique[int(rng.integers(len(oblique)))], rng), rng)


def loss_of(said: tuple[Tensor, Tensor], x: Tensor, truth: Tensor, tissue: Tensor) -> tuple[Tensor, list[float]]:
    """Pixels of both masks (cross entropy and Dice), the dense share, and the class."""
    masks, looks = said
    judged = truth[:, 2]
    inside = nn.functional.avg_pool2d((x[:, 3:4] > 0).float(), 2)[:, 0]
    dense = cross_entropy(masks[:, 0], truth[:, 0], weight=judged, reduction="sum") / (judged.sum() + 1)
    muscle = cross_entropy(masks[:, 1], truth[:, 1], weight=inside, reduction="sum") / (inside.sum() + 1)
    shown = torch.sigmoid(masks[:, 0]) * judged
    known = truth[:, 0] * judged
    dice = 1 - ((2 * (shown * known).sum((1, 2)) + 20) / ((shown + known).sum((1, 2)) + 20)).mean()
    apart = (share(masks, x) - known.sum((1, 2)) / (judged.sum((1, 2)) + 1)).abs().mean()
    named = (tissue != NO_CLASS).float()[:, None].expand_as(looks)
    wanted = torch.stack([tissue > 0, tissue > 1], 1).float()
    grade = cross_entropy(looks, wanted, weight=named, reduction="sum") / (named.sum() + 1)
    loss = dense + 0.5 * muscle + 0.5 * dice + apart + 0.5 * grade
    return loss, [float(v.detach()) for v in (dense, muscle, dice, apart, grade)]


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, step: int) -> None:
    """Moves the averaged weights towards the net's."""
    keep = min(0.985, (step + 1) / (step + 20))
    for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.mul_(keep).add_(fast, alpha=1 - keep)
        else:
            slow.copy_(fast)


def train(samples: list[Sample], steps: int, seed: int, first: BreastNet | None = None) -> BreastNet:
    """The averaged net after `steps` batches of these samples, from the first net's weights where there is one."""
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 12))
    net = BreastNet() if first is None else copy.deepcopy(first).train()
    net = net.to(memory_format=torch.channels_last)
    average = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    start, history = time.monotonic(), []
    order: list[int] = []
    for step in range(steps):
        rate = RATE * min(1, (step + 1) / WARM) * max(0.02, (1 + np.cos(np.pi * step / steps)) / 2)
        for group in optimiser.param_groups:
            group["lr"] = rate
        if len(order) < BATCH:
            order = rng.permutation(len(samples)).tolist()
        picked, order = [samples[k] for k in order[:BATCH]], order[BATCH:]
        x = torch.from_numpy(np.stack([s.channels for s in picked])).float() / 255
        truth = torch.from_numpy(np.stack([s.truth for s in picked])).float() / 255
        tissue = torch.tensor([s.tissue for s in picked])
        loss, parts = loss_of(net(x.contiguous(memory_format=torch.channels_last)), x, truth, tissue)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        follow(average, net, step)
        history.append(parts)
        if step % 100 == 99:
            said = " ".join(f"{v:.3f}" for v in np.mean(history[-100:], axis=0))
            print(f"step {step + 1} {time.monotonic() - start:.0f} s dense muscle dice share class {said}", flush=True)
    return average


def main() -> None:
    """Trains and keeps the weights in runs/."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    samples, women = pool()
    print(f"{len(samples)} samples in {time.monotonic() - start:.0f} s", flush=True)
    folds = fold_of()
    first = train([s for s, w in zip(samples, women, strict=True) if w < 0], FIRST_STEPS, 90)
    for fold in options.folds:
        kept = [s for s, woman in zip(samples, women, strict=True) if folds.get(woman, -1) != fold]
        net = train(kept, options.steps, fold, first)
        torch.save(net.state_dict(), RUNS / f"fold{fold}.pt")


if __name__ == "__main__":
    main()
