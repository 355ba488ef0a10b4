"""Which series each model reads, in which lane, and the sentence for every one that it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract import Needs
from streams.events.identifiers import named_id
from streams.events.imaging import PriorityChanged, StudyIneligible, StudyRouted
from streams.events.reading import ReadingRequested
from streams.routing.step import routing
from tests.support.stepping import Stepped
from tests.support.studies import HEAD, ROUTING, STUDY, assembled, series_facts, summary

SHADOW = replace(HEAD, name="new", role="shadow")


def stage(policy=ROUTING, contracts=(HEAD,)):
    return Stepped(routing(policy, contracts))


def route(*series, policy=ROUTING, contracts=(HEAD,), **changes):
    said = stage(policy, contracts).hear(assembled(*series, **changes))
    return said[0], list(said[1:])


def why(*series, contracts=(HEAD,)):
    told, _requests = route(*series, contracts=contracts)
    return {c.series: c.why for c in told.declined}


def test_a_fit_series_is_asked_for():
    told, requests = route(summary())
    assert isinstance(told, StudyRouted)
    (request,) = requests
    assert request.reading == named_id("reading", STUDY, "1", "ich")
    assert (request.model, request.role, request.lane, request.manifest) == (
        "ich",
        "live",
        "routine",
        summary().manifest,
    )
    assert told.chosen[0].why == "axial, 28 images of 5 mm, 140 mm"


@pytest.mark.parametrize(
    ("series", "sentence"),
    [
        (summary(facts=series_facts(modality="MR")), "is MR; CT is read"),
        (summary(localizer=True), "scout (localizer)"),
        (summary(pixels=False), "holds no images"),
        (summary(multiframe=True), "multi-frame images are not read"),
        (summary(derived=True), "screenshots or reformats (derived)"),
        (summary(facts=series_facts(body_part="CHEST")), "its body part says CHEST, not head"),
        (summary(facts=series_facts(body_part="")), "no body part is stated"),
        (summary(facts=series_facts(contrast=True)), "with contrast agent; unenhanced series are read"),
        (summary(orientation="none"), "its images do not tell where they lie in the patient"),
        (summary(orientation="coronal"), "coronal slices; axial ones are read"),
        (summary(orientation="mixed"), "mixed slices; axial ones are read"),
        (summary(count=1), "1 image of the 10 needed"),
        (summary(count=9), "9 images of the 10 needed"),
        (summary(coverage_mm=40.0), "covers 40 mm of the 100 mm needed"),
        (summary(thickness_mm=12.0), "slices of 12 mm; 0.4 to 10 mm are read"),
        (summary(thickness_mm=None, spacing_mm=None), "does not tell how thick its slices are"),
    ],
)
def test_an_unfit_series_is_declined_with_a_sentence(series, sentence):
    told, requests = route(series)
    assert isinstance(told, StudyIneligible)
    assert requests == []
    assert told.declined[0].why == sentence
    assert told.reason == f"no model reads it: series 2: {sentence.removeprefix('is ')}"


def test_contrast_may_be_required():
    contract = replace(HEAD, needs=replace(HEAD.needs, contrast="required"))
    assert why(summary(), contracts=[contract]) == {"1.2.1": "without contrast agent; enhanced series are read"}


def test_the_preferred_thickness_wins_and_every_other_series_has_its_reason():
    thin = summary("1.2.2", thickness_mm=1.0, spacing_mm=1.0, count=140)
    thick = summary("1.2.3", thickness_mm=8.0)
    scout = summary("1.2.4", localizer=True, count=1)
    assert why(thin, summary(), thick, scout) == {
        "1.2.2": "thinner series; 5 mm preferred",
        "1.2.3": "thicker series; 5 mm preferred",
        "1.2.4": "scout (localizer)",
    }


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (summary("1.2.2", series_facts("1.2.2", kernel="H60s")), "sharp kernel; a soft one preferred"),
        (
            summary("1.2.2", series_facts("1.2.2", kernel="H30s"), coverage_mm=120.0),
            "covers 120 mm; another covers 140 mm",
        ),
        (summary("1.2.2", series_facts("1.2.2", kernel="H30s", number=9)), "another series is as good and comes first"),
    ],
)
def test_then_kernel_then_coverage_then_number(other, sentence):
    best = summary(facts=series_facts(kernel="H30s"))
    assert why(other, best) == {"1.2.2": sentence}
    assert why(best, other) == {"1.2.2": sentence}, "not by their order in the study"


@given(
    st.permutations(
        [summary(f"1.2.{n}", series_facts(f"1.2.{n}", number=n), thickness_mm=float(n)) for n in range(1, 7)]
    )
)
def test_the_choice_does_not_hang_on_the_order_of_series(series):
    told, _ = route(*series)
    assert [c.series for c in told.chosen] == ["1.2.5"]
    assert len(told.declined) == 5


class TestRoles:
    def test_a_model_that_is_off_is_not_asked_and_the_record_says_so(self):
        told, requests = route(summary(), policy=replace(ROUTING, roles={"ich": "off"}))
        assert requests == []
        assert told.reason == "no model reads it: ich is switched off"

    def test_the_policys_role_stands_before_the_contracts(self):
        told, requests = route(summary(), policy=replace(ROUTING, roles={"ich": "shadow"}))
        assert [r.role for r in requests] == ["shadow"]
        assert [c.role for c in told.chosen] == ["shadow"]

    def test_a_shadow_model_that_goes_live_reads_the_next_revision_anew(self):
        """What it said as a shadow alerts nobody."""
        driven = stage(contracts=(SHADOW,))
        driven.hear(assembled(summary()))
        live = stage(replace(ROUTING, roles={"new": "live"}), (SHADOW,))
        live.parts = driven.parts
        told, request = live.hear(assembled(summary(), revision=2))
        assert (told.chosen[0].role, told.chosen[0].read_in, request.role) == ("live", None, "live")

    def test_a_shadow_model_never_stands_in_the_urgent_lane(self):
        """It moves nobody, so nobody waits for it."""
        _, requests = route(summary(), contracts=(HEAD, SHADOW), priority="stat")
        assert {r.model: r.lane for r in requests} == {"ich": "urgent", "new": "routine"}

    def test_without_any_model_studies_are_ineligible(self):
        told, _ = route(summary(), contracts=())
        assert told.reason == "no model is installed"


class TestRevisions:
    def test_a_series_that_has_not_changed_is_not_read_again(self):
        driven = stage()
        driven.hear(assembled(summary()))
        said = driven.hear(assembled(summary(), summary("1.2.9", localizer=True), revision=2))
        assert [type(s) for s in said] == [StudyRouted]
        (choice,) = said[0].chosen
        assert (choice.read_in, choice.why) == (1, "read in revision 1")

    def test_a_series_that_has_grown_is(self):
        driven = stage()
        driven.hear(assembled(summary()))
        told, request = driven.hear(assembled(summary(manifest="e" * 64, count=30), revision=2))
        assert told.chosen[0].read_in is None
        assert request.reading == named_id("reading", STUDY, "2", "ich")

    def test_a_better_series_is_and_the_first_is_not_read_a_third_time(self):
        driven = stage()
        thin = summary("1.2.2", thickness_mm=1.0)
        driven.hear(assembled(thin))
        told, _request = driven.hear(assembled(thin, summary(), revision=2))
        assert told.chosen[0].series == "1.2.1"
        told = driven.hear(assembled(thin, summary(), revision=3))[0]
        assert told.chosen[0].read_in == 2


class TestPriority:
    def test_a_study_that_becomes_urgent_is_asked_again_in_the_urgent_lane_under_the_same_name(self):
        driven = stage()
        _told, first = driven.hear(assembled(summary()))
        (again,) = driven.hear(PriorityChanged(study=STUDY, priority="stat"))
        assert isinstance(again, ReadingRequested)
        assert again == replace(first, lane="urgent", priority="stat")
        assert driven.hear(PriorityChanged(study=STUDY, priority="urgent")) == (), "it stands there already"

    def test_one_that_becomes_less_urgent_stays_where_it_is(self):
        driven = stage()
        driven.hear(assembled(summary(), priority="stat"))
        assert driven.hear(PriorityChanged(study=STUDY, priority="routine")) == ()
        assert driven.hear(PriorityChanged(study=STUDY, priority="stat")) == ()

    def test_a_shadow_model_is_not_hastened(self):
        driven = stage(contracts=(HEAD, SHADOW))
        driven.hear(assembled(summary()))
        assert [r.model for r in driven.hear(PriorityChanged(study=STUDY, priority="stat"))] == ["ich"]

    def test_nor_is_a_reading_that_the_newest_revision_does_not_rest_on(self):
        driven = stage()
        driven.hear(assembled(summary()))
        driven.hear(assembled(summary(orientation="mixed", manifest="e" * 64), revision=2))
        assert driven.hear(PriorityChanged(study=STUDY, priority="stat")) == ()

    def test_an_ineligible_study_has_nothing_to_hasten(self):
        driven = stage()
        driven.hear(assembled(summary(localizer=True)))
        assert driven.hear(PriorityChanged(study=STUDY, priority="stat")) == ()

    def test_a_change_before_anything_is_routed_is_nothing_to_routing(self):
        assert stage().hear(PriorityChanged(study=STUDY, priority="stat")) == ()


def test_a_reason_names_what_it_can_and_counts_the_rest():
    series = [summary(f"1.2.{n}", series_facts(f"1.2.{n}", number=n), localizer=True) for n in range(1, 10)]
    told, _ = route(*series)
    assert told.reason.endswith("series 6: scout (localizer); and 3 series more")
    assert len(told.declined) == 9


class TestSeveralModels:
    """Each series has one clause, of what all models say of it."""

    @staticmethod
    def reason(*series):
        chest = replace(HEAD, name="nodules", needs=replace(HEAD.needs, body_part="chest", slices_min=40))
        return route(*series, contracts=(HEAD, chest, MAMMO))[0].reason

    def test_a_modality_that_nobody_reads(self):
        series = [summary(f"1.2.{n}", series_facts(f"1.2.{n}", modality=m, number=n)) for n, m in ((3, "MR"), (4, ""))]
        assert self.reason(*series) == (
            "no model reads it: series 3: MR; CT and MG are read; series 4: no modality; CT and MG are read"
        )

    def test_a_part_of_the_body_that_nobody_reads(self):
        said = self.reason(summary(facts=series_facts(body_part="PELVIS")))
        assert said == "no model reads it: series 2: its body part says PELVIS, not chest or head"

    def test_what_models_of_other_things_say_is_left_out(self):
        """A coronal chest is no news to a model of breasts, and that it is no head helps nobody."""
        said = self.reason(summary(facts=series_facts(body_part="CHEST"), orientation="coronal"))
        assert said == "no model reads it: series 2: coronal slices; axial ones are read"

    def test_models_are_named_where_they_differ(self):
        other = replace(HEAD, name="other", needs=replace(HEAD.needs, coverage_mm=10.0, slices_min=60))
        said = route(summary(coverage_mm=50.0), contracts=(HEAD, other))[0].reason
        assert said == (
            "no model reads it: series 2: covers 50 mm of the 100 mm needed (ich), 28 images of the 60 needed (other)"
        )

    def test_series_without_a_number_that_are_alike_are_said_once(self):
        series = [summary(f"1.2.{n}", series_facts(f"1.2.{n}", number=None), localizer=True) for n in (1, 2)]
        assert self.reason(*series) == "no model reads it: a series: scout (localizer)"


MAMMO = replace(
    HEAD,
    name="density",
    needs=Needs(modality=("MG",), body_part="breast", views=("CC", "MLO")),
)


def mammogram(number, *views, **changes):
    facts = series_facts(f"1.2.{number}", modality="MG", number=number, body_part="", **changes)
    return summary(facts.series, facts=facts, count=len(views), views=views, orientation="none", spacing_mm=None)


def test_an_exam_is_read_as_one():
    """All series with a wanted view make one reading; it is asked again when one of them changes, else not."""
    first, second = mammogram(2, "MLO"), mammogram(1, "CC")
    trial = stage(contracts=(MAMMO,))
    told, request = trial.hear(assembled(first, second))
    assert (request.series.series, [o.series.series for o in request.others]) == ("1.2.1", ["1.2.2"])
    assert told.chosen[0].why == "2 images, views CC and MLO"
    (again,) = trial.hear(assembled(first, second, revision=2))
    assert again.chosen[0].read_in == 1
    _told, anew = trial.hear(assembled(first, second, mammogram(3, "MLO"), revision=3))
    assert [o.series.series for o in anew.others] == ["1.2.2", "1.2.3"]


@pytest.mark.parametrize(
    ("series", "sentence"),
    [
        (
            mammogram(1, "CC", presentation="FOR PROCESSING"),
            "images for processing; those for presentation are read",
        ),
        (mammogram(1, "XCCL"), "views XCCL; CC and MLO are read"),
        (mammogram(1), "its images do not tell their view; CC and MLO are read"),
    ],
)
def test_views_that_are_not_read(series, sentence):
    assert why(series, contracts=(MAMMO,)) == {"1.2.1": sentence}
