"""Trains the nets: for each scan without it, to be judged on it; and on all scans, to be shipped."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from net import NoduleNet
from numpy.typing import NDArray
from pool import WIDE
from scans import RUNS, SERIES
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from streams.reading.lung.features import features
from streams.reading.lung.patches import SIDE

RATE, DECAY = 3e-3, 3e-2
NODULES, OTHERS = 96, 160  # of a batch
BLUR = 0.08  # deviations of noise on every measure
SHIPPED = "all"


@dataclass(frozen=True, slots=True)
class Pool:
    """Measures of all candidates `[n, COUNT]`, whether they lie on a nodule, and their scan."""

    measures: NDArray[np.float32]
    label: NDArray[np.int8]
    scan: NDArray[np.str_]


def pool_of() -> Pool:
    """The pool's patches, measured by the product's own code; kept in runs/."""
    target = RUNS / "features.npz"
    if not target.exists():
        margin = (WIDE - SIDE) // 2
        inner = (slice(margin, margin + SIDE),) * 3
        parts, labels, scans = [], [], []
        for path in sorted((RUNS / "pool").glob("*.npz")):
            with np.load(path) as kept:
                parts.append(features(np.ascontiguousarray(kept["patch"][(slice(None), None, *inner)]), kept["level"]))
                labels.append(kept["label"])
            scans += [path.stem.rpartition("-")[0]] * len(labels[-1])
        np.savez(target, measures=np.concatenate(parts), label=np.concatenate(labels), scan=np.asarray(scans))
    with np.load(target) as kept:
        return Pool(kept["measures"], kept["label"], kept["scan"])


def train(pool: Pool, chosen: NDArray[np.bool_], steps: int, seed: int) -> NoduleNet:
    """A net trained on the chosen candidates."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = NoduleNet()
    own = pool.measures[chosen]
    net.mean.copy_(torch.from_numpy(own.mean(axis=0)))
    net.deviation.copy_(torch.from_numpy(own.std(axis=0) + 1e-3))
    on, off = (np.flatnonzero(chosen & (pool.label == k)) for k in (1, 0))
    label = torch.cat([torch.full((NODULES,), 0.985), torch.full((OTHERS,), 0.015)])
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * max(0.02, (1 + np.cos(np.pi * step / steps)) / 2)
        picked = np.concatenate([rng.choice(on, NODULES), rng.choice(off, OTHERS)])
        measures = torch.from_numpy(pool.measures[picked])
        measures = measures + BLUR * net.deviation * torch.randn(measures.shape)
        loss = cross_entropy(net(measures), label)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
    return net.eval()


def main() -> None:
    """Trains and keeps the weights in runs/."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    pool = pool_of()
    print(f"{int((pool.label == 1).sum())} on nodules, {int((pool.label == 0).sum())} others", flush=True)
    for left_out in (*SERIES, SHIPPED):
        if (RUNS / f"net-{left_out}.pt").exists():
            continue
        chosen = pool.scan != left_out
        nets = [train(pool, chosen, options.steps, seed) for seed in range(options.seeds)]
        torch.save([net.state_dict() for net in nets], RUNS / f"net-{left_out}.pt")
        print(f"without {left_out}: {int(chosen.sum())} candidates, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
