"""Order of arrival, repeats, batching and late slices never change the study that stands in the end."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.assembly.step import assembly
from streams.events.imaging import StudyAssembled
from tests.support.stepping import Stepped
from tests.support.studies import ASSEMBLY, released, series_facts, slice_of, stored, study_facts, timer

SERIES = {"1.2.1": 6, "1.2.2": 4, "1.2.3": 1}


def images():
    """Images whose headers disagree as real ones do; all stored at one time, so that only order can matter."""
    made = []
    for number, (series, count) in enumerate(SERIES.items()):
        for index in range(count):
            facts = series_facts(
                series,
                number=number if index else None,
                body_part="HEAD" if index % 2 else "",
                description="BRAIN" if index % 3 else "",
                contrast=False,
            )
            image = slice_of(series, index, localizer=number == 2, fault="short" if index == 3 else None)
            made.append((facts, image, study_facts(sex=None if index % 2 else "F")))
    return made


@st.composite
def arrivals(draw):
    """Shuffled images with repeats, cut into batches with one header's facts each."""
    order = draw(st.permutations(images()))
    order = [*order, *draw(st.lists(st.sampled_from(order), max_size=8))]
    batches: list[list] = []
    for entry in order:
        joins = draw(st.booleans()) and batches and (batches[-1][0][0], batches[-1][0][2]) == (entry[0], entry[2])
        if joins:
            batches[-1].append(entry)
        else:
            batches.append([entry])
    return [stored([i for _f, i, _s in batch], batch[0][0], batch[0][2]) for batch in batches]


def final(stage: Stepped) -> StudyAssembled:
    return [s for s in stage.said if isinstance(s, StudyAssembled)][-1]


@given(one=arrivals(), other=arrivals())
@settings(max_examples=60, deadline=None)
def test_a_released_study_is_the_same_whatever_the_order(one, other):
    """Content, manifests and revision are equal; facts are merged without regard to order."""
    results = []
    for version in (one, other):
        stage = Stepped(assembly(ASSEMBLY, "routine"))
        for event in version:
            stage.hear(event)
        stage.hear(released(SERIES))
        results.append((final(stage), sorted(stage.objects)))
    assert results[0] == results[1]
    assert results[0][0].revision == 1
    assert {s.facts.series: s.count for s in results[0][0].series} == SERIES


@given(events=arrivals(), cut=st.integers(0, 20), pauses=st.lists(st.booleans(), min_size=40, max_size=40))
@settings(max_examples=60, deadline=None)
def test_late_slices_change_the_number_of_revisions_only(events, cut, pauses):
    """With pauses that make revisions in between, the last revision equals the one made without any."""
    plain, paused = (Stepped(assembly(ASSEMBLY, "routine")) for _ in range(2))
    for event in events:
        plain.hear(event)
    plain.hear(released(SERIES))
    clock = 0.0
    for index, event in enumerate(events):
        paused.hear(event, clock)
        if pauses[index] and index >= cut:
            clock += 10
            for name in sorted(n for n in paused.timers if n.startswith("quiet")):
                paused.hear(timer(name), clock)
    clock += 10
    for name in sorted(n for n in paused.timers if n.startswith("quiet")):
        paused.hear(timer(name), clock)
    assert _content(final(paused)) == _content(final(plain))
    assert final(paused).revision == len([s for s in paused.said if isinstance(s, StudyAssembled)])


def _content(study: StudyAssembled):
    series = tuple(replace(s, whole_by="quiet") for s in study.series)
    return replace(study, revision=0, changed=(), series=series)
