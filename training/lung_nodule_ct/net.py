"""The net: a small 3D U-Net over one patch that tells how likely a nodule is and which cubes are of it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 96)
SIDE = 24
TOP_CUBES = 12  # of the middle 8 x 8 x 8: how surely they are marked is part of the call


def block(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    pad = (size - 1) // 2
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, size, stride, pad, bias=False), nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)
    )


class NoduleNet(nn.Module):
    """`[n, 1, 24, 24, 24]` in -1..1 to a logit `[n]` and mask logits `[n, 24, 24, 24]`."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.down1 = nn.Sequential(block(1, a, 4, 2), block(a, a))
        self.down2 = nn.Sequential(block(a, b, 3, 2), block(b, b))
        self.down3 = nn.Sequential(block(b, c, 3, 2), block(c, c))
        self.down4 = block(c, d, 3, 2)
        self.side3, self.side2 = block(c, b, 1), block(b, a, 1)
        self.up2, self.up1 = block(b, b), block(a, a)
        self.finest = nn.ConvTranspose3d(a, 1, 2, 2)
        self.middle = nn.Conv3d(b, 24, 4)  # the 4 x 4 x 4 cells of 4 cubes round the candidate
        self.even = nn.BatchNorm1d(24 + c + 2 * d)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(24 + c + 2 * d, 1)
        self.share = nn.Parameter(torch.tensor(0.7))
        nn.init.constant_(self.finest.bias, -3.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logit, mask logits."""
        a = self.down1(x)
        b = self.down2(a)
        c = self.down3(b)
        d = self.down4(c)
        near = self.middle(b[:, :, 1:5, 1:5, 1:5]).flatten(1).relu()
        centre = c[:, :, 1, 1, 1]  # the middle one of 3 x 3 x 3
        whole = torch.cat([near, centre, d.flatten(2).amax(2), d.flatten(2).mean(2)], 1)
        y = self.up2(_wider(self.side3(c)) + b)
        y = self.up1(_wider(self.side2(y)) + a)
        mask = self.finest(y)[:, 0]
        middle = slice(SIDE // 2 - 4, SIDE // 2 + 4)
        marked = mask[:, middle, middle, middle].flatten(1).topk(TOP_CUBES, 1)[0].mean(1)
        return self.out(self.drop(self.even(whole)))[:, 0] + self.share * marked + 1.0, mask


def _wider(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Reader(nn.Module):
    """What is exported: uint8 patches in; calibrated logits and masks (0 to 255) out. Of several nets the mean speaks."""

    def __init__(self, nets: list[NoduleNet], slope: float, shift: float) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.slope, self.shift = slope, shift

    def forward(self, patch: Tensor) -> tuple[Tensor, Tensor]:
        """LOGIT `[n]`, MASK uint8 `[n, 24, 24, 24]`."""
        x = patch.float() / 127.5 - 1.0
        said = [net(x) for net in self.nets]
        logit = torch.stack([one for one, _ in said]).mean(0)
        mask = torch.sigmoid(torch.stack([two for _, two in said]).mean(0))
        return logit * self.slope + self.shift, (mask * 255.0 + 0.5).to(torch.uint8)


def net_of(path: Path) -> NoduleNet:
    """A trained net."""
    net = NoduleNet()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval()
