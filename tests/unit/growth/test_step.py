"""A patient's studies in any order: what is said in the end is the same, and each edition supersedes one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.measuring import GrowthMeasured
from streams.events.reading import QualityNote
from streams.growth.repeatability import BASIS
from streams.growth.step import LESIONS_MOST, NEWEST_KEPT, OLDEST_KEPT, growing
from streams.oversight.growing import growth_told
from tests.support.lesions import DAY, ball_mm3, measured, moved, nodule, nodules
from tests.support.stepping import Stepped

YEAR = timedelta(days=365)


@pytest.fixture
def stage():
    return Stepped(growing())


def standing(driven):
    """Of each study and model, what was said last, without its name and edition."""
    last = {}
    for said in driven.said:
        assert isinstance(said, GrowthMeasured)
        last[said.model, said.study] = replace(said, measurement="", edition=0, supersedes=None)
    return last


def grown(label="n1", to_mm=12.0, **changes):
    return moved(nodule(label, to_mm, **changes), (3, 5, 200), (2, -3, 4))


class TestOnePatient:
    def test_a_nodule_a_year_later(self, stage):
        (first,) = stage.hear(measured("1", DAY, nodule(diameter_mm=8)))
        (second,) = stage.hear(measured("2", DAY + YEAR, grown("n3")))
        (lesion,) = second.lesions
        (change,) = lesion.changes
        assert first.lesions[0].state == "baseline"
        assert (lesion.state, change.study, change.label, change.days) == ("followed", "1", "n1", 365)
        assert (change.verdict, change.percent) == ("grown", 237.5)
        assert lesion.track == first.lesions[0].track
        assert [c.scheme for c in lesion.classes] == ["Lung-RADS 2022", "Fleischner 2017", "Lung-RADS 2022 growth"]

    def test_what_is_new_and_what_is_not_seen(self, stage):
        stage.hear(measured("1", DAY, nodule("a", 8, (0.2, 0.5, 0.2)), nodule("b", 6, (0.8, 0.4, 0.7))))
        (said,) = stage.hear(
            measured("2", DAY + YEAR, nodule("c", 8, (0.2, 0.5, 0.2)), nodule("d", 5, (0.3, 0.2, 0.9)))
        )
        assert {lesion.label: lesion.state for lesion in said.lesions} == {"c": "followed", "d": "new"}
        assert [(u.label, u.study) for u in said.unseen] == [("b", "1")]

    def test_a_study_without_lesions_counts(self, stage):
        """It is said of nobody that there is nothing; but a later nodule is new, and an earlier one not seen."""
        assert stage.hear(measured("1", DAY)) == ()
        (said,) = stage.hear(measured("2", DAY + YEAR, nodule()))
        assert [lesion.state for lesion in said.lesions] == ["new"]
        (third,) = stage.hear(measured("3", DAY + 2 * YEAR))
        assert (third.lesions, [u.label for u in third.unseen]) == ((), ["n1"])

    def test_a_prior_that_arrives_late_measures_anew(self, stage):
        (early,) = stage.hear(measured("2", DAY + YEAR, grown()))
        first, anew = stage.hear(measured("1", DAY, nodule()))
        assert (first.study, first.edition) == ("1", 1)
        assert (anew.study, anew.edition, anew.supersedes) == ("2", 2, early.measurement)
        assert anew.lesions[0].state == "followed"
        assert anew.measurement != early.measurement

    def test_a_later_revision_measures_anew_and_an_earlier_one_does_not(self, stage):
        stage.hear(measured("1", DAY, nodule()))
        stage.hear(measured("2", DAY + YEAR, grown(), revision=2))
        assert stage.hear(measured("2", DAY + YEAR, revision=1)) == ()
        assert stage.hear(measured("2", DAY + YEAR, grown(), revision=2)) == ()
        (said,) = stage.hear(measured("2", DAY + YEAR, grown(to_mm=14), revision=3))
        assert (said.edition, said.revision) == (2, 3)

    def test_a_revision_of_another_day_measures_all_that_lay_between_anew(self, stage):
        """Its first images bore a wrong, late date: the studies between had no prior, and now they have one."""
        stage.hear(measured("2", DAY + YEAR, grown(), revision=1))
        stage.hear(measured("1", DAY + 3 * YEAR, nodule(), revision=1))
        said = stage.hear(measured("1", DAY, nodule(), revision=2))
        assert [(one.study, one.compared) for one in said] == [("1", ()), ("2", ("1",))]

    def test_what_was_said_is_taken_back_where_it_no_longer_holds(self, stage):
        stage.hear(measured("1", DAY, nodule()))
        (said,) = stage.hear(measured("1", DAY, revision=2))
        assert (said.edition, said.lesions) == (2, ())

    def test_a_nodule_that_was_missed_once_is_found_again(self, stage):
        stage.hear(measured("1", DAY, nodule()))
        stage.hear(measured("2", DAY + YEAR))
        (said,) = stage.hear(measured("3", DAY + 2 * YEAR, grown()))
        assert [c.study for c in said.lesions[0].changes] == ["1"]
        assert said.compared == ("2", "1")

    def test_it_is_held_against_the_nearest_and_against_the_first(self, stage):
        for year in range(7):
            last = stage.hear(measured(f"{year}", DAY + year * YEAR, nodule(diameter_mm=6 + year)))
        (said,) = last
        assert said.compared == ("5", "4", "3", "0")
        assert [c.study for c in said.lesions[0].changes] == ["5", "0"]
        tracks = {lesion.track for one in stage.said for lesion in one.lesions}
        assert len(tracks) == 1

    @pytest.mark.parametrize("other", [{"model": "another"}, {"examined_on": None}, {"examined_on": DAY}])
    def test_another_model_or_no_day_between_them_is_no_prior(self, stage, other):
        stage.hear(measured("1", DAY, nodule()))
        (said,) = stage.hear(replace(measured("2", DAY + YEAR, nodule()), **other))
        assert (said.compared, said.lesions[0].state) == ((), "baseline")

    def test_without_a_date_it_says_why(self, stage):
        (said,) = stage.hear(measured("1", None, nodule()))
        assert "no date" in said.notes[0]

    def test_faults_of_either_study_are_told(self, stage):
        blurred = (QualityNote(code="motion", sentence="The patient moved."),)
        stage.hear(measured("1", DAY, nodule(), quality=blurred))
        (said,) = stage.hear(measured("2", DAY + YEAR, grown(), quality=blurred))
        assert said.notes == (
            "read in spite of: The patient moved.",
            f"the study of {DAY} was read in spite of: The patient moved.",
            BASIS,
        )

    def test_an_interval_says_what_it_rests_on(self, stage):
        """Figures of other systems, quoted from memory: whoever is told one is told that; without one nobody is."""
        (first,) = stage.hear(measured("1", DAY, nodule()))
        (said,) = stage.hear(measured("2", DAY + YEAR, grown()))
        assert (first.notes, said.notes) == ((), (BASIS,))
        assert "from memory" in BASIS
        assert BASIS in growth_told(said)

    def test_a_shadow_stays_one(self, stage):
        (said,) = stage.hear(measured("1", DAY, nodule(), role="shadow"))
        assert said.role == "shadow"

    def test_other_lesions_get_no_bands_of_nodules(self, stage):
        (said,) = stage.hear(measured("1", DAY, nodule(), finding="intracranial_haemorrhage"))
        assert said.lesions[0].classes == ()


class TestBounds:
    def test_very_many_lesions_are_cut_to_the_likeliest(self, stage):
        many = [nodule(f"n{n}", 6, (0.01 + 0.03 * n, 0.5, 0.5), score=1 - n / 100) for n in range(LESIONS_MOST + 6)]
        (said,) = stage.hear(measured("1", DAY, *many))
        assert [lesion.label for lesion in said.lesions] == [f"n{n}" for n in range(LESIONS_MOST)]
        assert said.notes == ("6 further nodules, less likely ones, are not followed",)

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_state_does_not_grow_with_the_years(self, order):
        """The oldest and the newest studies stay, in whatever order they came."""
        driven = Stepped(growing())
        for month in range(40)[::order]:
            driven.hear(measured(f"{month:02}", DAY + month * timedelta(days=30), nodule()))
        kept = sorted(name.rpartition("/")[2] for name in driven.parts if name.startswith("look:"))
        assert kept == [f"{m:02}" for m in (*range(OLDEST_KEPT), *range(40 - NEWEST_KEPT, 40))]
        assert len(driven.parts) == 2 * len(kept)


@st.composite
def years(draw):
    """Some studies of one patient: the same nodules, most of them each time, scattered and grown."""
    known = draw(nodules(most=4))
    events = []
    for study in range(draw(st.integers(1, 5))):
        day = DAY + timedelta(days=draw(st.sampled_from([0, 30, 90, 365, 400])) * (study + 1))
        lesions = [
            moved(
                replace(lesion, volume_mm3=lesion.volume_mm3 * draw(st.sampled_from([1.0, 1.2, 3.0]))),
                (0, 0, draw(st.sampled_from([0.0, 150.0]))),
                (draw(st.sampled_from([0.0, 6.0])), 0, 0),
            )
            for lesion in known
            if draw(st.booleans())
        ]
        for revision in range(1, draw(st.integers(1, 2)) + 1):
            version = draw(st.sampled_from(["1.0.0", "1.0.0", "2.0.0"]))
            shown = lesions[: len(lesions) if revision > 1 else 2]
            events.append(measured(f"s{study}", day, *shown, revision=revision, model_version=version))
    return events


@given(years(), st.randoms(use_true_random=False), st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_arrival_does_not_change_what_stands(events, rng, data):
    """Prior first, prior late, revisions crossing, events twice: in the end the same growth is said of each study."""
    plain = Stepped(growing())
    for event in events:
        plain.hear(event)
    mixed = Stepped(growing())
    shuffled = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=3))]
    rng.shuffle(shuffled)
    for event in shuffled:
        mixed.hear(event)
    said = standing(mixed)
    for study, growth in standing(plain).items():
        empty = not growth.lesions and not growth.unseen
        assert said.get(study, growth if empty else None) == growth


@given(years(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_editions_count_up_and_each_supersedes_the_one_before(events, rng):
    rng.shuffle(events)
    driven = Stepped(growing())
    for event in events:
        driven.hear(event)
    chains = {}
    for said in driven.said:
        chain = chains.setdefault(said.study, [])
        assert said.edition == (chain[-1].edition + 1 if chain else 1)
        assert said.supersedes == (chain[-1].measurement if chain else None)
        chain.append(said)
    names = [said.measurement for said in driven.said]
    assert len(set(names)) == len(names)


@given(nodules(most=5), st.integers(1, 4000))
@settings(max_examples=60, deadline=None)
def test_the_same_lesions_show_no_growth(lesions, days):
    """The same study again on another day: nothing is new, gone, grown or shrunk."""
    driven = Stepped(growing())
    driven.hear(measured("1", DAY, *lesions))
    driven.hear(measured("2", DAY + timedelta(days=days), *lesions))
    growth = standing(driven).get(("nodules", "2"))
    if not lesions:
        assert growth is None
        return
    assert growth.unseen == ()
    for lesion in growth.lesions:
        assert lesion.state == "followed"
        assert {c.verdict for c in lesion.changes} == {"not-told"}
        assert {c.percent for c in lesion.changes} <= {0.0, None}


@given(nodules(most=5))
@settings(max_examples=40, deadline=None)
def test_exchanged_sides_are_new_lesions(lesions):
    """All of the right lung gone and all of the left new: nothing is followed across."""
    lesions = [lesion for lesion in lesions if lesion.side == "R"]
    driven = Stepped(growing())
    driven.hear(measured("1", DAY, *lesions))
    driven.hear(measured("2", DAY + YEAR, *(replace(lesion, side="L") for lesion in lesions)))
    growth = standing(driven).get(("nodules", "2"))
    if lesions:
        assert {lesion.state for lesion in growth.lesions} == {"new"}
        assert len(growth.unseen) == len(lesions)


def test_thick_slices_then_thin_ones_are_matched_and_not_told(stage):
    """8 mm at 5 mm slices, a year later 12 mm at 1 mm: it is the same nodule, and its growth cannot be told."""
    stage.hear(measured("1", DAY, nodule(diameter_mm=8, volume_mm3=ball_mm3(8)), slice_mm=5.0))
    (said,) = stage.hear(measured("2", DAY + YEAR, grown()))
    (change,) = said.lesions[0].changes
    assert (said.lesions[0].state, change.verdict, change.percent) == ("followed", "not-told", None)
