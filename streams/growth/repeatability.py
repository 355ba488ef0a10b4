"""How well a nodule's volume repeats, by its size, the distance of the slices and its texture.

No change can be told from one volume to another within what two scans of the same day differ by. The figures are
published ones, for want of same-day scans read by our own model; where that model states an interval of its own which
is wider, the wider one holds. Behind each stands how far it was checked: *abstract read*, *at second hand* (quoted by
a later paper or table that was read), or *from memory*: written down as known, its text could not be had here.

- Solid, 6 to 10 mm, slices of about 1 mm (*from memory*): the QIBA profile "CT Small Lung Nodule Volume Assessment
  and Monitoring in Low Dose CT Screening" (doi 10.1148/QIBA/20231219) gives a within-nodule coefficient of variation
  of 0.29, 0.23, 0.19, 0.16 and 0.14 at 6, 7, 8, 9 and 10 mm: 0.14 (10 / d)^1.43, within 0.005 of each. Below 6 mm the
  same curve goes on, where the profile claims nothing.
- 10 mm and more (*from memory*): the QIBA profile "CT Tumor Volume Change" (doi 10.1148/QIBA/20220721): a change over
  39 % from 10 to 34 mm, over 29 % to 49 mm, over 24 % above is a true one, that is 0.14, 0.105 and 0.087.
- Held against those: 107 nodules of some 10 mm on 4 to 6 scans of one session, two programs: median coefficients
  0.046 and 0.087 (Jirapatnakul et al., Quant Imaging Med Surg 2024, *abstract read*); 233 nodules of 98 mm3 on
  average three months apart within 27 %, that is 0.10 (Marchiano et al., Radiology 2009, *abstract read*); 202 of 11
  mm within 25 to 29 %, 0.09 to 0.10 (PMC3043750, *abstract read*); 25 % between scans of one day, on which BTS and
  NELSON rest (*at second hand*, Eur Radiol 2021, doi 10.1007/s00330-021-08302-0). What is taken here is wider than
  all of them.
- Subsolid: mean diameters of one reader differ by up to 14.4 % on the same day, of two readers by 21.3 % (Kim et al.,
  PLoS One 2016, 69 nodules, *abstract read*); volumes by thrice as much as one reader's: a coefficient of 0.16 at
  least.
- Thicker slices: volumes scatter more the fewer slices cut a nodule (Nietert et al., Chest 2009, *abstract read*:
  doubling times at 2.5 and 5 mm are "extremely wide"). The part of it that geometry alone explains, simulated by us
  for spheres of 4 to 20 mm and slices of 1 to 5 mm at any phase, stays under 0.3 of slice distance over diameter
  while at least two slices fit; it is added in quadrature at 0.35, and slices of which not two fit into the nodule
  tell nothing.
- Other slices than before: thick slices overestimate (*at second hand*: a table of the Eur Respir Rev on what affects
  volumetry, and table 17 of the BTS guideline, which cites Petrou et al., AJR 2007). By how much is our own guess: a
  fifth of the difference over the diameter is added in quadrature.

Volumes are taken as lognormal, so that a growth must be larger than 2.77 coefficients to be told: at 6 mm and thin
slices over 120 %, where the profile's straight rule says 80 %, by which one in fourteen stable pairs passes for
grown.

The figures are of other systems, and that is their limit; whoever is told an interval is told so (`BASIS`). What
contrast in one study only, another kernel or another breath add is in none of them.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt

from streams.events.reading import Lesion

BASIS = (
    "the intervals rest on how well other systems' volumes repeat (QIBA profiles, quoted from memory and not checked "
    "against their text), not on same-day scans read by this model"
)
"""Is said wherever an interval of a nodule's change is."""
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
