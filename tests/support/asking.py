"""Readings as routing asks for them, for tests of who goes first and of calls in parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from streams.events.imaging import SeriesFacts
from streams.events.reading import ReadingRequested

ROUTINE = ReadingRequested(
    reading="chest",
    study="1.2",
    revision=1,
    model="m",
    role="live",
    lane="routine",
    priority="routine",
    series=SeriesFacts(series="1.2.3", modality="CT"),
    manifest="",
    last_stored_at=datetime(2026, 1, 1, tzinfo=UTC),
)
STAT = replace(ROUTINE, reading="head", lane="urgent", priority="stat")
