"""Settings to a sweep of this installation, and the verb that a door calls now and then."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from streams.adapters.kafka_log import KafkaLog
from streams.adapters.policy_files import read_retention
from streams.adapters.telemetry import Telemetry
from streams.errors import PolicyInvalid
from streams.runtime.keeping.sweep import Asked, Sweep, sweep
from streams.runtime.settings import Settings, as_environment
from streams.runtime.wiring import addresses, object_store

log = logging.getLogger(__name__)

FIRST_AFTER_S, AGAIN_AFTER_S, LONGEST_SLEEP_S = 600.0, 300.0, 3600.0
GENTLE = 19
"""Niceness of a sweep: whatever else there is goes first."""


async def swept(settings: Settings, *, dry: bool) -> Sweep:
    """One sweep of the running installation.

    Raises:
        PolicyInvalid, PartMissing, StateStoreAway, BrokerAway: nothing was removed.
    """
    from streams.adapters.redis_scan import states, unknown_places  # noqa: PLC0415  # 0.4 s, and a door needs none
    from streams.adapters.redis_state import connect  # noqa: PLC0415

    at = addresses(settings)
    async with AsyncExitStack() as stack:
        redis = connect(at.redis)
        stack.push_async_callback(redis.aclose)
        asked = Asked(
            policy=read_retention(settings.policies),
            objects=object_store(settings),
            record=await stack.enter_async_context(KafkaLog(at.kafka)),
            states=partial(states, redis),
            unknown=partial(unknown_places, redis),
            owed=settings.home / "spool",
        )
        found = await sweep(asked, dry=dry)
    if found.removed:
        telemetry = Telemetry("wetread-retention", settings.otlp)
        telemetry.count("wetread_objects_removed_total", found.removed)
        await asyncio.to_thread(telemetry.close)
    return found


def mark_file(home: Path) -> Path:
    """Touched when the store was looked through."""
    return home / "run" / "retention.swept"


async def sweeps(settings: Settings) -> None:
    """Look through the store every so many hours of the policy, in a gentle process of its own, until cancelled.

    When it was done last is kept: a door that is started anew each day does it all the same.
    """
    began = time.time()
    while True:
        pause = LONGEST_SLEEP_S
        try:
            policy = read_retention(settings.policies)
            if policy.ended_days:
                every = policy.sweep_hours * 3600
                pause = _seconds_to_wait(mark_file(settings.home), began, every)
                if not pause and not await _one(settings):
                    pause = min(AGAIN_AFTER_S, every)
        except (PolicyInvalid, OSError, ValueError) as error:  # a door takes images, whatever becomes of this
            log.warning("the object store is not looked through: %s", error)
            pause = LONGEST_SLEEP_S
        await asyncio.sleep(pause)


def _seconds_to_wait(mark: Path, began: float, every: float) -> float:
    """Until the next look, an hour at most: the policy may change."""
    due = mark.stat().st_mtime + every if mark.exists() else began + min(FIRST_AFTER_S, every)
    return min(max(due - time.time(), 0.0), LONGEST_SLEEP_S)


async def _one(settings: Settings) -> bool:
    """Whether it came to its end; what it found is in this process's log."""
    child = await asyncio.create_subprocess_exec(
        *("nice", "-n", str(GENTLE), sys.executable, "-m", "streams.cli.main", "retention", "--json"),
        env={**os.environ, **as_environment(settings)},  # handed on whole
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        printed, complained = await child.communicate()
    except asyncio.CancelledError:
        child.kill()
        raise
    if child.returncode:
        log.warning("the object store is not looked through: %s", complained.decode(errors="replace")[-500:].strip())
        return False
    log.info("retention: %s", json.dumps(json.loads(printed)))
    _done(mark_file(settings.home))
    return True


def _done(mark: Path) -> None:
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
