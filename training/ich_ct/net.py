"""The net: a small 2.5D U-Net, and the head around it that scores slices and the study."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 112)
TOP_PIXELS = 15  # 60 mm2 of the 2 mm grid: what a slice's score is the mean of
TOP_SLICES = 2
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


class Reader(nn.Module):
    """What is exported: uint8 slabs in; slice logits, mask probabilities and the study's logit out.

    Of several nets the mean speaks: of their scores for a slice, and of their mask logits.
    """

    def __init__(self, nets: list[SlabNet]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, head: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """SLICE_LOGIT `[n]` (smoothed over neighbours), MASK `[n, 96, 96]`, STUDY_LOGIT `[1]`."""
        x = head.float() / 127.5 - 1.0
        logits = [net(x) for net in self.nets]
        lone = torch.stack([slice_logit(one) for one in logits]).mean(0)
        inside = head[:, 3].float().flatten(1).sum(1) / 255.0
        lone = torch.where(inside < LEAST_INSIDE, torch.full_like(lone, NO_BRAIN), lone)
        edged = torch.cat([lone[:1], lone, lone[-1:]])
        smooth = 0.25 * edged[:-2] + 0.5 * edged[1:-1] + 0.25 * edged[2:]
        study = smooth.topk(TOP_SLICES, 0)[0].mean(0, keepdim=True)
        return smooth, torch.sigmoid(torch.stack(logits).mean(0)), study


def reader_of(weights: list[Path]) -> Reader:
    """Trained nets with their scoring, ready to read."""
    nets = []
    for path in weights:
        net = SlabNet()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        nets.append(net)
    return Reader(nets).eval()
