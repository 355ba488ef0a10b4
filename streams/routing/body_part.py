"""Which part of the body a series shows, from words that scanners fill in well, badly or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streams.events.imaging import SeriesFacts

Rules = Mapping[str, Sequence[str]]


def shows(part: str, series: SeriesFacts, study: str, others: Sequence[SeriesFacts], rules: Rules) -> str | None:
    """Why the series is not taken to show this part; None: it is.

    The first place that names a part decides: the description of the series, Body Part Examined (0018,0015),
    the description of the study, then the other series, if they agree. Body Part Examined comes second: a
    console copies it over all series of a polytrauma, while a description comes with the protocol.

    Args:
        part: name of a rule.
        series: facts of the series that is asked about.
        study: words of the study's description.
        others: facts of the study's other series.
        rules: part to the words that stand for it; a part without a rule stands for itself.
    """
    wanted = {word.upper() for word in rules.get(part, (part,))}
    known = wanted | {word.upper() for words in rules.values() for word in words}
    places = (
        ("its description", _words(series.description) & known),
        ("its body part", _words(series.body_part)),
        ("the study's description", _words(study) & known),
    )
    for place, words in places:
        if words:
            return None if words & wanted else f"{place} says {' '.join(sorted(words))}, not {part}"
    stated = [words for other in others if (words := _words(other.body_part) or _words(other.description) & known)]
    if stated and all(words & wanted for words in stated):
        return None
    return "no body part is stated"


def _words(text: str) -> set[str]:
    return set(text.upper().replace("_", " ").split())
