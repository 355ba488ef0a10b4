"""Trains the nets: for each scan without it, to be judged on it; and on all scans, to be shipped."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass

import numpy as np
import torch
from net import NoduleNet
from numpy.typing import NDArray
from scans import RUNS, SERIES
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

SHIPPED = "all"
NEAR = 0.42  # of a nodule's size: a candidate within it of the middle is on it
STEPS, SEEDS = 1000, 2
RATE, DECAY = 3e-3, 3e-2
NODULES, OTHERS = 96, 288  # of a batch
BLUR = 0.08  # deviations of noise on every measure
HARDER = 150  # steps after which the others are drawn anew, by how likely they look
SHARPNESS = 0.7  # of that


@dataclass(frozen=True, slots=True)
class Pool:
    """Measures of candidates `[n, COUNT]`, whether they lie on a nodule, how often they are drawn, and their scan."""

    measures: NDArray[np.float32]
    label: NDArray[np.int8]
    weight: NDArray[np.float32]
    scan: NDArray[np.str_]


def pool_of() -> Pool:
    """The pool; what is too near to a nodule to tell is left out, and of the others half, at random."""
    rng = np.random.default_rng(1)
    parts, labels, weights, scans = [], [], [], []
    for path in sorted((RUNS / "pool").glob("*.npz")):
        with np.load(path) as kept:
            label, nodule = kept["label"].copy(), kept["nodule"].copy()
            for number, truth in enumerate(json.loads(str(kept["truth"]))):
                away = np.linalg.norm(kept["points"] - np.asarray(truth["centre"]), axis=1)
                on = away <= NEAR * truth["size"]
                label[on], nodule[on] = 1, number
            chosen = np.flatnonzero((label == 1) | ((label == 0) & (rng.random(len(label)) < 0.5)))
            parts.append(kept["measures"][chosen].astype(np.float32))
        _, place, count = np.unique(nodule[chosen], return_inverse=True, return_counts=True)
        labels.append(label[chosen])
        weights.append((1 / np.sqrt(count[place])).astype(np.float32))
        scans += [path.stem.rsplit("-", 2)[0]] * len(chosen)
    return Pool(np.concatenate(parts), np.concatenate(labels), np.concatenate(weights), np.asarray(scans))


def train(pool: Pool, chosen: NDArray[np.bool_], seed: int) -> NoduleNet:
    """A net trained on the chosen candidates: of nodules each alike, of the others more and more the likely ones."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = NoduleNet()
    own = pool.measures[chosen]
    net.mean.copy_(torch.from_numpy(own.mean(axis=0)))
    net.deviation.copy_(torch.from_numpy(own.std(axis=0) + 1e-3))
    on, off = (np.flatnonzero(chosen & (pool.label == k)) for k in (1, 0))
    often, likely = pool.weight[on] / pool.weight[on].sum(), np.full(len(off), 1 / len(off))
    label = torch.cat([torch.full((NODULES,), 0.985), torch.full((OTHERS,), 0.015)])
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * max(0.02, (1 + np.cos(np.pi * step / STEPS)) / 2)
        if step and step % HARDER == 0:
            likely = drawn_by(net, pool.measures[off])
        picked = np.concatenate([rng.choice(on, NODULES, p=often), rng.choice(off, OTHERS, p=likely)])
        measures = torch.from_numpy(pool.measures[picked])
        measures = measures + BLUR * net.deviation * torch.randn(measures.shape)
        loss = cross_entropy(net(measures), label)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
    return net.eval()


def drawn_by(net: NoduleNet, measures: NDArray[np.float32]) -> NDArray[np.float64]:
    """How often each of the others is drawn: the likelier it looks."""
    net.eval()
    with torch.no_grad():
        logits = net(torch.from_numpy(measures)).numpy().astype(np.float64)
    net.train()
    weight = np.exp(SHARPNESS * np.clip(logits, -6, 2))
    return np.asarray(weight / weight.sum())


def main() -> None:
    """Trains and keeps the weights in runs/."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--only", nargs="*", default=[*SERIES, SHIPPED])
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    pool = pool_of()
    print(f"{int((pool.label == 1).sum())} on nodules, {int((pool.label == 0).sum())} others", flush=True)
    for left_out in options.only:
        own = pool.scan != left_out
        nets = [train(pool, own, seed) for seed in range(SEEDS)]
        torch.save([net.state_dict() for net in nets], RUNS / f"net-{left_out}.pt")
        print(f"without {left_out}: {int(own.sum())} candidates, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
