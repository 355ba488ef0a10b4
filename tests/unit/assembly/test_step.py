"""When images become a study: every signal by which a series is whole, and what a revision holds."""

from __future__ import annotations

import pytest

from streams.assembly.step import assembly
from streams.events.identifiers import digest_of
from streams.events.imaging import InstanceConflicted, StudyAssembled
from streams.events.manifest import decode_manifest
from tests.support.stepping import Stepped
from tests.support.studies import (
    ASSEMBLY,
    PATIENT,
    STUDY,
    released,
    series_facts,
    slice_of,
    stack,
    stored,
    study_facts,
    timer,
)

THICK, THIN, SCOUT = "1.2.1", "1.2.2", "1.2.3"


@pytest.fixture
def stage():
    return Stepped(assembly(ASSEMBLY, "routine"))


def scout():
    return (slice_of(SCOUT, 0, localizer=True),)


def one(says) -> StudyAssembled:
    """The one revision among what was said."""
    (found,) = [s for s in says if isinstance(s, StudyAssembled)]
    return found


def test_a_released_association_makes_one_revision_of_all_its_series(stage):
    """Scout, thin and thick in one association are one revision, not three."""
    stage.hear(stored(scout(), series_facts(SCOUT, number=1)))
    stage.hear(stored(stack(THICK), series_facts(THICK)))
    stage.hear(stored(stack(THIN, 40, 1.0), series_facts(THIN, number=3)))
    made = one(stage.hear(released({SCOUT: 1, THICK: 28, THIN: 40}), 1))
    assert made.revision == 1
    assert [(s.facts.series, s.count, s.localizer) for s in made.series] == [
        (SCOUT, 1, True),
        (THICK, 28, False),
        (THIN, 40, False),
    ]
    assert {s.whole_by for s in made.series} == {"association-released"}
    assert made.changed == (THICK, THIN, SCOUT)
    assert not [name for name in stage.timers if name.startswith("quiet")]


def test_the_manifest_is_kept_and_named_by_its_digest(stage):
    stage.hear(stored(stack(THICK)))
    made = one(stage.hear(released({THICK: 28})))
    (content,) = stage.objects
    assert digest_of(content) == made.series[0].manifest
    assert {i.instance for i in decode_manifest(content).instances} == {i.instance for i in stack(THICK)}


def test_geometry_of_a_whole_series(stage):
    stage.hear(stored(stack(THICK)))
    (series,) = one(stage.hear(released({THICK: 28}))).series
    assert (series.orientation, series.coverage_mm, series.spacing_mm, series.thickness_mm) == ("axial", 140, 5, 5)


def test_an_association_for_each_image_tells_nothing(stage):
    """Some scanners open one per image: a release after a single slice is not the end of a stack."""
    for index in range(12):
        stage.hear(stored([slice_of(THICK, index)], association=f"A{index}"), index / 10)
        assert stage.hear(released({THICK: 1}, f"A{index}"), index / 10) == ()
    assert one(stage.hear(timer(f"quiet:{THICK}"), 1.1 + 2)).series[0].count == 12


@pytest.mark.parametrize(
    ("modality", "changes"),
    [
        ("CT", {"localizer": True}),
        ("SR", {"rows": 0, "columns": 0, "position_mm": None, "orientation": None}),
        ("DX", {"position_mm": None, "orientation": None}),
        ("CT", {"frames": 60}),
    ],
)
def test_a_single_instance_of_a_kind_that_comes_alone_is_whole_on_release(stage, modality, changes):
    stage.hear(stored([slice_of(THICK, 0, **changes)], series_facts(modality=modality)))
    assert one(stage.hear(released({THICK: 1}))).series[0].whole_by == "association-released"


def test_a_complete_folder_tells_even_of_one_slice(stage):
    stage.hear(stored(stack(THICK, 1)))
    assert one(stage.hear(released({THICK: 1}, how="folder-complete"))).series[0].whole_by == "folder-complete"


def test_an_aborted_association_tells_nothing_and_quiet_decides(stage):
    stage.hear(stored(stack(THICK)))
    assert stage.hear(released({THICK: 28}, how="association-aborted"), 1) == ()
    assert stage.due(f"quiet:{THICK}") == 2
    assert one(stage.hear(timer(f"quiet:{THICK}"), 2)).series[0].whole_by == "quiet"


def test_a_release_waits_for_instances_that_are_still_to_be_heard(stage):
    """The release may overtake the last instances: the series is whole when all that it told of are here."""
    images = stack(THICK)
    stage.hear(stored(images[:20]))
    assert stage.hear(released({THICK: 28}), 0.1) == ()
    assert stage.hear(stored(images[20:24]), 0.2) == ()
    made = one(stage.hear(stored(images[24:]), 0.3))
    assert (made.series[0].count, made.series[0].whole_by) == (28, "association-released")


def test_a_release_before_any_instance_is_remembered(stage):
    assert stage.hear(released({THICK: 28})) == ()
    assert one(stage.hear(stored(stack(THICK)), 0.1)).series[0].count == 28


def test_of_parallel_associations_the_last_release_tells(stage):
    images = stack(THICK)
    stage.hear(stored(images[::2], association="A"))
    stage.hear(stored(images[1::2], association="B"), 0.1)
    assert stage.hear(released({THICK: 14}, "A"), 0.2) == ()
    assert one(stage.hear(released({THICK: 14}, "B"), 0.3)).series[0].count == 28


def test_an_association_that_fell_silent_holds_nobody_up(stage):
    """A sender that never closes must not keep another's release from telling."""
    images = stack(THICK)
    stage.hear(stored(images[:4], association="dead"))
    stage.hear(stored(images[4:], association="A"), 1.9)
    assert one(stage.hear(released({THICK: 24}, "A"), 2.1)).series[0].count == 28


def test_the_announced_number_of_images_tells_at_once(stage):
    """Images in Acquisition, over two acquisitions, without any release."""
    images = [slice_of(THICK, i, acquisition=1 + i // 14, images_in_acquisition=14) for i in range(28)]
    for image in images[:-1]:
        assert stage.hear(stored([image])) == ()
    assert one(stage.hear(stored([images[-1]]))).series[0].whole_by == "count-reached"


def test_small_counts_tell_nothing(stage):
    """A scanner that steps and shoots announces the images of one turn, not of the series."""
    for index in range(16):
        image = slice_of(THICK, index, acquisition=index // 2, images_in_acquisition=2)
        assert stage.hear(stored([image])) == ()


def test_more_images_than_announced_show_that_the_count_was_wrong(stage):
    """It no longer tells: without a release, quiet does."""
    images = [slice_of(THICK, i, acquisition=1, images_in_acquisition=20) for i in range(24)]
    assert one(stage.hear(stored(images[:20]))).revision == 1
    for image in images[20:]:
        assert stage.hear(stored([image]), 1) == ()
    assert one(stage.hear(timer(f"quiet:{THICK}"), 3)).series[0].count == 24


def test_one_image_without_a_count_makes_counts_untold(stage):
    images = [slice_of(THICK, i, acquisition=1, images_in_acquisition=27 if i else None) for i in range(28)]
    assert stage.hear(stored(images)) == ()


def test_quiet_is_counted_from_the_last_new_image(stage):
    """A timer that later images have overtaken is early and does nothing."""
    images = stack(THICK)
    stage.hear(stored(images[:14]), 0)
    stage.hear(stored(images[14:], seconds=1.5), 1.5)
    assert stage.hear(timer(f"quiet:{THICK}"), 2) == ()
    assert stage.due(f"quiet:{THICK}") == 3.5
    assert one(stage.hear(timer(f"quiet:{THICK}"), 3.5)).series[0].count == 28
    assert stage.hear(timer(f"quiet:{THICK}"), 3.5) == (), "whole already"


def test_a_series_that_never_rests_is_taken_after_the_longest_time(stage):
    for index in range(70):
        stage.hear(stored([slice_of(THICK, index)]), index)
    assert stage.due(f"quiet:{THICK}") == 60
    assert one(stage.hear(timer(f"quiet:{THICK}"), 60)).series[0].count == 70


def test_late_images_have_a_quiet_time_and_a_longest_time_of_their_own(stage):
    stage.hear(stored(stack(THICK)))
    stage.hear(released({THICK: 28}))
    stage.hear(stored([slice_of(THICK, 28)], association="B"), 100)
    assert stage.due(f"quiet:{THICK}") == 102
    assert stage.hear(timer(f"quiet:{THICK}"), 101) == ()


def test_late_images_make_the_next_revision(stage):
    images = stack(THICK)
    stage.hear(stored(images[:20]))
    stage.hear(released({THICK: 20}))
    assert stage.hear(stored(images[20:], association="B", seconds=30), 30) == ()
    made = one(stage.hear(released({THICK: 8}, "B"), 31))
    assert (made.revision, made.changed, made.series[0].count) == (2, (THICK,), 28)


def test_a_sender_that_sends_all_again_with_the_missing_ones_tells_by_its_release(stage):
    """What is known already counts towards what its association told."""
    images = stack(THICK)
    stage.hear(stored(images[:20]))
    stage.hear(released({THICK: 20}))
    stage.hear(stored(images, association="B"), 30)
    assert one(stage.hear(released({THICK: 28}, "B"), 31)).series[0].count == 28


def test_an_image_that_its_association_sends_twice_is_counted_once(stage):
    images = stack(THICK)
    stage.hear(stored(images[:20]))
    stage.hear(stored(images[:8]))
    assert stage.hear(released({THICK: 28})) == (), "eight are still to be heard"
    assert one(stage.hear(stored(images[20:]))).series[0].count == 28


def test_a_series_that_grows_stands_as_it_stood_until_it_is_whole_again(stage):
    images = stack(THICK)
    stage.hear(stored(images[:20]))
    stage.hear(released({THICK: 20}))
    stage.hear(stored(images[20:24], association="B"), 30)
    stage.hear(stored(stack(THIN, 40, 1.0), series_facts(THIN, number=3), association="C"), 30)
    made = one(stage.hear(released({THIN: 40}, "C"), 30.5))
    assert made.changed == (THIN,)
    assert [s.count for s in made.series] == [20, 40]


def test_a_study_sent_twice_makes_no_revision(stage):
    stage.hear(stored(stack(THICK)))
    stage.hear(released({THICK: 28}))
    before = dict(stage.timers)
    assert stage.hear(stored(stack(THICK), association="B", seconds=100), 100) == ()
    assert stage.hear(released({THICK: 28}, "B"), 101) == ()
    assert stage.timers == before


def test_other_bytes_under_a_known_uid_are_flagged_and_the_first_are_kept(stage):
    images = stack(THICK)
    stage.hear(stored(images[:20]))
    other = slice_of(THICK, 3, digest="f" * 64)
    assert stage.hear(stored([other])) == (
        InstanceConflicted(study=STUDY, series=THICK, instance=other.instance, kept=images[3].digest, refused="f" * 64),
    )
    assert stage.hear(stored([other])) == (), "said once"
    stage.hear(stored(images[20:]))
    (series,) = one(stage.hear(released({THICK: 28}))).series
    assert series.count == 28
    assert series.faults == ("an image came again with other bytes; the first is kept",)
    assert b"f" * 64 not in stage.objects[0]


def test_a_study_of_two_patients_is_flagged_and_the_first_patient_is_kept(stage):
    """Wrong patient: never corrected in silence."""
    stage.hear(stored(stack(THICK)))
    stage.hear(stored(stack(THIN), series_facts(THIN), study_facts(patient="another")))
    stage.hear(stored([slice_of(THIN, 28)], series_facts(THIN)))
    made = one(stage.hear(released({THICK: 28, THIN: 29})))
    assert made.facts.patient == PATIENT
    assert {s.facts.series: bool(s.faults) for s in made.series} == {THICK: False, THIN: True}


def test_faults_of_headers_are_carried_each_once_and_not_without_end(stage):
    images = [slice_of(THICK, i, fault=f"fault {i // 2}") for i in range(28)]
    stage.hear(stored(images))
    (series,) = one(stage.hear(released({THICK: 28}))).series
    assert len(series.faults) == 9
    assert series.faults[-1] == "and 6 faults more"


def test_a_step_reads_no_more_than_its_images_until_a_revision_is_made(stage):
    """No step grows with the study."""
    for index in range(28):
        stage.hear(stored([slice_of(THICK, index)]))
    assert stage.asked_for_all == 0
    largest = max(len(content) for content in stage.parts.values())
    assert largest < 2000
    stage.hear(released({THICK: 28}))
    assert stage.asked_for_all == 1


def test_an_end_heard_before_its_last_images_waits_for_others_too(stage):
    """Its images come after it, while another association brings some of the same series: nothing is whole yet."""
    stage.hear(stored(stack(THICK)[:10], association="B"))
    stage.hear(released({THICK: 9}, "A"), 0.5)
    assert stage.hear(stored(stack(THICK)[10:19], association="A", seconds=0.6), 0.6) == ()
    stage.hear(stored(stack(THICK)[19:], association="B", seconds=0.7), 0.7)
    assert one(stage.hear(released({THICK: 19}, "B"), 0.8)).series[0].count == 28
