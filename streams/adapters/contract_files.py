"""Model folders: contract.toml read and checked, with the digest that every answer carries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.adapters.strict_toml import TomlFile, meant
from streams.contract import Contract
from streams.reading.functions import ANSWERS, OPTIONS, TENSORS

CONTRACT = "contract.toml"
WEIGHTS = "1/model.onnx"
DATATYPES = ("BOOL", "UINT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64")
"""Triton's names of the datatypes that tensors of ours may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model as it lies on disk.

    Attributes:
        digest: SHA-256 over contract and weights: what answered.
        path: where its canary and card lie.
        served: what it is called in Triton, where that is not its own name.
        weights: SHA-256 of its weights alone, in hex; empty: it has none.
    """

    contract: Contract
    digest: str
    path: Path
    served: str = ""
    weights: str = ""

    @property
    def asked_as(self) -> str:
        """Its name in Triton."""
        return self.served or self.contract.name


def read_models(models: Path) -> Mapping[str, ModelFolder]:
    """Every model folder that holds a contract, by name.

    Raises:
        PolicyInvalid: a contract with a wrong key or value; names file, line and key.
    """
    folders = sorted(path.parent for path in models.glob(f"*/{CONTRACT}"))
    return {folder.name: read_model(folder) for folder in folders}


def read_model(folder: Path, name: str | None = None) -> ModelFolder:
    """One model folder; name: what its contract must call it, None: as the folder is called.

    Raises:
        PolicyInvalid: its contract has a wrong key or value, or names what is not there.
    """
    file = TomlFile(folder / CONTRACT, f"{folder.name}/{CONTRACT}")
    contract = file.read(Contract)
    if contract.name != (name or folder.name):
        file.fault(("name",), f"name is '{contract.name}', but the folder is called '{name or folder.name}'")
    _check_names(file, contract, folder)
    _check_options(file, contract)
    _check_outputs(file, contract)
    _check_numbers(file, contract)
    sha = hashlib.sha256(file.content)
    weights = b""
    if (folder / WEIGHTS).is_file():
        with (folder / WEIGHTS).open("rb") as opened:
            weights = hashlib.file_digest(opened, "sha256").digest()
    sha.update(weights)
    return ModelFolder(contract=contract, digest=sha.hexdigest(), path=folder, weights=weights.hex())


def _check_names(file: TomlFile, contract: Contract, folder: Path) -> None:
    function = contract.tensors.function
    if function not in TENSORS:
        file.fault(("tensors", "function"), f"no tensor function '{function}'{meant(function, TENSORS)}")
    function = contract.answer.function
    if function not in ANSWERS:
        file.fault(("answer", "function"), f"no answer function '{function}'{meant(function, ANSWERS)}")
    if contract.canary is not None and not (folder / contract.canary.file).is_file():
        file.fault(("canary", "file"), f"the canary '{contract.canary.file}' is not in the folder")


def _check_options(file: TomlFile, contract: Contract) -> None:
    for table, said in (("tensors", contract.tensors), ("answer", contract.answer)):
        try:
            if said.function in OPTIONS:
                OPTIONS[said.function](said.options)
        except ValueError as fault:
            file.fault((table, "options"), str(fault), fault)


def _check_outputs(file: TomlFile, contract: Contract) -> None:
    outputs = contract.tensors.outputs
    answer = contract.answer
    named: dict[tuple[str, ...], str | None] = {
        ("answer", "study_logit"): answer.study_logit,
        ("answer", "slice_logit"): answer.slice_logit,
        ("answer", "mask"): answer.mask,
    }
    named |= {("answer", "outputs", name): output for name, output in answer.outputs.items()}
    if contract.canary is not None:
        named |= {("canary", "output"): contract.canary.output}
    for path, output in named.items():
        if output is not None and output not in outputs:
            file.fault(path, f"the model has no output '{output}'{meant(output, outputs)}")
    for kind, specs in (("inputs", contract.tensors.inputs), ("outputs", outputs)):
        for name, spec in specs.items():
            if spec.datatype not in DATATYPES:
                where = ("tensors", kind, name, "datatype")
                file.fault(where, f"no datatype '{spec.datatype}'{meant(spec.datatype, DATATYPES)}")


def _check_numbers(file: TomlFile, contract: Contract) -> None:
    needs = contract.needs
    low, high = needs.thickness_mm
    sound = (
        (("finding", "threshold"), 0 <= contract.finding.threshold <= 1, "a probability from 0 to 1"),
        (("answer", "mask_threshold"), 0 <= contract.answer.mask_threshold <= 1, "a number from 0 to 1"),
        (("limits", "deadline_s"), contract.limits.deadline_s > 0, "more than 0 seconds"),
        (("needs", "thickness_mm"), 0 <= low <= high, "the smallest and the largest thickness"),
        (("needs", "max_gap"), needs.max_gap > 1, "more than 1"),
        (("needs", "slices_min"), needs.slices_min > 0, "1 or more"),
        (("tensors", "rows_most"), contract.tensors.rows_most is None or contract.tensors.rows_most > 0, "1 or more"),
        (("tensors", "rows_most"), _parts_well(contract), "nothing where an output is not one for each row"),
        (("canary", "tolerance"), contract.canary is None or contract.canary.tolerance > 0, "more than 0"),
    )
    for path, holds, takes in sound:
        if not holds:
            file.fault(path, f"key '{'.'.join(path)}' takes {takes}")


def _parts_well(contract: Contract) -> bool:
    """Answers of parts can be put together only along a first axis of any length."""
    outputs = contract.tensors.outputs.values()
    return contract.tensors.rows_most is None or all(spec.shape[:1] == (-1,) for spec in outputs)
