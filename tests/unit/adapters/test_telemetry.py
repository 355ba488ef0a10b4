"""Telemetry: one trace from door to alert, nothing sent unless asked, a meaning for each name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from streams.adapters import telemetry
from streams.adapters.telemetry import CounterName, GaugeName, HistogramName, Telemetry

NAMES = (*get_args(CounterName), *get_args(HistogramName), *get_args(GaugeName))
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def test_one_trace_from_door_to_alert() -> None:
    """A span under a traceparent belongs to its trace and names its parent; without one a trace begins."""
    exporter = InMemorySpanExporter()
    told = Telemetry("test", None, exporter)
    with told.span("door", None) as door, told.span("intake", door, event="InstancesStored") as intake:
        pass
    told.close()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert TRACEPARENT.fullmatch(door)
    assert door.split("-")[1] == intake.split("-")[1]
    assert spans["door"].parent is None
    assert f"{spans['intake'].parent.span_id:016x}" == door.split("-")[2]
    assert dict(spans["intake"].attributes) == {"event": "InstancesStored"}


def test_a_traceparent_wins_over_the_span_around_it() -> None:
    """An event is told in its own trace, whatever else its worker is busy with."""
    told = Telemetry("test", None, InMemorySpanExporter())
    own = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    with told.span("other work", None), told.span("step", own) as within:
        assert within.split("-")[1] == "a" * 32
    told.close()


@pytest.mark.parametrize("garbage", ["", "00-zz", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_broken_traceparent_begins_a_new_trace(garbage: str) -> None:
    """Whatever a sender wrote there, work goes on."""
    told = Telemetry("test", None)
    with told.span("step", garbage) as within:
        assert TRACEPARENT.fullmatch(within)
        assert within.split("-")[1] != "0" * 32
    told.close()


def test_without_an_endpoint_nothing_is_sent() -> None:
    """Counting and timing cost no connection and raise nothing."""
    told = Telemetry("test", None)
    for name in get_args(CounterName):
        told.count(name, agent="intake")
    for name in get_args(HistogramName):
        told.observe(name, 0.1)
    for name in get_args(GaugeName):
        told.show(name, 1, model="m")
    told.close()


def test_names_are_of_one_form_and_unique() -> None:
    """Prometheus' form: counters end in _total, times in _seconds."""
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"wetread_[a-z_]+_total", name) for name in get_args(CounterName))
    assert all(re.fullmatch(r"wetread_[a-z_]+_seconds", name) for name in get_args(HistogramName))
    assert not any(name.endswith(("_total", "_seconds")) for name in get_args(GaugeName))


def test_each_name_has_its_meaning_above_it() -> None:
    """The catalogue says what each metric counts."""
    lines = Path(telemetry.__file__).read_text().splitlines()
    for name in NAMES:
        (at,) = (number for number, line in enumerate(lines) if line.strip() == f'"{name}",')
        assert lines[at - 1].strip().startswith("# ")
