"""Whether a reconstruction kernel smooths or sharpens, by the names that vendors give."""

from __future__ import annotations

import re
from typing import Literal

from streams.events.imaging import SeriesFacts

Kernel = Literal["soft", "unknown", "sharp"]

_SHARP = frozenset({"BONE", "BONEPLUS", "LUNG", "EDGE", "DETAIL", "SHARP", "ULTRA", "CHEST"})
_SOFT = frozenset({"STANDARD", "STD", "SOFT", "SMOOTH", "BRAIN", "TISSUE"})
_PHILIPS = {"UA": "soft", "UB": "soft", "UC": "soft", "A": "soft", "B": "soft"}
_SIEMENS = re.compile(r"[A-Z]{1,2}([0-9]{2})[A-Z]?")
_SIEMENS_SHARP = 50
"""Siemens number kernels by sharpness: H30s and Hr40 for brain, H60s and Hr60 for bone."""
_CANON = re.compile(r"FC([0-9]{2})")
_CANON_SHARP = 30
"""Canon's FC01 to FC29 are for soft parts of body and head, FC30 and on for bone, ear and lung."""


def kernel_of(series: SeriesFacts) -> Kernel:
    """Of Convolution Kernel (0018,1210), else of the words of the description."""
    for name in series.kernel.upper().replace("\\", " ").replace("^", " ").split():
        found = _named(name)
        if found != "unknown":
            return found
    words = set(series.description.upper().split())
    if words & _SHARP - {"CHEST"}:
        return "sharp"
    return "soft" if words & _SOFT - {"BRAIN"} else "unknown"


def _named(name: str) -> Kernel:
    if name in _SHARP:
        return "sharp"
    if name in _SOFT or name in _PHILIPS or name.rstrip("+") in _SOFT:
        return "soft"
    if canon := _CANON.fullmatch(name):
        return "sharp" if int(canon[1]) >= _CANON_SHARP else "soft"
    if siemens := _SIEMENS.fullmatch(name):
        return "sharp" if int(siemens[1]) >= _SIEMENS_SHARP else "soft"
    return "unknown"
