"""A whole run: the stack, the sender, the tormentor; then quiet, the history, the verifier."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import platform
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from streams import __version__
from streams.adapters.kafka_lag import lag
from streams.chaos import collecting, ending
from streams.chaos.history import History, moment
from streams.chaos.older import laid_out
from streams.chaos.sampling import Sampler
from streams.chaos.site import Site, Wishes, standing
from streams.chaos.studies import model
from streams.chaos.studies.others import Others
from streams.chaos.studies.plan import Study, study
from streams.chaos.studies.sending import Sender
from streams.chaos.torments.catalogue import digest
from streams.chaos.torments.on_processes import FAKETIME
from streams.chaos.torments.profiles import Profile
from streams.chaos.torments.standin import StandIn
from streams.chaos.torments.struck import Tools
from streams.chaos.torments.tormentor import Tormentors
from streams.chaos.watching import Watch, beside, watching
from streams.errors import BrokerAway
from streams.flow import PARTITIONS
from streams.runtime.models.judging import judgement
from streams.runtime.parts.ports import claim_ports
from streams.runtime.settings import Settings
from streams.runtime.wiring import GROUPS, pseudonym

SENT_WITHIN_S, QUIET_WITHIN_S, LOOK_EVERY_S = 180.0, 420.0, 1.0
BAD_FILES_EVERY_S = 20.0
ENDS_WITHIN_S, SHORT_ENDS_WITHIN_S = 2400.0, 1000.0
"""Beyond the minutes in which is sent: all patiences together, spent to the last; then the run ends itself."""
NOT_QUIET = 3
NEVER_READ = 40
"""Where studies leave: they stay to the end, whatever becomes of the others."""
LOOKS = 3
"""So often in a row nothing moves."""
SHORT_MINUTES = 3.0
"""In a run this short no torment lasts longer than 15 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A run as it was asked for.

    Attributes:
        profile: what may fall, and how often.
        unprotected: protections that are off.
        older: the commit from which processes begin, until they are restarted; empty: this build.
        folder: of the history; home: of the stack.
    """

    seed: int
    minutes: float
    rate: float
    profile: Profile
    folder: Path
    home: Path
    unprotected: tuple[str, ...] = ()
    short: bool = False
    older: str = ""

    @property
    def ends_within_s(self) -> float:
        """When all its patiences are spent."""
        return self.minutes * 60 + (SHORT_ENDS_WITHIN_S if self.short else ENDS_WITHIN_S)


@dataclass(slots=True)
class Run:
    """What happens while the stack stands."""

    asked: Asked
    site: Site
    history: History
    say: Callable[[str], None]
    sent: dict[str, Study] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)

    async def go(self) -> dict[str, Any]:
        """Send, torment, wait until nothing moves; how it ended."""
        settings, chance = self.site.settings, random.Random(f"{self.asked.seed}/others")
        others = Others(settings.inbox, self.site.kafka, pseudonym(settings), self.history)
        stand_in, port = StandIn(), claim_ports(settings.home, ["stand_in"])["stand_in"]
        stand_in.start(port)
        sender = Sender(self.site.door, self.history, settings.home / "outgoing", self._finished)
        tools = Tools(
            site=self.site, others=others, stand_in=stand_in, stand_in_port=port, short=self.asked.short,
            chance=random.Random(self.asked.seed),
        )  # fmt: skip
        tormentor = Tormentors(tools, self.history, self.asked.seed, self.asked.profile.lanes)
        self._plan()
        sampler = Sampler(self.site, self.history)
        sender.start()
        tormentor.start()
        try:
            async with watching(self.site.kafka) as following, beside(self._say_on(following, others)):
                await self._send_all(sender, others, chance)
                until = moment()
                await asyncio.to_thread(tormentor.stop)
                acknowledged = await asyncio.to_thread(sender.idle, SENT_WITHIN_S)
                if not acknowledged:
                    self.say(f"{len(sender.under_way)} studies were not acknowledged in time")
                self.site.calm()
                quiet = await self._quiet(following)
                pending = self._open(following)
        finally:
            await asyncio.to_thread(tormentor.stop)
            await asyncio.to_thread(sender.stop)
            sampler.stop()
            stand_in.stop()
        return {
            "sent_until": until, "quiet_at": moment() if quiet else None, "pending": pending,
            "sent_studies": len(self.sent), "torments": tormentor.fallen,
        }  # fmt: skip

    def _finished(self, done: Study) -> None:
        self.whole.add(done.study)

    def _plan(self) -> None:
        policies, _ = judgement(self.site.settings)
        waits, kept = policies.waiting, self.asked.profile.retention
        self.history.whole(
            "plan.json",
            {
                "schema": 1, "seed": self.asked.seed, "minutes": self.asked.minutes, "rate": self.asked.rate,
                "profile": self.asked.profile.name,
                "older": self.asked.older or None,
                "torments": list(self.asked.profile.torments), "protections_off": list(self.asked.unprotected),
                "partitions": PARTITIONS, "began_at": moment(), "mono": time.monotonic(),
                "catalogue": digest(self.asked.profile.torments),
                "model": {"name": model.NAME, "finding": model.FINDING, "threshold": model.THRESHOLD,
                          "versions": list(model.SLOPES), "digests": self.site.digests},
                "score": {"slope": model.SLOPE, "middle": model.MIDDLE, "slopes": model.SLOPES},
                "alerts_on": list(policies.alerts.findings),
                "waits": {"by_priority": waits.by_priority, "by_finding": waits.by_finding,
                          "no_ai_after_s": waits.no_ai_after_s},
                "topics": list(ending.EVERYTHING), "unordered": policies.routing.unordered,
                "ended_s": kept.ended_days * 86_400 if kept else None,
            },
        )  # fmt: skip

    async def _send_all(self, sender: Sender, others: Others, chance: random.Random) -> None:
        began, number = time.monotonic(), 1
        next_bad = BAD_FILES_EVERY_S
        while (now := time.monotonic() - began) < self.asked.minutes * 60:
            upcoming = study(self.asked.seed, number, self.asked.rate)
            if upcoming.at_s > now:
                await asyncio.sleep(min(upcoming.at_s - now, LOOK_EVERY_S))
                continue
            number += 1
            await asyncio.to_thread(self._begin, upcoming, sender, others)
            if now > next_bad:
                next_bad = now + BAD_FILES_EVERY_S
                await asyncio.to_thread(others.bad_file, chance)

    def _begin(self, one: Study, sender: Sender, others: Others) -> None:
        who, names = one.who, others.pseudonyms
        patient = names.patient(who.patient_id, "", one.study)
        self.history.line("studies", one.line(patient, names.order(who.accession)))
        self.sent[one.study] = one
        if one.priority and one.order_first:
            others.order(one)
        sender.take(one)
        if one.priority and not one.order_first:
            others.order(one)

    async def _say_on(self, following: Watch, others: Others) -> None:
        """What people do with studies that have ended; until it is cancelled."""
        while True:
            for uid in sorted(self.whole - self.said):
                one, line = self.sent[uid], following.ledger.lines.get(uid)
                wanted, words = len({i.instance for i in one.instances}), self._words(one)
                if words and (line is None or not line.settled or len(line.instances) < wanted):
                    continue
                try:
                    for said in words:
                        await asyncio.to_thread(others.say, one, said)
                except Exception as error:  # noqa: BLE001  # the broker is away: what was not taken is not written down
                    self.say(f"could not be said of study {one.number}: {type(error).__name__}")
                self.said.add(uid)
            await asyncio.sleep(LOOK_EVERY_S)

    def _words(self, one: Study) -> tuple[str, ...]:
        """What people do with it, in turn; where studies are to leave, all are read but the first ones."""
        read = self.asked.profile.retention is not None and one.number > NEVER_READ and one.said != "read"
        return (*((one.said,) if one.said else ()), *(("read",) if read else ()))

    async def _quiet(self, following: Watch) -> bool:
        """Wait until every study has its outcome and no group lags; False: not in time."""
        end, still = time.monotonic() + QUIET_WITHIN_S, 0
        while time.monotonic() < end and still < LOOKS:
            busy = bool(self._open(following) or self.whole - self.said)
            moves = busy or await asyncio.to_thread(self._lag) > 0
            still = 0 if moves else still + 1
            await asyncio.sleep(LOOK_EVERY_S)
        return still == LOOKS

    def _open(self, following: Watch) -> list[str]:
        waiting = []
        for uid, one in self.sent.items():
            line = following.ledger.lines.get(uid)
            wanted = len({i.instance for i in one.instances}) if uid in self.whole else 0
            if (line is None and wanted) or (line and (not line.settled or len(line.instances) < wanted)):
                waiting.append(uid)
        return waiting

    def _lag(self) -> int:
        try:
            return sum(lag(self.site.kafka, GROUPS).values())
        except BrokerAway:
            return 1


def run(asked: Asked, say: Callable[[str], None]) -> int:
    """The run, its history and its verdict.

    Returns:
        0: no violation; 1: some, or it hung (where each thread stands is told); 2: the history is no whole one; 3: it
        did not fall quiet, nothing was broken in it, or a part could not be read at the end.
    """
    history = History(asked.folder)
    collector = collecting.Collector(history)
    older = asked.home.with_name("older") if asked.older else None
    if older is not None:
        say(f"processes begin from {laid_out(asked.older, older)}")
    wishes = Wishes(
        home=asked.home, seed=asked.seed, unprotected=asked.unprotected, otlp=collector.endpoint,
        longest_pause=asked.profile.longest_pause_s, older=older, retention=asked.profile.retention,
    )  # fmt: skip
    faulthandler.dump_traceback_later(asked.ends_within_s, exit=True)  # the guardian ends the stack then
    _tell_what_is_missing(asked, say)
    with standing(wishes, history, say) as site:
        say(f"the stack stands in {asked.home}; {asked.minutes:g} minutes at {asked.rate:g} studies a second")
        ended = asyncio.run(Run(asked, site, history, say).go())
        say(
            "quiet; the history is written" if ended["quiet_at"] else f"not quiet: {len(ended['pending'])} studies open"
        )
        read = ending.everything(site, history, say)
    collector.stop()
    collecting.dump_objects(asked.home / "objects", history)
    collecting.keep_logs(asked.home, history)
    machine = {"cores": os.cpu_count(), "memory_bytes": psutil.virtual_memory().total, "system": platform.platform()}
    history.whole(
        "run.json",
        {
            "ended_at": moment(), **ended, "build": __version__, "machine": machine, "stack": str(asked.home),
            "points": collecting.crashes(asked.home),
        },
    )  # fmt: skip
    whole = ended["quiet_at"] and read and ending.fell(asked.profile.torments, sum(ended["torments"].values()), say)
    code = ending.verified(asked.folder, say) or (0 if whole else NOT_QUIET)
    faulthandler.cancel_dump_traceback_later()
    return code


def _tell_what_is_missing(asked: Asked, say: Callable[[str], None]) -> None:
    if any(name.endswith(".clock") for name in asked.profile.torments) and not Path(FAKETIME).is_file():
        say(f"{FAKETIME} is not here (Debian: faketime): no clock is set apart in this run")


def histories(settings: Settings) -> Path:
    """The folder in which this home keeps its histories."""
    return settings.home / "chaos"
