"""What patches' answers mean: stitched to one volume, per class, as a mask, millilitres and a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from streams.contract import Answer, Option
from streams.errors import ReadingBroken
from streams.events.reading import Quantity
from streams.reading.answers import KEY_INSTANCES, Answered, Outputs
from streams.reading.masks import Mask, encode_mask
from streams.reading.volume import Volume
from streams.reading.windowed import Patches

ACTIVATIONS = ("softmax", "sigmoid", "none")
BLENDS = ("constant", "gaussian")
SCORES = ("highest", "volume")
SIGMA = 0.125
"""Of a Gaussian blend, in shares of a patch's side (as MONAI's sliding window has it)."""
LEAST_P = 1e-6
KNOWN = frozenset({"activation", "blend", "classes", "positive", "score", "score_ml", "reference_ml", "decision"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The options of `volume_mask`, checked.

    Attributes:
        activation: what makes probabilities of the output: softmax over channels, sigmoid, or none.
        blend: how overlapping patches are weighted: constant or gaussian.
        classes: name of each channel; "" or "background" for none.
        positive: channels that make up the finding; default: all but the background.
        decision: "threshold" (mask_threshold on the summed probability) or "argmax".
        score: "highest": the probability that score_ml of tissue reach; "volume": the mask's ml, where
            reference_ml stand for 0.5.
    """

    activation: str
    blend: str
    classes: tuple[str, ...]
    positive: tuple[int, ...]
    decision: str
    score: str
    score_ml: float
    reference_ml: float


def meaning_of(options: Mapping[str, Option]) -> Meaning:
    """The options, checked.

    Raises:
        ValueError: a sentence that names the option and what it takes.
    """
    if unknown := sorted(set(options) - KNOWN):
        raise ValueError(f"no option '{unknown[0]}' of volume_mask; it takes {', '.join(sorted(KNOWN))}")
    classes = _words(options, "classes")
    if not classes:
        raise ValueError("option classes is missing: it names the model's channels, in order")
    foreground = tuple(name for name in classes if name not in ("", "background"))
    positive = _words(options, "positive") or foreground
    if missing := [name for name in positive if name not in foreground]:
        raise ValueError(f"option positive names '{missing[0]}'; the classes are {', '.join(foreground)}")
    if not positive:
        raise ValueError("option classes names the background only: no channel stands for a finding")
    return Meaning(
        activation=_one_of(options, "activation", ACTIVATIONS),
        blend=_one_of(options, "blend", BLENDS),
        classes=classes,
        positive=tuple(classes.index(name) for name in positive),
        decision=_one_of(options, "decision", ("threshold", "argmax")),
        score=_one_of(options, "score", SCORES),
        score_ml=_positive(options, "score_ml", 0.1),
        reference_ml=_positive(options, "reference_ml", 1.0),
    )


def volume_mask(answer: Answer, outputs: Outputs, patches: Patches, volume: Volume) -> Answered:
    """Output `answer.mask` `[n, classes, ...]` as one mask, its volume by class, and a score for the study.

    Raises:
        ReadingBroken: the output does not have the shape that patches and classes ask for.
    """
    meaning = meaning_of(answer.options)
    output = np.asarray(outputs[answer.mask or ""], dtype=np.float32)
    _check(output, patches, len(meaning.classes))
    likely = _likely(_stitched(output, patches, meaning.blend), meaning.activation)
    if patches.inside is not None:
        likely *= patches.inside
    positive = _joined(likely, meaning)
    marked = _marked(likely, positive, meaning, answer.mask_threshold)
    any_class = np.asarray(marked.any(axis=0))
    ml = float(any_class.sum()) * patches.voxel_ml
    on_slices = patches.on_source(any_class, outside=False)
    mask = encode_mask(Mask(instances=volume.instances, bits=volume.axes.turn_back(on_slices)))
    peaks = positive.reshape(len(positive), -1).max(axis=1)
    planes = patches.planes()
    slices = np.where(planes >= 0, peaks[np.maximum(planes, 0)], LEAST_P)
    return Answered(
        study_logit=_score(positive, ml, meaning, patches.voxel_ml),
        slice_logits=tuple(_logit(slices).tolist()),
        key_instances=_keys(on_slices, slices, volume.instances),
        mask=mask,
        mask_ml=ml,
        quantities=tuple(
            Quantity(name=f"{meaning.classes[c]}_volume", value=float(m.sum()) * patches.voxel_ml, unit="ml")
            for c, m in zip(meaning.positive, marked, strict=True)
        ),
    )


def _check(output: NDArray[np.float32], patches: Patches, classes: int) -> None:
    inner = tuple(patches.inner[axis] for axis in patches.recipe.turned.order)
    wanted = (len(patches.starts), classes, *inner)
    if output.shape != wanted:
        raise ReadingBroken(
            f"The model answers {_by(output.shape)}; {_by(wanted)} is expected "
            f"(patches, classes, and a patch of {_by(patches.tensor.shape[2:])} less what is lost on each side)."
        )


def _stitched(output: NDArray[np.float32], patches: Patches, blend: str) -> NDArray[np.float32]:
    """The weighted mean of all patches over each voxel of the box, `[classes, z, y, x]` in our axes."""
    own = patches.recipe.turned.turn_back(output)
    box, inner = patches.box, patches.inner
    weight = _weight(inner, blend)
    total = np.zeros((own.shape[1], *box.shape), np.float32)
    weights = np.zeros(box.shape, np.float32)
    for patch, start in zip(own, patches.starts - np.asarray(box.low), strict=True):
        target = tuple(slice(max(0, s), min(n, s + i)) for s, i, n in zip(start, inner, box.shape, strict=True))
        source = tuple(slice(t.start - s, t.stop - s) for t, s in zip(target, start, strict=True))
        total[(slice(None), *target)] += patch[(slice(None), *source)] * weight[source]
        weights[target] += weight[source]
    return np.asarray(total / weights)


def _weight(inner: tuple[int, int, int], blend: str) -> NDArray[np.float32]:
    if blend == "constant":
        return np.ones(inner, np.float32)
    along = []
    for side in inner:
        middle = (side - 1) / 2
        along.append(np.exp(-0.5 * ((np.arange(side) - middle) / max(SIGMA * side, 1e-6)) ** 2))
    weight = along[0][:, None, None] * along[1][None, :, None] * along[2][None, None, :]
    return np.asarray(np.maximum(weight, 1e-3), dtype=np.float32)


def _likely(values: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    if activation == "softmax":
        return np.asarray(softmax(values, axis=0), dtype=np.float32)
    if activation == "sigmoid":
        return np.asarray(expit(values), dtype=np.float32)
    if values.min() < -0.01 or values.max() > 1.01:
        raise ReadingBroken(
            f"The model answers {values.min():.3g} to {values.max():.3g} where probabilities are expected: "
            "[answer.options] activation takes softmax or sigmoid."
        )
    return np.clip(values, 0, 1)


def _joined(likely: NDArray[np.float32], meaning: Meaning) -> NDArray[np.float32]:
    """Of any positive class: classes of a softmax exclude each other, those of a sigmoid do not."""
    chosen = likely[list(meaning.positive)]
    return np.asarray(chosen.max(axis=0) if meaning.activation == "sigmoid" else np.minimum(chosen.sum(axis=0), 1))


def _marked(
    likely: NDArray[np.float32], positive: NDArray[np.float32], meaning: Meaning, threshold: float
) -> NDArray[np.bool_]:
    """A mask of each positive class, `[positive, z, y, x]`."""
    if meaning.decision == "argmax":
        best = likely.argmax(axis=0)
        return np.stack([best == c for c in meaning.positive])
    if meaning.activation == "sigmoid":
        return np.stack([likely[c] >= threshold for c in meaning.positive])
    best = likely[list(meaning.positive)].argmax(axis=0)
    return np.stack([(best == k) & (positive >= threshold) for k in range(len(meaning.positive))])


def _score(positive: NDArray[np.float32], ml: float, meaning: Meaning, voxel_ml: float) -> float:
    if meaning.score == "volume":
        return float(np.log((ml + voxel_ml / 2) / meaning.reference_ml))
    rank = min(positive.size, max(1, round(meaning.score_ml / voxel_ml)))
    return float(_logit(np.partition(positive.ravel(), -rank)[-rank]))


def _logit(likely: Any) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(np.asarray(likely, dtype=np.float64), LEAST_P, 1 - LEAST_P)))


def _keys(mask: NDArray[np.bool_], peaks: NDArray[Any], instances: tuple[str, ...]) -> tuple[str, ...]:
    """The slices with most marked pixels; of equal ones that with the highest probability."""
    areas = mask.sum(axis=(1, 2))
    order = np.lexsort((np.arange(len(areas)), -peaks, -areas))[:KEY_INSTANCES]
    return tuple(instances[int(i)] for i in order)


def _words(options: Mapping[str, Option], name: str) -> tuple[str, ...]:
    given = options.get(name, ())
    words = given if isinstance(given, tuple) else (given,)
    if not all(isinstance(word, str) for word in words):
        raise ValueError(f"option {name} takes a list of words")
    return tuple(str(word) for word in words)


def _one_of(options: Mapping[str, Option], name: str, known: tuple[str, ...]) -> str:
    given = str(options.get(name, known[0]))
    if given not in known:
        raise ValueError(f"option {name} is '{given}'; {', '.join(known)} are known")
    return given


def _positive(options: Mapping[str, Option], name: str, default: float) -> float:
    given = options.get(name, default)
    if not isinstance(given, float | int) or given <= 0:
        raise ValueError(f"option {name} takes a number of ml above 0")
    return float(given)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
