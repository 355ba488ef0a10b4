"""What is known of each kind of lesion: the size of its organ, and whether its volume repeats."""

from __future__ import annotations

from dataclasses import dataclass

Millimetres = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of lesion, by the name of the finding that it belongs to.

    Attributes:
        word: one of them, for sentences.
        organ_mm: the usual box of its organ (across, front to back, foot to head): turns places into distances.
        nodule: a nodule of the lung: the published repeatability and size schemes hold for it.
    """

    word: str
    organ_mm: Millimetres
    nodule: bool = False


LUNG_NODULE = Kind(word="nodule", organ_mm=(270.0, 190.0, 270.0), nodule=True)
"""Both lungs of an adult at full inspiration, roughly; ten per cent off moves no match over a gate."""
OTHER = Kind(word="lesion", organ_mm=(200.0, 200.0, 200.0))
_KINDS = {"lung_nodule": LUNG_NODULE, "pulmonary_nodule": LUNG_NODULE}


def kind_of(finding: str) -> Kind:
    """What is known of the lesions of a finding; of most, nothing."""
    return _KINDS.get(finding, OTHER)
