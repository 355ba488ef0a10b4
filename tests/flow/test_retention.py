"""A study over months in one process: what has ended leaves all agents, what is open stays, what comes back is new."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.imaging import OrderPlaced, SeriesClosed, StudyAssembled
from streams.events.telling import AlertRaised, PlaceChanged
from streams.events.watching import ReportSigned, StudyClosed, StudyLetGo, StudyOpened
from streams.policy import RetentionPolicy
from streams.runtime.processing.local import LocalFlow
from tests.support.studies import HEAD, POLICIES, answer_to, at, envelope, series_facts, slice_of, stored, study_facts

DAY = 86_400.0
KEEPING = replace(POLICIES, retention=RetentionPolicy(ended_days=30, remembered_days=60, orders_days=400))
REMEMBERING = replace(POLICIES, retention=RetentionPolicy(ended_days=30))
READ = ReportSigned(study="1", by="anna")


class Months:
    """One study, what is sent of it and done with it, by the day."""

    def __init__(self, logit=3.0, policies=KEEPING):
        self.flow = LocalFlow(policies, (HEAD,), lambda request: answer_to(request, logit))
        self.told = 0
        self.read_at = []

    def say(self, event, day):
        self.told += 1
        if isinstance(event, ReportSigned):
            self.read_at.append(at(day * DAY))
        self.flow.advance(at(day * DAY))
        self.flow.put(envelope(event, day * DAY, f"{self.told}"))
        self.flow.run()

    def send(self, day, series="1.2", count=28):
        facts = study_facts(study="1", patient="p1", order="o1")
        association = f"A{self.told}"
        images = [slice_of(series, i) for i in range(count)]
        self.say(stored(images, series_facts(series), facts, association, day * DAY), day)
        counts = {series: count}
        self.say(SeriesClosed(study="1", association=association, how="association-released", counts=counts), day)

    def until(self, day):
        self.flow.advance(at(day * DAY))
        return self

    def said(self, kind):
        return [e.data for envelopes in self.flow.records.values() for e in envelopes if isinstance(e.data, kind)]

    def held(self, agent):
        return sorted(self.flow._parts.get((agent, "1"), ()))


def test_a_read_study_leaves_all_agents():
    """After 30 days but for its number and its alert, after 90 wholly; its growth and its order have their own time."""
    months = Months()
    months.send(0)
    months.say(READ, 1)
    months.until(30.9)
    assert months.held("intake")[0].startswith("arrival.")
    assert months.said(StudyLetGo) == []
    months.until(31.1)
    assert [(gone.revision, gone.ended_at) for gone in months.said(StudyLetGo)] == [(1, at(DAY))]
    assert months.held("intake") == ["assembly.study"]
    assert months.held("triage") == ["delivery.alert:ich/intracranial_haemorrhage"]
    months.until(91.2)
    assert months.held("intake") == months.held("triage") == []
    assert months.flow.listed["triage"] == {}


def test_an_unread_study_stays_for_years():
    """With its images, its place and its alert."""
    months = Months()
    months.send(0)
    before = {agent: months.held(agent) for agent in ("intake", "triage")}
    months.until(1000)
    assert months.said(StudyLetGo) == []
    assert months.held("triage") == before["triage"]
    assert set(before["intake"]) - set(months.held("intake")) == {f"assembly.instance:1.2.{i}" for i in range(28)}
    assert list(months.flow.listed["triage"]) == ["1"]


def test_what_comes_back_is_the_next_revision_with_an_alert_of_another_name():
    """Whoever remembers the first alert hears of the second; it stands in the class of its order."""
    months = Months()
    months.say(OrderPlaced(order="o1", priority="stat"), 0)
    months.send(0)
    months.say(READ, 1)
    months.until(35)
    months.send(40)
    assert [a.revision for a in months.said(StudyAssembled)] == [1, 2]
    assert {a.priority for a in months.said(StudyAssembled)} == {"stat"}
    assert len({a.alert for a in months.said(AlertRaised)}) == 2
    months.until(200)
    assert list(months.flow.listed["triage"]) == ["1"]
    months.say(READ, 200)
    months.until(231)
    assert [gone.revision for gone in months.said(StudyLetGo)] == [1, 2]


MOMENTS = st.lists(
    st.tuples(st.sampled_from(["send", "another series", "late image", "read", "open"]), st.floats(0, 45)), max_size=12
)


@given(history=MOMENTS, logit=st.sampled_from([3.0, -3.0]))
@settings(max_examples=60, deadline=None)
def test_nothing_open_ever_leaves(history, logit):
    """In whatever order: one outcome each, no alert id twice; who was let go had been read, and had its outcomes."""
    months, day = Months(logit, REMEMBERING), 0.0
    for what, gap in history:
        day += gap
        if what in ("read", "open"):
            months.say(READ if what == "read" else StudyOpened(study="1", by="anna"), day)
        else:
            months.send(day, "1.3" if what == "another series" else "1.2", 29 if what == "late image" else 28)
        _holds(months)
    months.until(day + 200)
    _holds(months)


def _holds(months):
    gone = months.said(StudyLetGo)
    assert Counter((c.study, c.revision) for c in months.said(StudyClosed)) == Counter(
        (a.facts.study, a.revision) for a in months.said(StudyAssembled)
    )
    raised = [a.alert for a in months.said(AlertRaised)]
    assert len(raised) == len(set(raised))
    assert all(any(read <= let_go.ended_at for read in months.read_at) for let_go in gone)
    places = months.said(PlaceChanged)
    if places and places[-1].state != "read":
        assert any(name.startswith("priority.") for name in months.held("triage"))
        assert any(name.startswith("assembly.series:") for name in months.held("intake"))
