"""What a finding says beside its score, in words for people: sizes, grades, counts."""

from __future__ import annotations

from streams.events.reading import FindingMade, Lesion, Quantity

MM3_PER_ML = 1000.0


def verdict(finding: FindingMade) -> str:
    """Suspected or not; a negative of images that have faults is never said without them."""
    if finding.positive:
        return "suspected"
    if not finding.quality:
        return "not suspected"
    more = len(finding.quality) - 1
    return f"not suspected, with reservations ({finding.quality[0].sentence}" + (f" And {more} more.)" if more else ")")


def measured(finding: FindingMade) -> str:
    """Volume, lesions, grade and quantities as a part of a sentence; empty where there are none."""
    parts = []
    if finding.value is not None:
        parts.append(_quantity(finding.value, finding.value_low, finding.value_high, finding.unit))
    if finding.lesions is not None:
        parts.append(_lesions(finding.lesions))
    if finding.grades:
        likeliest = max(finding.grades, key=lambda grade: grade.probability)
        parts.append(f"grade {likeliest.name} ({likeliest.probability:.2f})")
    parts += [told(quantity) for quantity in finding.quantities]
    return ", ".join(parts)


def told(quantity: Quantity) -> str:
    """A quantity with its name and interval."""
    words = quantity.name.replace("_", " ")
    return f"{words} {_quantity(quantity.value, quantity.low, quantity.high, quantity.unit)}"


def size(lesion: Lesion) -> str:
    """A lesion as a radiologist writes it: both diameters, then the volume."""
    texture = f"{lesion.texture} " if lesion.texture else ""
    across = f"{lesion.diameter_mm:.1f} x {lesion.perpendicular_mm:.1f} mm"
    return f"{texture}{across}, {lesion.volume_mm3 / MM3_PER_ML:.2f} ml"


def _lesions(lesions: tuple[Lesion, ...]) -> str:
    if not lesions:
        return "none marked"
    largest = max(lesions, key=lambda lesion: (lesion.volume_mm3, lesion.label))
    if len(lesions) == 1:
        return f"one marked, {size(largest)}"
    return f"{len(lesions)} marked, the largest {size(largest)}"


def _quantity(value: float, low: float | None, high: float | None, unit: str) -> str:
    interval = "" if low is None or high is None else f" [{low:.1f} to {high:.1f}]"
    return f"{value:.1f} {unit}{interval}".strip()
