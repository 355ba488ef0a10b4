"""The net: a small 2.5D U-Net, and the head around it that scores slices and the study."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 112)
TOP_PIXELS = 15  # 60 mm2 of the 2 mm grid: what a slice's score is the mean of
LEAST_INSIDE = 300.0  # mm2 of brain under which a slice is not scored
NO_BRAIN = -12.0


def block(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    pad = (size - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, pad, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class SlabNet(nn.Module):
    """`[n, 4, 192, 192]` in -1..1 (below, here, above, inside) to mask logits `[n, 96, 96]`."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.down1 = nn.Sequential(block(4, a, 4, 2), block(a, a))
        self.down2 = nn.Sequential(block(a, b, 3, 2), block(b, b))
        self.down3 = nn.Sequential(block(b, c, 3, 2), block(c, c))
        self.down4 = nn.Sequential(block(c, d, 3, 2), block(d, d), block(d, d))
        self.side4, self.side3, self.side2 = block(d, c, 1), block(c, b, 1), block(b, a, 1)
        self.up3, self.up2, self.up1 = block(c, c), block(b, b), block(2 * a, a)
        self.out = nn.Conv2d(a, 1, 1)
        nn.init.constant_(self.out.bias, -3.0)

    def forward(self, x: Tensor) -> Tensor:
        """Mask logits at half the input's resolution."""
        a = self.down1(x)
        b = self.down2(a)
        c = self.down3(b)
        y = self.up3(_wider(self.side4(self.down4(c))) + c)
        y = self.up2(_wider(self.side3(y)) + b)
        y = self.up1(torch.cat([_wider(self.side2(y)), a], 1))
        return self.out(y)[:, 0]


def _wider(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def slice_logit(mask_logits: Tensor) -> Tensor:
    """Score of each slice: the mean of its highest mask logits."""
    return mask_logits.flatten(1).topk(TOP_PIXELS, 1)[0].mean(1)


def slice_features(lone: Tensor, inside_mm2: Tensor) -> Tensor:
    """Of each slice `[n, 6]`: its score, its neighbours' (mean, mean two away, highest), and its size twice.

    Past the ends lies nothing that could speak for a bleed: the score there is the stack's mean.
    """
    usual = lone.mean().reshape(1)
    wide = torch.cat([usual, usual, lone, usual, usual])
    far, near = (wide[:-4] + wide[4:]) / 2, (wide[1:-3] + wide[3:-1]) / 2
    highest = torch.maximum(wide[1:-3], wide[3:-1])
    size = inside_mm2 / 12000.0
    return torch.stack([lone, near, far, highest, size, torch.exp(-size / 0.15)], 1)


def study_features(slices: Tensor) -> Tensor:
    """Of the study `[3]`: the highest slice, the mean of the highest two, and of five."""
    top = torch.cat([slices, slices.min().reshape(1).expand(4)]).topk(5, 0)[0]
    return torch.stack([top[0], top[:2].mean(0), top.mean(0)])


@dataclass(frozen=True, slots=True)
class Context:
    """What makes a slice's score of its net's and its neighbours', and the study's of its slices' (context.py)."""

    slice_weights: tuple[float, ...] = (0.5, 0.5, 0.0, 0.0, 0.0, 0.0)
    slice_bias: float = 0.0
    study_weights: tuple[float, ...] = (0.0, 1.0, 0.0)
    study_bias: float = 0.0

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Context:
        """From JSON."""
        kept = json.loads(path.read_text())
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()})


PLAIN_READER = Context()


class Reader(nn.Module):
    """What is exported: uint8 slabs in; slice logits, mask probabilities and the study's logit out.

    Of several nets, and of the head and its mirror image, the mean speaks: of scores and of mask logits.
    """

    def __init__(self, nets: list[SlabNet], context: Context, *, mirrored: bool = True) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.mirrored = mirrored
        self.register_buffer("slice_weights", torch.tensor(context.slice_weights))
        self.register_buffer("study_weights", torch.tensor(context.study_weights))
        self.slice_bias, self.study_bias = context.slice_bias, context.study_bias

    def seen(self, head: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Lone slice scores `[n]`, mask logits `[n, 96, 96]`, mm2 inside the skull `[n]`."""
        x = head.float() / 127.5 - 1.0
        logits = [net(x) for net in self.nets]
        if self.mirrored:
            logits += [net(x.flip(3)).flip(2) for net in self.nets]
        lone = torch.stack([slice_logit(one) for one in logits]).mean(0)
        return lone, torch.stack(logits).mean(0), head[:, 3].float().flatten(1).sum(1) / 255.0

    def forward(self, head: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """SLICE_LOGIT `[n]`, MASK `[n, 96, 96]`, STUDY_LOGIT `[1]`."""
        lone, masks, inside = self.seen(head)
        slices = slice_features(lone, inside) @ self.slice_weights + self.slice_bias
        slices = torch.where(inside < LEAST_INSIDE, torch.full_like(slices, NO_BRAIN), slices)
        study = study_features(slices) @ self.study_weights + self.study_bias
        return slices, torch.sigmoid(masks), study.reshape(1)


def nets_of(weights: list[Path]) -> list[SlabNet]:
    """Trained nets, ready to read."""
    nets = []
    for path in weights:
        net = SlabNet()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        nets.append(net.eval())
    return nets
