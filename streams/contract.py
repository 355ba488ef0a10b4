"""A model's contract: what it needs, how its tensors are made, what its outputs mean (contract.toml)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from streams.events.reading import Code, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The series that a model can read. Lengths in mm."""

    modality: tuple[str, ...]
    body_part: str
    orientation: Literal["axial", "any"]
    contrast: Literal["none", "any", "required"]
    coverage_mm: float
    slices_min: int
    thickness_mm: tuple[float, float]
    prefer_thickness_mm: float
    max_gap: float
    """Largest distance of neighbouring slices over the median distance that is still read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Triton datatype and shape (-1: any) of one input or output."""

    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """How the tensors are made: a function of streams/reading/tensors.py by name, and what must come out."""

    function: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the outputs mean: a function of streams/reading/answers.py by name, and the outputs it reads."""

    function: str
    study_logit: str
    slice_logit: str | None = None
    mask: str | None = None
    mask_threshold: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Platt scaling: probability = 1 / (1 + exp(-(a * logit + b))) (Platt 1999)."""

    method: Literal["platt"] = "platt"
    a: float = 1.0
    b: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRule:
    """The finding that the answer stands for, and where the line is drawn."""

    name: str
    code: Code
    threshold: float
    calibration: Calibration = field(default_factory=Calibration)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRule:
    """A measurement beside the finding; report = false: it is shown nowhere, the card says why."""

    name: str
    unit: str
    report: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """deadline_s: how long one reading may take, pixels and model together."""

    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A question with a known answer, asked before the model counts as ready.

    file holds the inputs by name and the expected output as `expected` (numpy .npz).
    """

    file: str
    output: str
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The whole of a model, as code sees it: adding a model is adding a folder."""

    schema: Literal[1]
    name: str
    version: str
    title: str
    role: Role
    needs: Needs
    tensors: Tensors
    answer: Answer
    finding: FindingRule
    measure: MeasureRule | None = None
    limits: Limits = field(default_factory=Limits)
    canary: Canary | None = None
