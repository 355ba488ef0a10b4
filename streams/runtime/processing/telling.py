"""The event log that also measures: from the last slice stored to the alert that Kafka has acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from streams.adapters.telemetry import Telemetry
from streams.events.codec import decode_body, type_name
from streams.events.envelope import header
from streams.events.telling import AlertRaised
from streams.ports import EventLog, Message, Record

ALERTS = "triage.alerts"


class MeasuredLog:
    """An EventLog that observes wetread_time_to_alert_seconds for each alert that it has sent."""

    def __init__(self, log: EventLog, telemetry: Telemetry) -> None:
        self._log, self._telemetry = log, telemetry

    async def send(self, messages: Sequence[Message]) -> None:
        """See EventLog.send."""
        await self._log.send(messages)
        for message in messages:
            if message.topic == ALERTS and header(message.headers, "ce_type") == type_name(AlertRaised):
                alert = decode_body(type_name(AlertRaised), message.value)
                assert isinstance(alert, AlertRaised)
                seconds = (datetime.now(UTC) - alert.last_stored_at).total_seconds()
                self._telemetry.observe(
                    "wetread_time_to_alert_seconds", seconds, finding=alert.finding, model=alert.model
                )

    def read(
        self,
        topics: Sequence[str],
        *,
        follow: bool,
        since: datetime | None = None,
        keys: Sequence[bytes] | None = None,
    ) -> AsyncIterator[Record]:
        """See EventLog.read."""
        return self._log.read(topics, follow=follow, since=since, keys=keys)
