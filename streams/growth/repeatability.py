"""How well a nodule's volume repeats, by its size, the distance of the slices and its texture.

No change can be told from one volume to another within what two scans of the same day differ by. The figures
are published ones, for want of same-day scans read by our own model; where that model states an interval of its own
which is wider, the wider one holds.

- Solid, 6 to 10 mm, slices of about 1 mm: the QIBA profile "Small Lung Nodule Volume Assessment and Monitoring in Low
  Dose CT Screening" (consensus, 2017) gives a within-nodule coefficient of variation of 0.29, 0.23, 0.19, 0.16 and
  0.14 at 6, 7, 8, 9 and 10 mm: 0.14 (10 / d)^1.43, within 0.005 of each. Below 6 mm the same curve goes on, where
  the profile claims nothing.
- 10 mm and more: the QIBA profile "CT Tumor Volume Change" (consensus, 2016): a change over 39 % from 10 to 34 mm, over
  29 % to 49 mm, over 24 % above is a true one, that is 0.14, 0.105 and 0.087.
- Subsolid: mean diameters of one reader differ by up to 14.4 % on the same day (Kim et al., PLoS One 2016, 69
  nodules), volumes by thrice as much: a coefficient of 0.16 at least.
- Thicker slices: volumes scatter more the fewer slices cut a nodule (Nietert et al., Chest 2009: doubling times at 2.5
  and 5 mm are "extremely wide"). The part of it that geometry alone explains, simulated for spheres of 4 to 20 mm and
  slices of 1 to 5 mm at any phase, stays under 0.3 of slice distance over diameter while at least two slices fit; it
  is added in quadrature at 0.35, and slices of which not two fit into the nodule tell nothing.
- Other slices than before: thick slices also shift the volume (Petrou et al., AJR 2007); a fifth of the
  difference over the diameter is added in quadrature.

Volumes are taken as lognormal, so that a growth must be larger than 2.77 coefficients to be told: at 6 mm and thin
slices over 120 %, where the profile's straight rule says 80 %, by which one in fourteen stable pairs passes for
grown.

The figures are of other systems, and that is their limit: some repeat three times better (27 % for 98 mm3, Marchiano et
al., Radiology 2009). What contrast in one study only, another kernel or another breath add is in none of them.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt

from streams.events.reading import Lesion

Z95 = 1.959964
SLICES_LEAST = 2.0
"""So many slice distances must fit into a nodule."""
_AT_10_MM, _POWER = 0.14, 1.43
_LARGE = ((35.0, _AT_10_MM), (50.0, 0.105))
_LARGEST = 0.087
_SUBSOLID = 0.16
_SLICES, _OTHER_SLICES = 0.35, 0.2


def sphere_mm(volume_mm3: float) -> float:
    """Diameter of the sphere of that volume."""
    return float((6.0 * volume_mm3 / pi) ** (1.0 / 3.0))


def variation(diameter_mm: float, slice_mm: float, texture: str) -> float:
    """Within-nodule coefficient of variation of the volume."""
    thin = _thin(diameter_mm)
    if texture in {"ground-glass", "part-solid"}:
        thin = max(thin, _SUBSOLID)
    return sqrt(thin**2 + (_SLICES * slice_mm / diameter_mm) ** 2)


def _thin(diameter_mm: float) -> float:
    small, large = 10.0, next((cv for below, cv in _LARGE if diameter_mm < below), _LARGEST)
    return float(_AT_10_MM * (small / diameter_mm) ** _POWER) if diameter_mm < small else large


def spread(lesion: Lesion, slice_mm: float) -> float:
    """Standard deviation of the logarithm of one measured volume: of the published and the stated, the wider."""
    cv = variation(sphere_mm(lesion.volume_mm3), slice_mm, lesion.texture)
    return max(sqrt(log(1.0 + cv**2)), stated_spread(lesion) or 0.0)


def stated_spread(lesion: Lesion) -> float | None:
    """The same from the model's own interval; None where it states none that can be used."""
    low, high = lesion.volume_low_mm3, lesion.volume_high_mm3
    if low is None or high is None or not 0 < low <= lesion.volume_mm3 <= high:
        return None
    return max(log(high / lesion.volume_mm3), log(lesion.volume_mm3 / low)) / Z95


def slices_differ(diameter_mm: float, one_mm: float, other_mm: float) -> float:
    """Standard deviation of the logarithm of a ratio of volumes, from the slices being other ones alone."""
    return _OTHER_SLICES * abs(one_mm - other_mm) / diameter_mm


def telling_percent(diameter_mm: float, slice_mm: float, texture: str = "solid") -> float:
    """The least growth in per cent that tells at that size, both studies at that slice distance."""
    cv = variation(diameter_mm, slice_mm, texture)
    return 100.0 * (exp(Z95 * sqrt(2.0 * log(1.0 + cv**2))) - 1.0)
