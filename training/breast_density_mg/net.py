"""The net: a small U-Net that marks dense tissue and muscle, and says how dense the whole film looks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

WIDTHS = (12, 24, 40, 64)
MASK_SHAPE = (128, 96)


def block(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    pad = (size - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, pad, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class BreastNet(nn.Module):
    """`[n, 4, 256, 192]` in 0..1 to logits of dense tissue and muscle `[n, 2, 128, 96]` and of the class `[n, 2]`.

    The class logits say: more than fatty (G or D); dense (D).
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.down1 = nn.Sequential(block(4, a, 4, 2), block(a, a))
        self.down2 = nn.Sequential(block(a, b, 3, 2), block(b, b))
        self.down3 = nn.Sequential(block(b, c, 3, 2), block(c, c))
        self.down4 = nn.Sequential(block(c, d, 3, 2), block(d, d), block(d, d))
        self.side4, self.side3, self.side2 = block(d, c, 1), block(c, b, 1), block(b, a, 1)
        self.whole = nn.Linear(d, c)
        self.up3, self.up2, self.up1 = block(c, c), block(b, b), block(2 * a, a)
        self.out = nn.Conv2d(a, 2, 1)
        self.grade = nn.Sequential(nn.Dropout(0.3), nn.Linear(d + 1, 1))
        self.cuts = nn.Parameter(torch.tensor([0.0, 1.0]))
        nn.init.constant_(self.out.bias, -1.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mask logits at half the input's resolution, and ordinal class logits (one direction, two cuts)."""
        a = self.down1(x)
        b = self.down2(a)
        c = self.down3(b)
        d = self.down4(c)
        inside = nn.functional.avg_pool2d((x[:, 3:4] > 0).float(), 16)
        pooled = (d * inside).sum((2, 3)) / (inside.sum((2, 3)) + 1e-3)
        y = self.up3(_wider(self.side4(d)) + c + self.whole(pooled)[:, :, None, None])
        y = self.up2(_wider(self.side3(y)) + b)
        y = self.up1(torch.cat([_wider(self.side2(y)), a], 1))
        masks = self.out(y)
        looks = self.grade(torch.cat([pooled, 5 * share(masks, x)[:, None]], 1))
        return masks, looks - self.cuts


def _wider(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def share(masks: Tensor, x: Tensor) -> Tensor:
    """Dense share of the breast off the muscle, `[n]`, soft."""
    breast = nn.functional.avg_pool2d((x[:, 3] > 0).float()[:, None], 2)[:, 0] * (1 - torch.sigmoid(masks[:, 1]))
    return (torch.sigmoid(masks[:, 0]) * breast).sum((1, 2)) / (breast.sum((1, 2)) + 1)


class Reader(nn.Module):
    """What is exported: uint8 breasts in; probabilities of dense tissue and muscle, and class logits out.

    Of several nets the mean of the logits speaks.
    """

    def __init__(self, nets: list[BreastNet]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """DENSE and MUSCLE `[n, 128, 96]`, TISSUE_LOGIT `[n, 2]`."""
        x = views.float() / 255.0
        said = [net(x) for net in self.nets]
        masks = torch.sigmoid(torch.stack([m for m, _ in said]).mean(0))
        return masks[:, 0], masks[:, 1], torch.stack([g for _, g in said]).mean(0)


def reader_of(weights: list[Path]) -> Reader:
    """Trained nets, ready to read."""
    nets = []
    for path in weights:
        net = BreastNet()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        nets.append(net)
    return Reader(nets).eval()
