"""Traces and metrics by OpenTelemetry: one trace from the door to the alert, metric names as a type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from opentelemetry import context, metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

CounterName = Literal[
    # instances that a door has answered with success
    "wetread_instances_stored_total",
    # instances that a door refused, by reason class
    "wetread_instances_refused_total",
    # events that an agent has applied
    "wetread_events_applied_total",
    # events that came again and were answered from the outbox
    "wetread_events_repeated_total",
    # events, and files at a door, set aside into the dead letters
    "wetread_dead_letters_total",
    # steps that started again because the state's version had moved
    "wetread_state_conflicts_total",
    # readings by outcome: answered, quality, failed
    "wetread_readings_total",
    # objects of studies that are kept no longer, removed from the store
    "wetread_objects_removed_total",
    # timers that came due and were sent as events
    "wetread_timers_fired_total",
]
HistogramName = Literal[
    # last slice stored to the alert acknowledged by Kafka, model included
    "wetread_time_to_alert_seconds",
    # the model server's part of a reading, queueing included
    "wetread_model_seconds",
    # fetching, decoding, geometry and tensors
    "wetread_pixels_seconds",
    # one event through load, step, commit and send
    "wetread_step_seconds",
]
GaugeName = Literal[
    # 1: this reader does not ask the model until it answers its canary; 0: it asks
    "wetread_model_circuit_open",
]

_PROPAGATOR = TraceContextTextMapPropagator()


class Telemetry:
    """What a process counts and traces; without an endpoint it costs next to nothing and sends nothing."""

    def __init__(self, service: str, endpoint: str | None, exporter: SpanExporter | None = None) -> None:
        """Traces go to `exporter`, or by OTLP/HTTP to `endpoint`; None: nowhere."""
        resource = Resource.create({"service.name": service})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        readers = []
        if endpoint:
            exporter = exporter or OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
            readers.append(
                PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{endpoint.rstrip('/')}/v1/metrics"))
            )
        if exporter:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._meters = MeterProvider(resource=resource, metric_readers=readers, shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer("wetread")
        self._meter = self._meters.get_meter("wetread")
        self._counters: dict[str, metrics.Counter] = {}
        self._histograms: dict[str, metrics.Histogram] = {}
        self._gauges: dict[str, Any] = {}

    def count(self, name: CounterName, amount: int = 1, **labels: str) -> None:
        """Add to a counter."""
        if name not in self._counters:
            self._counters[name] = self._meter.create_counter(name)
        self._counters[name].add(amount, labels)

    def observe(self, name: HistogramName, seconds: float, **labels: str) -> None:
        """Record one duration in seconds."""
        if name not in self._histograms:
            self._histograms[name] = self._meter.create_histogram(name, unit="s")
        self._histograms[name].record(seconds, labels)

    def show(self, name: GaugeName, value: float, **labels: str) -> None:
        """How something stands now."""
        if name not in self._gauges:
            self._gauges[name] = self._meter.create_gauge(name)
        self._gauges[name].set(value, labels)

    @contextmanager
    def span(self, name: str, traceparent: str | None, **attributes: str | float) -> Iterator[str]:
        """A span under `traceparent` (a new trace where it is None); yields the traceparent to hand on."""
        parent = _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {}, context.Context())
        with self._tracer.start_as_current_span(name, context=parent, attributes=attributes) as span:
            yield traceparent_of(span.get_span_context())

    def close(self) -> None:
        """Send what is left and stop."""
        self._provider.shutdown()
        self._meters.shutdown()


def traceparent_of(span: trace.SpanContext) -> str:
    """W3C trace context, version 00 (W3C Trace Context 3.2)."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def carrier(traceparent: str) -> Mapping[str, str]:
    """Headers for a client that hands the trace on."""
    return {"traceparent": traceparent}
