"""From distances to Hounsfield units: what each place of a head is made of."""

from __future__ import annotations

import numpy as np

from streams.phantom.bleeds import Bleed
from streams.phantom.skull import Fields
from streams.phantom.solids import Field, single

EDGE = 1.1
"""Width over which an edge is mixed, mm: about the in-plane resolution of a head CT."""

PLAIN = frozenset({"texture", "grain", "foliage", "reach", "gap", "middle", "furrow", "streaks"})
"""Fields that are no distances to a solid: their values count everywhere."""

UNPAINTED = frozenset({"vault"})
"""Fields that only bleeds ask for."""

CSF, GREY, WHITE, MEMBRANE, VENOUS = 7.0, 38.5, 28.5, 48.0, 57.0


def within(distance: Field, edge: float = EDGE) -> Field:
    """Share of a place that lies inside a solid, 0 to 1."""
    return single(np.clip(np.float32(0.5) - distance * np.float32(1 / edge), 0, 1))


def _paint(hu: Field, value: Field | float, share: Field) -> None:
    if share.size == 1 and not share.any():
        return
    hu += (value - hu) * share


def tissue(here: Fields) -> Field:
    """HU of every place, from the head's distance fields (same shapes)."""
    hu = np.full(here["skin"].shape, -1000, np.float32)
    _soft_parts(hu, here)
    _bones(hu, here)
    inside = within(here["cavity"])
    if inside.any():
        brain = _brain(here)
        _paint(hu, brain, inside)
    return hu


def _soft_parts(hu: Field, here: Fields) -> None:
    """Skin, fat, muscle, orbits."""
    _paint(hu, 50, within(here["skin"]))
    _paint(hu, -92 + 10 * here["texture"], within(here["skin"] + 2.1))
    _paint(hu, 52 + 4 * here["texture"], within(np.maximum(here["muscle"], here["skin"] + 3), 1.6))


def _bones(hu: Field, here: Fields) -> None:
    """Tables and marrow of the vault, face bones, air spaces, orbits."""
    grain = here["grain"]
    shell = within(here["outer"])
    _paint(hu, 1250 + 150 * grain, shell)
    marrow = np.maximum(here["outer"] + 1.7, 2.9 - here["cavity"])
    _paint(hu, 560 + 170 * grain, within(marrow, 1.4))
    face = within(here["bone"])
    _paint(hu, np.clip(850 + 330 * grain, 250, 1700), face)
    _paint(hu, -96, within(here["orbit"]))
    _paint(hu, 48, within(here["eye"]))
    _paint(hu, 42, within(here["globe"]))
    _paint(hu, 10, within(here["globe"] + 1.5))
    _paint(hu, -960, within(np.maximum(here["air"], here["skin"] + 1)))


def _brain(here: Fields) -> Field:
    """Everything inside the inner table."""
    texture = here["texture"]
    depth = -here["cavity"] - here["gap"]
    below = np.minimum(here["tent"], -here["tent_edge"]) > 0
    middle = np.abs(here["middle"])
    varied = np.exp(np.clip(0.55 * texture, -1.2, 1.1))
    fissure = middle - 0.4 - 0.5 * varied * here["gap"]
    fissure = np.maximum(fissure, here["falx_edge"] - 9)
    open_width = 0.5 * varied * here["gap"] * np.clip(1 - depth / (here["reach"] + 4), 0, 1)
    furrow = np.maximum(np.abs(here["furrow"]) - open_width, depth - here["reach"])
    furrow = np.where(below, np.float32(9), furrow)
    fluid = np.minimum(np.minimum(furrow, depth), np.minimum(fissure, here["cisterns"]))
    grey = np.minimum(fluid - 3.3, np.abs(here["furrow"]) + np.where(below | (depth > here["reach"] + 6), 90, 0) - 3.2)
    ribbon = within(np.maximum(grey, -2.0 - here["capsule"]), 2.6)
    hu = WHITE + 0.7 * texture
    _paint(hu, GREY + 0.7 * texture, ribbon)
    _paint(hu, GREY - 0.5, within(here["nuclei"], 2.2))
    hind = within(-here["tent"], 1.5) * within(here["tent_edge"], 3.0)
    leaves = 36.5 + 0.8 * texture + 1.6 * np.sin(here["foliage"] * 1.6)
    _paint(hu, leaves, hind)
    _paint(hu, 33.5, within(here["stem"], 2.0))
    _paint(hu, CSF + 3, within(fluid))
    _paint(hu, 32.5, within(here["stem"], 1.6))
    _paint(hu, CSF, within(here["ventricles"]))
    _membranes(hu, here, middle)
    shading = 3.0 * np.exp(np.clip(here["cavity"], -30, 0) / 4)
    return single(hu + shading + here["streaks"])


def _membranes(hu: Field, here: Fields, middle: Field) -> None:
    """Falx, tentorium, venous sinuses and calcium."""
    falx = np.maximum(middle - 0.45, here["falx_edge"])
    tent = np.maximum(np.abs(here["tent"]) * 0.8 - 0.45, here["tent_edge"])
    _paint(hu, MEMBRANE, within(falx, 1.4))
    _paint(hu, MEMBRANE - 2, within(tent, 1.6))
    _paint(hu, VENOUS, within(here["sinus"], 1.6))
    _paint(hu, 190 + 40 * here["grain"], within(here["calcified"], 1.6))


def blood_over(hu: Field, here: Fields, blood: tuple[Field, Field], bleed: Bleed) -> Field:
    """HU with a bleed painted in, of its (blood, oedema) shares: bone and air are never covered."""
    free = within(here["cavity"])
    share, rim = blood
    out = hu.copy()
    if bleed.rim_mm:
        brainy = np.clip((out - 15) / 8, 0, 1) * (out < 60)
        _paint(out, 18, single(rim * free * np.float32(0.85) * brainy))
    _paint(out, bleed.hu + 2.2 * here["texture"] + 1.2 * here["grain"], share * free)
    return out
