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
FACING_SHARE, FACING_LEAST, FACING_PIXELS = 0.5, -6.0, 9
MASK_LATER = 0.85  # what a pixel's logit loses: training counts blood more often than it is; a chance of 0.5 was 0.7
EDGE = 16  # columns left out at each side: heads are narrower than they are long
LEVEL_HU = 35.0  # where the brain's usual HU is brought to: scanners and rebuilt pictures differ by up to 15
FURTHEST_HU = 15.0
GREY_PER_HU, LOWEST_HU = 255 / 115, -15.0


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


def usual_shift(head: Tensor) -> Tensor:
    """By how much the grey of a head `[n, 4, h, w]` of 0..255 is to be moved to bring its brain's to LEVEL_HU.

    The usual grey is the mean of 5..60 HU inside the skull, and twice more of what lies within 12 HU of that: near
    the most frequent one, and hardly moved by blood, fluid or bone.
    """
    here, inside = head[:, 1].float(), head[:, 3].float() > 0
    low, high = ((hu - LOWEST_HU) * GREY_PER_HU for hu in (5.0, 60.0))
    counted = ((here > low) & (here < high) & inside).float()
    usual = (here * counted).sum() / counted.sum().clamp(min=1.0)
    for _ in range(2):
        near = ((here - usual).abs() < 12 * GREY_PER_HU).float() * inside
        usual = (here * near).sum() / near.sum().clamp(min=1.0)
    far = FURTHEST_HU * GREY_PER_HU
    return ((LEVEL_HU - LOWEST_HU) * GREY_PER_HU - usual).clamp(-far, far)


def levelled(head: Tensor) -> Tensor:
    """The head with its brain at LEVEL_HU; bone and what is blank stay as they are."""
    grey = head[:, :3].float()
    shift = usual_shift(head)
    moved = torch.where((grey > 0) & (grey < 255), (grey + shift).clamp(1, 254), grey)
    return torch.cat([moved, head[:, 3:].float()], 1)


def slice_logit(mask_logits: Tensor) -> Tensor:
    """Score of each slice: the mean of its highest mask logits."""
    return mask_logits.flatten(1).topk(TOP_PIXELS, 1)[0].mean(1)


def facing(mask_logits: Tensor, inside: Tensor) -> Tensor:
    """Each pixel's highest logit of what faces it on the other side of the head, give or take 8 mm.

    mask_logits and inside `[n, h, w]`. The middle of each slab's inside is the line that divides the sides.
    """
    width = inside.shape[2]
    column = torch.arange(width)
    within = inside.amax(1) > 0
    first = torch.where(within, column, width).amin(1, keepdim=True)
    last = torch.where(within, column, -1).amax(1, keepdim=True)
    other = (first + last - column).clamp(0, width - 1)
    near = nn.functional.max_pool2d(mask_logits[:, None], FACING_PIXELS, 1, FACING_PIXELS // 2)[:, 0]
    return near.gather(2, other[:, None, :].expand(mask_logits.shape))


def slab_scores(mask_logits: Tensor, inside: Tensor) -> Tensor:
    """Of each slab `[n, 3]`: its score less what faces it, the score as it is, and its mean logit inside the skull.

    A bleed is seldom as bright on both sides; what looks like one on both is mostly the skull's or the scanner's doing.
    """
    lopsided = mask_logits - FACING_SHARE * facing(mask_logits, inside).clamp(min=FACING_LEAST)
    within = (inside > 0).float()
    usual = (mask_logits * within).flatten(1).sum(1) / within.flatten(1).sum(1).clamp(min=1.0)
    return torch.stack([slice_logit(lopsided), slice_logit(mask_logits), usual], 1)


def slice_features(scores: Tensor, inside_mm2: Tensor) -> Tensor:
    """Of each slice `[n, 8]`: score, its neighbours' (mean, mean two away, highest), its size twice, its other scores.

    Past the ends lies nothing that could speak for a bleed: the score there is the stack's mean.
    """
    lone = scores[:, 0]
    usual = lone.mean().reshape(1)
    wide = torch.cat([usual, usual, lone, usual, usual])
    far, near = (wide[:-4] + wide[4:]) / 2, (wide[1:-3] + wide[3:-1]) / 2
    highest = torch.maximum(wide[1:-3], wide[3:-1])
    size = inside_mm2 / 12000.0
    return torch.stack([lone, near, far, highest, size, torch.exp(-size / 0.15), scores[:, 1], scores[:, 2]], 1)


def study_features(slices: Tensor) -> Tensor:
    """Of the study `[3]`: the highest slice, the mean of the highest two, and of five."""
    top = torch.cat([slices, slices.min().reshape(1).expand(4)]).topk(5, 0)[0]
    return torch.stack([top[0], top[:2].mean(0), top.mean(0)])


@dataclass(frozen=True, slots=True)
class Context:
    """What makes a slice's score of its net's and its neighbours', and the study's of its slices' (context.py)."""

    slice_weights: tuple[float, ...] = (0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
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

    Of several nets the mean speaks: of scores and of mask logits. A slab without brain is not shown to them.
    """

    def __init__(self, nets: list[SlabNet], context: Context) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.register_buffer("slice_weights", torch.tensor(context.slice_weights))
        self.register_buffer("study_weights", torch.tensor(context.study_weights))
        self.slice_bias, self.study_bias = context.slice_bias, context.study_bias

    def seen(self, head: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Slabs' scores `[n, 3]`, mask logits `[n, 96, 96]`, mm2 inside the skull `[n]`.

        What was not shown has the means of the others' scores, and no mask.
        """
        inside = head[:, 3].float().flatten(1).sum(1) / 255.0
        count = head.shape[0]
        shown = (inside >= LEAST_INSIDE) | (torch.arange(count) == 0)  # at least one: nets take no empty batch
        index = torch.nonzero(shown)[:, 0]
        x = levelled(head).index_select(0, index)[..., EDGE:-EDGE] / 127.5 - 1.0
        masks = torch.stack([net(x) for net in self.nets]).mean(0)
        scores = slab_scores(masks, x[:, 3, ::2, ::2] + 1.0)
        masks = nn.functional.pad(masks, (EDGE // 2, EDGE // 2), value=NO_BRAIN)
        every = scores.mean(0, keepdim=True).expand(count, scores.shape[1]).clone()
        blank = torch.full((count, *masks.shape[1:]), NO_BRAIN)
        return every.index_copy(0, index, scores), blank.index_copy(0, index, masks), inside

    def forward(self, head: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """SLICE_LOGIT `[n]`, MASK `[n, 96, 96]`, STUDY_LOGIT `[1]`."""
        scores, masks, inside = self.seen(head)
        slices = slice_features(scores, inside) @ self.slice_weights + self.slice_bias
        slices = torch.where(inside < LEAST_INSIDE, torch.full_like(slices, NO_BRAIN), slices)
        study = study_features(slices) @ self.study_weights + self.study_bias
        return slices, torch.sigmoid(masks - MASK_LATER), study.reshape(1)


def nets_of(weights: list[Path]) -> list[SlabNet]:
    """Trained nets, ready to read."""
    nets = []
    for path in weights:
        net = SlabNet()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        nets.append(net.eval())
    return nets
