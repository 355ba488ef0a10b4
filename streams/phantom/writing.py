"""Demo studies on disk, made once: a second call finds them by the digest of what made them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from streams.phantom.cases import Case, WrittenCase, demo_cases
from streams.phantom.dicom import save
from streams.phantom.scanning import SYNTAXES, make, study_of

GARBAGE = b"%PDF-1.4\nThis is a report, not an image: it has no DICOM preamble.\n" * 40
MANIFEST = "manifest.json"


def write_case(case: Case, folder: Path) -> WrittenCase:
    """Generate a case's files into `folder`, which is made when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    if case.kind == "garbage":
        path = folder / "0000.dcm"
        path.write_bytes(GARBAGE)
        return WrittenCase(case, ((path,),), "", "", None)
    made, study = make(case), study_of(case)
    paths: dict[str, Path] = {}
    waves = []
    for wave in made.waves:
        for ds in wave:
            uid = str(ds.SOPInstanceUID)
            if uid not in paths:
                paths[uid] = folder / f"{len(paths):04d}.dcm"
                save(ds, paths[uid], SYNTAXES[case.codec])
        waves.append(tuple(paths[str(ds.SOPInstanceUID)] for ds in wave))
    return WrittenCase(case, tuple(waves), study.uid, study.accession, made.true_ml)


def write_demo(folder: Path, seed: int = 7, progress: Callable[[Case], None] | None = None) -> tuple[WrittenCase, ...]:
    """The demo's studies in `folder`, in the order of sending; only what is missing or out of date is generated.

    `progress` is called before a case is generated, never for one that is there already.
    """
    cases = demo_cases(seed)
    written: dict[int, WrittenCase] = {}
    for case in sorted(cases, key=lambda case: (case.person, case.quirk == "tilted", case.number)):
        home = folder / f"{case.number:02d}"
        found = _found(case, home)
        if found is None:
            if progress is not None:
                progress(case)
            shutil.rmtree(home, ignore_errors=True)
            found = write_case(case, home)
            _note(found, home)
        written[case.number] = found
    return tuple(written[case.number] for case in cases)


def generator_digest() -> str:
    """SHA-256 over the sources that make a study's bytes."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(here.glob("*.py")):
        if path.name != "stamping.py":
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _key(case: Case) -> str:
    return hashlib.sha256(f"{generator_digest()} {case!r}".encode()).hexdigest()


def _note(written: WrittenCase, home: Path) -> None:
    """Set down what was written; the note comes last, so that an interrupted case is made again."""
    says = {
        "made_by": _key(written.case),
        "waves": [[path.name for path in wave] for wave in written.waves],
        "study_uid": written.study_uid,
        "accession": written.accession,
        "true_ml": written.true_ml,
    }
    part = home / f"{MANIFEST}.part"
    part.write_text(json.dumps(says, indent=1))
    part.replace(home / MANIFEST)


def _found(case: Case, home: Path) -> WrittenCase | None:
    try:
        says = json.loads((home / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(says, dict) or says.get("made_by") != _key(case):
        return None
    waves = tuple(tuple(home / name for name in wave) for wave in says["waves"])
    if not all(path.is_file() for wave in waves for path in wave):
        return None
    return WrittenCase(case, waves, says["study_uid"], says["accession"], says["true_ml"])
