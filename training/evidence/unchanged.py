"""Whether anything that a model's figures come from has changed since they were computed: by digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

NOTE = "runs/evidence.sha256"
"""Below training/<model>/: the digest that was true when the figures were last written."""


def files_below(root: Path, folder: Path) -> list[Path]:
    """All files of a folder, in the order of their names below root; none where it is not there."""
    found = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def digest(root: Path, contents: Iterable[Path], stamps: Iterable[Path]) -> str:
    """One digest of many files.

    Args:
        root: what the files' names are told below, where they lie there.
        contents: taken by every byte: code, models, settings.
        stamps: taken by size and time of change: images, and what was made of them.
    """
    sha = hashlib.sha256()
    for path in contents:
        sha.update(f"{_name(root, path)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    for path in stamps:
        told = path.stat()
        sha.update(f"{_name(root, path)}\0{told.st_size}\0{told.st_mtime_ns}\n".encode())
    return sha.hexdigest()


def of_model(root: Path, data: Path, model: str) -> str:
    """The digest of all that a model's card comes from, the card, its figures and pictures among it.

    Its code, weights and contract, the code that reads and the code that judges, pinned libraries, kept results, data.
    """
    code = [
        *files_below(root, root / "triton_models" / model),
        *(p for p in files_below(root, root / "training" / model) if "runs" not in p.parts),
        *files_below(root, root / "training/evidence"),
        *files_below(root, root / "streams/reading"),
        *files_below(root, root / "streams/phantom"),
        root / "streams/oversight/evaluation.py",
        root / "streams/contract.py",
        root / "streams/adapters/contract_files.py",
        root / "training/requirements.txt",
    ]
    note = root / "training" / model / NOTE
    kept = [p for p in files_below(root, root / "training" / model / "runs") if p != note]
    return digest(root, code, [*kept, *(files_below(data, data) if data.is_dir() else ())])


def is_unchanged(root: Path, data: Path, model: str) -> bool:
    """Whether the figures that stand there are those that would come out."""
    note = root / "training" / model / NOTE
    return note.is_file() and note.read_text() == of_model(root, data, model)


def write_down(root: Path, data: Path, model: str) -> None:
    """The figures that stand there now are those of what lies there now."""
    note = root / "training" / model / NOTE
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(of_model(root, data, model))


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
