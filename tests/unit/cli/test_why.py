"""`wetread why` ends in its time, and says what to do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from streams.cli import why
from streams.errors import BrokerAway


def test_a_record_that_is_never_read_through_is_given_up(monkeypatch: pytest.MonkeyPatch):
    """A broker that says nothing, or a record too long: a sentence instead of waiting for ever."""
    ended = []

    @asynccontextmanager
    async def silent(_settings):
        try:
            await asyncio.Event().wait()
            yield
        finally:
            ended.append(True)

    monkeypatch.setattr(why, "connected", silent)
    with pytest.raises(BrokerAway, match=r"not read within 0 s: .* --within gives more time"):
        why.why("1.2.3", within=0.0)
    assert ended
