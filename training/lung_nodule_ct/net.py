"""The net: a few small perceptrons over the measures of a candidate, whose mean speaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streams.reading.lung.rays import COUNT

HIDDEN = (64, 32)
FURTHEST = 4.0  # deviations: what lies further out says no more


class NoduleNet(nn.Module):
    """`[n, COUNT]` measures to a logit `[n]`; it knows the mean and deviation of what it was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(COUNT))
        self.register_buffer("deviation", torch.ones(COUNT))
        first, second = HIDDEN
        self.layers = nn.Sequential(
            nn.Linear(COUNT, first),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, 1),
        )

    def forward(self, measures: Tensor) -> Tensor:
        """Logits."""
        even = ((measures - self.mean) / self.deviation).clamp(-FURTHEST, FURTHEST)
        return self.layers(even)[:, 0]


class Reader(nn.Module):
    """What is exported: measures in, calibrated logits out."""

    def __init__(self, nets: list[NoduleNet], slope: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.slope, self.shift = slope, shift

    def forward(self, measures: Tensor) -> Tensor:
        """LOGIT `[n]`."""
        return torch.stack([net(measures) for net in self.nets]).mean(0) * self.slope + self.shift

    def logits(self, measures: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same of an array."""
        with torch.no_grad():
            return self(torch.from_numpy(measures)).numpy().astype(np.float64)


def kept(path: Path) -> list[NoduleNet]:
    """The trained nets of a file."""
    nets = []
    for state in torch.load(path, map_location="cpu", weights_only=True):
        net = NoduleNet()
        net.load_state_dict(state)
        nets.append(net.eval())
    return nets
