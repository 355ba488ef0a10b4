"""A model's contract: what it needs, how its tensors are made, what its outputs mean (contract.toml)."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Literal

from streams.events.reading import Code, Role

Option = str | float | tuple[str | float, ...]
"""A value that a contract may give to a named function."""
RECEIPT = "RECEIPT"
"""The output by which a model signs its answer, where its configuration has it (streams.adapters.receipts)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The series that a model can read. Lengths in mm."""

    modality: tuple[str, ...]
    body_part: str
    orientation: Literal["axial", "any"] = "any"
    contrast: Literal["none", "any", "required"] = "any"
    coverage_mm: float = 0.0
    slices_min: int = 1
    thickness_mm: tuple[float, float] = (0.0, inf)
    prefer_thickness_mm: float = 0.0
    max_gap: float = 1.6
    """Largest distance of neighbouring slices over the median distance that is still read."""
    views: tuple[str, ...] = ()
    """View Positions (0018,5101) of projection images, such as CC and MLO; none: a stack of slices is read.

    All series of the study that hold one of them are read together, as one exam; only images made for presentation.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Triton datatype and shape (-1: any) of one input or output."""

    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """How the tensors are made: a function of streams/reading/functions.py by name, and what must come out.

    Attributes:
        options: what the function lets a contract choose, such as a spacing or a window; its docstring tells.
        rows_most: the model is asked for so many rows (of the first axis) at a time; None: for all at once. Between
            two calls an urgent reading goes first. Only for models whose rows do not know of each other.
    """

    function: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    options: dict[str, Option] = field(default_factory=dict)
    rows_most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the outputs mean: a function of streams/reading/functions.py by name, and the outputs it reads.

    Attributes:
        outputs: further outputs, by what the function calls them.
        options: what the function lets a contract choose; its docstring tells.
    """

    function: str
    study_logit: str | None = None
    slice_logit: str | None = None
    mask: str | None = None
    mask_threshold: float = 0.5
    outputs: dict[str, str] = field(default_factory=dict)
    options: dict[str, Option] = field(default_factory=dict)


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
    """The volume of the mask, beside the finding; report = false: it is shown nowhere, the card says why.

    Attributes:
        uncertainty: half of the 95 % interval as a share of the value and as a floor in the unit, (share, floor);
            None: not known.
    """

    name: str
    unit: str
    report: bool
    uncertainty: tuple[float, float] | None = None


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
    quantities: dict[str, bool] = field(default_factory=dict)
    """Further quantities that the answer may hold, by name; false: it is shown nowhere, the card says why."""
    limits: Limits = field(default_factory=Limits)
    canary: Canary | None = None
