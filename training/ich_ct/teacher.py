"""Soft masks of a published net (BLAST-CT v1) on the heads with a bleed: they teach; no weight of it is shipped."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import onnxruntime
import torch
from data import Volume, ct_ich_volume, data_folder, patients
from numpy.typing import NDArray
from pool import RUNS, kept_at
from torch import Tensor, nn
from torch.nn import functional

from streams.reading import tensors
from streams.reading.tensors import HeadSlabs

FEATURES = (30, 30, 40, 40, 40, 40, 50, 50)
SCALES = ((5, 0), (3, 16), (1, 32))  # how coarse a path sees, and what is cut from each side before it
LOST = 40  # voxels lost on each side
GRAIN = 15  # sizes beyond the loss come in steps of this
STEP_MM = 2.0
BLOOD = (1, 2, 4)  # of background, intraparenchymal, extra-axial, oedema, intraventricular
Soft = NDArray[np.float32]


class Layer(nn.Module):
    """Batch norm, PReLU, convolution, and the input added where the widths agree (Kamnitsas, DeepMedic, 2017)."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm3d(inputs)
        self.conv = nn.Conv3d(inputs, outputs, size, bias=False)
        self.prelu = nn.PReLU()
        self.edge = size // 2 if inputs == outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """`[n, c, z, y, x]`, smaller by size - 1."""
        y = self.conv(self.prelu(self.bn(x)))
        if self.edge is None:
            return y
        return y + (functional.pad(x, [-self.edge] * 6) if self.edge else x)


class DeepMedic(nn.Module):
    """Three paths of 8 convolutions at scales 5, 3 and 1, then two wide layers: `[1, 1, z, y, x]` to 5 chances."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, *FEATURES)
        self.paths = nn.ModuleList(
            nn.Sequential(*[Layer(widths[k], widths[k + 1], 3) for k in range(len(FEATURES))]) for _ in SCALES
        )
        ends = (len(SCALES) * FEATURES[-1], 250, 250, 5)
        self.ends = nn.Sequential(*[Layer(ends[k], ends[k + 1], 1) for k in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        """Chances of the five classes, 40 voxels lost on each side."""
        seen = []
        for (scale, cut), path in zip(SCALES, self.paths, strict=True):
            y = functional.pad(x, [-cut] * 6) if cut else x
            first = scale // 2
            y = path(y[:, :, first::scale, first::scale, first::scale])
            seen.append(functional.interpolate(y, scale_factor=float(scale), mode="nearest") if scale > 1 else y)
        return torch.softmax(self.ends(torch.cat(seen, 1)), 1)


def teacher(number: int) -> DeepMedic:
    """One of the three published nets, from the shared data."""
    path = data_folder() / f"blast_ct_v1/weights/model_{number}.pt"
    weights = torch.load(path, map_location="cpu", weights_only=True)
    kept: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name.startswith("fully_connected."):
            kept[name.replace("fully_connected", "ends", 1)] = value
            continue
        place = next(k for k, (s, _) in enumerate(SCALES) if f"({s}, {s}, {s})" in name)
        layer, rest = name.split(".path.", 1)[1].split(".", 1)
        kept[f"paths.{place}.{int(layer) - 1}.{rest}"] = value
    net = DeepMedic()
    net.load_state_dict(kept, strict=True)
    return net.eval()


def session_of(number: int, threads: int) -> onnxruntime.InferenceSession:
    """The net in ONNX Runtime, some four times as fast on a CPU as torch."""
    path = RUNS / f"teacher_{number}.onnx"
    if not path.exists():
        torch.onnx.export(
            teacher(number), (torch.zeros(1, 1, 95, 95, 95),), str(path), input_names=["image"],
            output_names=["chance"], opset_version=17,
            dynamic_axes={"image": {2: "z", 3: "y", 4: "x"}, "chance": {2: "z", 3: "y", 4: "x"}},
        )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _boxes(inside: NDArray[np.bool_], high: int = 45) -> Iterator[tuple[slice, slice, slice]]:
    """Boxes that cover the mask slab by slab, each side a multiple of 15 voxels."""
    levels = np.flatnonzero(inside.any((1, 2)))
    for first in range(int(levels[0]), int(levels[-1]) + 1, high):
        part = inside[first : first + high]
        tall = _grain(min(high, int(levels[-1]) + 1 - first))
        rows, columns = np.flatnonzero(part.any((0, 2))), np.flatnonzero(part.any((0, 1)))
        if len(rows):
            y, x = int(rows[0]), int(columns[0])
            wide, deep = _grain(int(columns[-1]) + 1 - x), _grain(int(rows[-1]) + 1 - y)
            yield slice(first, first + tall), slice(y, y + deep), slice(x, x + wide)


def _grain(count: int) -> int:
    return -(-count // GRAIN) * GRAIN


def blood(session: onnxruntime.InferenceSession, volume: Volume, slabs: HeadSlabs) -> Soft:
    """Chance of blood on the slabs' 2 mm grid `[n, 96, 96]`, 0 outside the skull."""
    fine = tensors._cut(tensors._resampled(volume.hu, slabs.pixel_mm, 1.0), slabs.origin_mm, -1000.0)  # noqa: SLF001
    coarse = fine.reshape(len(fine), 96, 2, 96, 2).mean((2, 4))
    levels = np.arange(volume.places[0], volume.places[-1] + STEP_MM, STEP_MM)
    low = np.clip(np.searchsorted(volume.places, levels, "right") - 1, 0, len(fine) - 2)
    part = np.clip((levels - volume.places[low]) / (volume.places[low + 1] - volume.places[low]), 0, 1)
    stack = coarse[low] * (1 - part[:, None, None]) + coarse[low + 1] * part[:, None, None]
    nearest = np.where(part > 0.5, low + 1, low)
    inside = slabs.tensor[nearest, 3, ::2, ::2] > 0
    edge = (LOST, LOST + 3 * GRAIN)
    padded = np.pad(np.clip(stack, -15, 100) * (2 / 115) - 85 / 115, (edge,) * 3, constant_values=-1.0)
    out = np.zeros([n + 3 * GRAIN for n in stack.shape], np.float32)
    for box in _boxes(inside):
        z, y, x = (slice(s.start, s.stop + 2 * LOST) for s in box)
        image = np.ascontiguousarray(padded[None, None, z, y, x], np.float32)
        out[box] = session.run(None, {"image": image})[0][0][list(BLOOD)].sum(0)
    chance = out[: len(levels), :96, :96] * inside
    return np.stack([chance[np.abs(levels - place) <= 2.6].mean(0) for place in volume.places]).astype(np.float32)


def main() -> None:
    """Keeps the teacher's masks (mean of the nets asked) in runs/, heads with a bleed first."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--nets", type=int, nargs="+", default=[1])
    parser.add_argument("--all", action="store_true", help="heads without a bleed too: the baseline's figures")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    RUNS.mkdir(exist_ok=True)
    sessions = [session_of(number, options.threads) for number in options.nets]
    start = time.monotonic()
    for number in patients():
        target = kept_at(number)
        if target.exists():
            continue
        head, volume = ct_ich_volume(number)
        if not (options.all or head.bleeds.any()):
            continue
        soft = np.mean([blood(one, volume, head.slabs) for one in sessions], axis=0)
        np.savez_compressed(target, chance=np.rint(soft * 255).astype(np.uint8))
        print(number, round(float((soft > 0.5).sum() * 0.02), 1), f"ml {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
