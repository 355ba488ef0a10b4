"""Places are taken in a rebalance: the state says how far it has come, and reading begins there."""

from __future__ import annotations

from types import SimpleNamespace

from faust.types import TP

from streams.runtime.processing import transport
from streams.runtime.processing.applying import Applier
from tests.support.toy import TOPIC


async def test_places_are_taken_while_nothing_is_at_work(app, monkeypatch):
    """An earlier round of a rebalance opened the windows: they are closed before the state says how far it has come.

    Else an event from further on is applied to a state that has gone back, and decided as if what is between had not
    been: a study assembled again, of other images, under the same revision.
    """
    window = app.delivery.lanes[TOPIC].window
    window.open()
    seen = []
    take = Applier.take

    async def taken(applier, partition, told=0):
        seen.append(window._open)
        return await take(applier, partition, told)

    async def committed():
        return {TP(TOPIC, 0): 50}

    async def seek(_offsets):
        """The broker is asked for it."""

    async def earliest(*tps):
        return dict.fromkeys(tps, 4)

    monkeypatch.setattr(Applier, "take", taken)
    consumer = object.__new__(transport.Consumer)
    consumer.app = app
    consumer._thread = SimpleNamespace(seek_to_committed=committed, seek_wait=seek, earliest_offsets=earliest)
    await consumer.seek_to_committed()
    assert seen == [False]
    assert window.awaits((TOPIC, 0))
    app.delivery.resume()
    for offset, taken in ((56, False), (4, True), (5, True)):
        await window.submit((TOPIC, 0), offset, offset, noop)
        assert window.low_ends().get((TOPIC, 0)) is not None if taken else window.low_ends() == {}


async def noop(_held):
    """An event without effect."""
