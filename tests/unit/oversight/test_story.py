"""The story of a study: every event has a sentence, causes come before effects, repeats are told once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.events import imaging, reading, telling
from streams.events.codec import EVENT_TYPES
from streams.events.envelope import Envelope
from streams.events.identifiers import event_id, named_id
from streams.events.quality import Fault, QualityReported
from streams.oversight.story import belongs, sentence, story
from tests.flow.test_whole_studies import a_day, play
from tests.support.examples import TIME, example
from tests.support.studies import found


@pytest.mark.parametrize(
    "event_type", [t for t in EVENT_TYPES if t is not imaging.OrderPlaced], ids=lambda t: t.__name__
)
def test_every_event_has_a_sentence(event_type: type) -> None:
    """No line of a story is a mere type name."""
    told = sentence(example(event_type))
    assert told
    assert told != event_type.__name__


def test_causes_come_before_effects() -> None:
    """Events of one instant stand in the order of what led to what."""
    root = named_id("root")
    names = [root, event_id(root, "routing", 0), event_id(event_id(root, "routing", 0), "findings", 0)]
    events = (example(imaging.StudyAssembled), example(reading.ReadingRequested), example(telling.AlertRaised))
    causes = (None, *names)
    record = [
        ("t", Envelope(id=n, time=TIME, key="study", data=e, cause=c))
        for n, e, c in zip(names, events, causes, strict=False)
    ]
    told = story(reversed(record), "study")
    assert [line.what for line in told] == ["StudyAssembled", "ReadingRequested", "AlertRaised"]


def test_a_repeat_is_told_once() -> None:
    """The same id on two topics, or twice on one, is one line."""
    envelope = Envelope(id=named_id("one"), time=TIME, key="study", data=found())
    assert len(story([("a", envelope), ("b", envelope), ("a", envelope)], envelope.data.study)) == 1


def test_only_the_study_itself_is_told() -> None:
    """By key, by `study`, or by its facts; another study's events are not."""
    event = replace(example(telling.MeasurementMade), study="1.2", patient="p")
    assert belongs(Envelope(id=named_id("m"), time=TIME, key="p", data=event), "1.2")
    assert not belongs(Envelope(id=named_id("m"), time=TIME, key="p", data=event), "1.3")


def test_a_recorded_study_is_told_from_its_images_to_its_end() -> None:
    """A day's study begins with what arrived and ends with its outcome, and says by when it is to be read and why."""
    flow = play(a_day())
    told = story(((t, e) for t, envelopes in flow.records.items() for e in envelopes), "1")
    what = [line.what for line in told]
    assert what[0] == "InstancesStored"
    assert {"StudyAssembled", "StudyRouted", "ReadingAnswered", "FindingMade", "AlertRaised", "StudyClosed"} <= set(
        what
    )
    assert len({line.event for line in told}) == len(told)
    assert any("to be read by" in line.sentence and "because" in line.sentence for line in told)


def test_a_failure_is_never_told_as_a_negative() -> None:
    """No answer is "no AI result", with its reason."""
    told = sentence(example(reading.ReadingFailed))
    assert told.startswith("no AI result")
    assert "reason" in told


def test_a_report_tells_what_is_wrong_and_what_to_do() -> None:
    """Every sentence of it; a sound series is said to be one."""
    fault = Fault(code="gap", severity="warn", value=12.0, threshold=10.0, unit="%", sentence="Slices lack: resend.")
    report = QualityReported(study="1", revision=1, series="1.2", model="m", reading="r", part="head", faults=(fault,))
    assert sentence(report) == "images (head) looked at for m: Slices lack: resend."
    assert sentence(replace(report, part="", faults=())) == "images looked at for m: nothing is wrong."
