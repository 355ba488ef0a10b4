"""How four makers' scanners write their headers: names, kernels, image types, stored values, windows."""

from __future__ import annotations

from dataclasses import dataclass

from streams.phantom.texture import SHARP, SOFT, STANDARD, Kernel


@dataclass(frozen=True, slots=True)
class Vendor:
    """A scanner's habits: PS3.3 C.7.5.1 equipment, C.8.2.1 CT image, C.7.6.3 pixel values."""

    manufacturer: str
    model: str
    software: str
    kernel: str
    bone_kernel: str
    texture: Kernel
    image_type: tuple[str, ...]
    localizer_type: tuple[str, ...]
    signed: bool
    bits: int
    intercept: int
    window: tuple[str, str]
    filter_type: str
    description: str
    says_count: bool
    """Whether it writes Images in Acquisition (0020,1002)."""


GE = Vendor(
    manufacturer="GE MEDICAL SYSTEMS",
    model="Revolution EVO",
    software="revo_ct_22bc.50",
    kernel="STANDARD",
    bone_kernel="BONEPLUS",
    texture=STANDARD,
    image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    localizer_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
    signed=True,
    bits=16,
    intercept=-1024,
    window=("35", "100"),
    filter_type="HEAD FILTER",
    description="HEAD 5MM STD",
    says_count=True,
)
SIEMENS = Vendor(
    manufacturer="SIEMENS",
    model="SOMATOM Definition AS+",
    software="syngo CT VA48A",
    kernel="J40s",
    bone_kernel="J70h",
    texture=SOFT,
    image_type=("ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"),
    localizer_type=("ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP"),
    signed=False,
    bits=12,
    intercept=-1024,
    window=("40", "80"),
    filter_type="0",
    description="Head 5.0 J40s",
    says_count=False,
)
PHILIPS = Vendor(
    manufacturer="Philips",
    model="iCT 256",
    software="4.1.11",
    kernel="UB",
    bone_kernel="YD",
    texture=STANDARD,
    image_type=("ORIGINAL", "PRIMARY", "AXIAL", "HELIX"),
    localizer_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
    signed=False,
    bits=12,
    intercept=-1024,
    window=("40", "80"),
    filter_type="UB",
    description="BRAIN 5 MM",
    says_count=False,
)
CANON = Vendor(
    manufacturer="CANON_MEC",
    model="Aquilion ONE",
    software="V10.5SP0001",
    kernel="FC26",
    bone_kernel="FC30",
    texture=SOFT,
    image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    localizer_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
    signed=False,
    bits=16,
    intercept=-1024,
    window=("40", "90"),
    filter_type="LARGE",
    description="Head 5.0 mm Brain",
    says_count=True,
)
BONE = SHARP
"""The grain of every maker's bone kernel."""
