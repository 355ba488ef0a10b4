"""The map is closed: what is said is heard or recorded, what a topic carries somebody says."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from schemas.drawing import END, START, deciding, drawing, with_drawing
from streams import flow
from streams.events.codec import EVENT_TYPES
from streams.stage import Agent
from tests.structure.sources import ROOT, edge, modules
from tests.support.examples import example

BY_NAME = {t.__name__: t for t in EVENT_TYPES}
each_agent = pytest.mark.parametrize("agent", deciding(), ids=lambda a: a.name)
each_topic = pytest.mark.parametrize("topic", flow.TOPICS, ids=lambda t: t.name)


@cache
def said_by_edges() -> frozenset[type]:
    """Event types that doors, reading, ticker and commands make."""
    made = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for module in modules("streams")
        if edge(module.path)
        for node in module.nodes
        if isinstance(node, ast.Call)
    }
    return frozenset(BY_NAME[name] for name in made & set(BY_NAME))


def said_by_stages() -> set[type]:
    return {t for agent in deciding() for stage in agent.stages for t in stage.says}


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda t: t.__name__)
def test_every_event_said_is_recorded_or_heard(event_type: type) -> None:
    """Nothing is said into the void: each event has a topic, or a later stage of its agent hears it."""
    carried = any(event_type in topic.carries for topic in flow.TOPICS)
    inside = any(_hears_own(agent, event_type) for agent in deciding())
    assert carried or inside


def _hears_own(agent: Agent, event_type: type) -> bool:
    says = [i for i, stage in enumerate(agent.stages) if event_type in stage.says]
    return any(event_type in stage.hears for i in says for stage in agent.stages[i + 1 :])


@each_topic
def test_every_event_on_a_topic_is_said_by_someone(topic: flow.Topic) -> None:
    """A topic promises nothing that nobody says."""
    assert set(topic.carries) <= said_by_stages() | said_by_edges()


@each_agent
def test_an_agent_hears_what_its_topic_carries(agent: Agent) -> None:
    """An agent waits for nothing that cannot come."""
    assert agent.hears <= set(flow.BY_NAME[agent.topic].carries)
    assert agent.hears


@each_agent
def test_a_stage_that_sets_timers_hears_them(agent: Agent) -> None:
    """A timer comes back on the agent's own topic, so an agent that hears timers has a way for them."""
    from streams.events.imaging import TimerFired

    if TimerFired in agent.hears:
        assert flow.destinations(example(TimerFired), agent.name) == (agent.topic,)


@each_topic
def test_every_event_has_the_key_of_its_topic(topic: flow.Topic) -> None:
    """Each event names what its topic is keyed by, so that one key stays in one partition."""
    for event_type in topic.carries:
        assert flow.key_of(topic.name, example(event_type))


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda t: t.__name__)
def test_events_go_only_where_they_are_carried(event_type: type) -> None:
    """Every destination of an event is a topic whose contract names it."""
    for agent in (flow.INTAKE, flow.TRIAGE):
        for topic in flow.destinations(example(event_type), agent):
            assert event_type in flow.BY_NAME[topic].carries


def test_topics_keyed_alike_have_as_many_partitions() -> None:
    """Equal keys lie in equal partitions: state, timers and marks of one study stay together."""
    partitions: dict[str, set[int]] = {}
    for topic in flow.TOPICS:
        partitions.setdefault(topic.key, set()).add(topic.partitions)
    assert all(len(numbers) == 1 for numbers in partitions.values())


def test_each_agent_has_one_topic_of_its_own() -> None:
    """One topic is the one order in which an agent decides."""
    topics = [agent.topic for agent in deciding()]
    assert len(set(topics)) == len(topics)


def test_stages_have_unique_names() -> None:
    """A stage's name is in event ids and in state: it is given once."""
    names = [stage.name for agent in deciding() for stage in agent.stages]
    assert len(set(names)) == len(names)


def test_the_readme_draws_this_flow() -> None:
    """The README's drawing is the map's: `make schemas` draws it anew."""
    readme = (ROOT / "README.md").read_text()
    assert START in readme
    assert END in readme
    assert with_drawing(readme) == readme
    assert max(map(len, drawing().splitlines())) <= 110


def test_the_drawing_names_every_topic_and_agent() -> None:
    """Nothing of the map is left out of the drawing."""
    drawn = drawing().replace("triage.readings.{urgent,routine}", "triage.readings.urgent triage.readings.routine")
    assert all(topic.name in drawn for topic in flow.TOPICS)
    assert all(agent.name in drawn for agent in deciding())
