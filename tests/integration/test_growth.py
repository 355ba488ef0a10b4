"""Growth on the real parts: lesions of a patient through Kafka and Redis, a prior that arrives late included."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streams.events.envelope import Envelope, to_kafka
from streams.events.identifiers import named_id
from streams.events.measuring import LesionsMeasured
from streams.flow import addressed
from streams.ports import Message
from tests.support.examples import TIME
from tests.support.lesions import DAY, measured, nodule
from tests.support.whole_stack import PATIENCE_S, WholeStack, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(2 * PATIENCE_S)]


async def say(stack: WholeStack, event: LesionsMeasured) -> None:
    """Put lesions on the record, as triage says them."""
    name = named_id("growth", event.study)
    envelope = Envelope(id=name, time=TIME, key="", data=event)
    async with stack.record() as log:
        await log.send([Message(topic, *to_kafka(e)) for topic, e in addressed(envelope, "triage")])


async def test_a_prior_that_arrives_late_measures_anew(whole_stack: WholeStack):
    """The later study is told without a prior, then with it: one edition after the other, and `why` says so."""
    patient, early, late = (whole_stack.fresh(name) for name in ("patient", "1.2.826.0.1", "1.2.826.0.2"))
    year = timedelta(days=365)
    async with whole_stack.following() as following:
        await say(whole_stack, measured(late, DAY + year, nodule(diameter_mm=12), patient=patient))
        await until(following, lambda ledger: editions(ledger, late) == [1], "the later study's growth")
        await say(whole_stack, measured(early, DAY, nodule(diameter_mm=8), patient=patient))
        await until(following, lambda ledger: editions(ledger, late) == [2], "the same, measured anew")
        (growth,) = following.ledger.line(late).growths.values()
        assert following.ledger.line(early).growths["nodules"].edition == 1
    assert growth.compared == (early,)
    assert growth.lesions[0].changes[0].verdict == "grown"


def editions(ledger, study: str) -> list[int]:
    return [growth.edition for growth in ledger.line(study).growths.values()]
