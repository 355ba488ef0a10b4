"""Arming the fault points of a process: by a list in the environment, or one by one from a folder.

A list, WETREAD_FAULT: `event_sent:after:crash:nth=7,model_called:before:stall=5:chance=0.01:seed=3`. Of each fault:
point, side, `crash` (SIGKILL of this process) or `stall=SECONDS` (its thread stands still, and in a worker the event
loop with it); then `nth=N` (the N-th time that this process comes by; default 1) or `chance=P` with `seed=N`; and
`times=N`: how often it may happen in all, over restarts and processes (default: for ever).

A folder, WETREAD_FAULT=ask: a file `HOME/run/faults/POINT.SIDE` (or `PROCESS.POINT.SIDE`, for that process alone) with
`crash` or `stall=5` in it happens to the first process that comes by, once: taking the file away is the claim.

What happened stands in `HOME/run/faults/fired.jsonl`, written before it happens.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from streams.errors import SettingInvalid
from streams.faults.points import BY_TITLE, STATE, Point, Side
from streams.faults.protections import PROTECTIONS, Protection, switch_off

log = logging.getLogger(__name__)

ASK = "ask"
FIRED = "fired.jsonl"
CRASH = "crash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens at one side of one point.

    Attributes:
        stall_s: None: a crash.
        nth: which coming by of this process; None: by chance.
        times: how often in all, over processes and restarts; None: for ever.
    """

    point: Point
    side: Side
    stall_s: float | None = None
    nth: int | None = 1
    chance: float = 0.0
    seed: int = 0
    times: int | None = None

    @property
    def name(self) -> str:
        """Of the place: point and side."""
        return f"{self.point.title}.{self.side}"


def faults_in(text: str) -> tuple[Fault, ...]:
    """A list of faults, as WETREAD_FAULT holds it.

    Raises:
        SettingInvalid: names the fault, and what it takes.
    """
    try:
        return tuple(_fault(part.strip()) for part in text.split(",") if part.strip())
    except (KeyError, ValueError) as error:
        raise SettingInvalid(
            f"WETREAD_FAULT={text!r}: {error}; takes "
            "POINT:before|after:crash|stall=S[:nth=N|:chance=P:seed=N][:times=N], several with commas, "
            f"or {ASK}; points: {', '.join(BY_TITLE)}"
        ) from error


def protections_in(text: str) -> tuple[Protection, ...]:
    """A list of protections, as WETREAD_UNPROTECTED holds it.

    Raises:
        SettingInvalid: there is none of that name.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in PROTECTIONS]
    if unknown:
        raise SettingInvalid(f"WETREAD_UNPROTECTED={text!r}: {unknown[0]} is none of {', '.join(PROTECTIONS)}")
    return tuple(PROTECTIONS[name] for name in names)


def _fault(text: str) -> Fault:
    title, side, action, *options = text.split(":")
    if side not in get_args(Side):
        raise ValueError(f"{side!r} is neither before nor after")
    told = dict(option.split("=", 1) for option in options)
    stall = _stall_of(action)
    chance = float(told.pop("chance", 0.0))
    fault = Fault(
        point=BY_TITLE[title],
        side="before" if side == "before" else "after",
        stall_s=stall,
        nth=None if chance else int(told.pop("nth", 1)),
        chance=chance,
        seed=int(told.pop("seed", 0)),
        times=int(told["times"]) if "times" in told else None,
    )
    told.pop("times", None)
    if told:
        raise ValueError(f"{next(iter(told))} is no option")
    return fault


def _stall_of(action: str) -> float | None:
    word, _, seconds = action.partition("=")
    if word == "stall":
        return float(seconds)
    if action != CRASH:
        raise ValueError(f"{action!r} is neither crash nor stall=SECONDS")
    return None


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True, kw_only=True)
class Armed:
    """The faults of a process, asked at each point; `die` and `stand_still` are a test's own there."""

    folder: Path
    process: str
    faults: Iterable[Fault] = ()
    asks: bool = False
    die: Callable[[], None] = _die
    stand_still: Callable[[float], None] = time.sleep
    _passed: Counter[str] = field(default_factory=Counter)
    _chances: dict[Fault, random.Random] = field(default_factory=dict)

    def reached(self, point: Point, side: Side) -> None:
        """Fail, if it is to happen now."""
        name = f"{point.title}.{side}"
        self._passed[name] += 1
        for fault in self.faults:
            if fault.point is point and fault.side == side and self._is_now(fault) and self._is_left(fault):
                self._happen(name, fault.stall_s)
        if self.asks:
            self._asked(name)

    def _is_now(self, fault: Fault) -> bool:
        if fault.nth is not None:
            return self._passed[fault.name] == fault.nth
        seed = f"{fault.seed} {fault.name} {self.process} {os.getpid()}"
        return self._chances.setdefault(fault, random.Random(seed)).random() < fault.chance

    def _is_left(self, fault: Fault) -> bool:
        """Claim one of its times, over all processes: each is a file that only one can make."""
        for number in range(fault.times or 0):
            try:
                (self.folder / f"{fault.name}.{number}.spent").open("x").close()
            except FileExistsError:
                continue
            return True
        return fault.times is None

    def _asked(self, name: str) -> None:
        for wish in (self.folder / f"{self.process}.{name}", self.folder / name):
            claimed = self.folder / f".{self.process}.{os.getpid()}.{name}"
            try:
                wish.rename(claimed)
            except FileNotFoundError:
                continue
            action = claimed.read_text().strip()
            claimed.unlink()
            self._happen(name, _stall_of(action))

    def _happen(self, name: str, stall_s: float | None) -> None:
        action = CRASH if stall_s is None else f"stall={stall_s:g}"
        point, _, side = name.rpartition(".")
        said = {
            "at": datetime.now(UTC).isoformat(),
            "mono": time.monotonic(),
            "process": self.process,
            "pid": os.getpid(),
            "point": point,
            "side": side,
            "action": action,
        }
        with (self.folder / FIRED).open("a") as fired:
            fired.write(json.dumps(said) + "\n")
        log.warning("a fault that was asked for: %s at %s", action, name)
        if stall_s is None:
            self.die()
        else:
            self.stand_still(stall_s)


def arm(home: Path, process: str, fault: str | None, unprotected: Iterable[Protection]) -> None:
    """From now on this process fails as it was asked to; nothing where nothing was asked."""
    for protection in unprotected:
        log.critical("WITHOUT %s, FOR A SELF-TEST OF CHAOS: %s", protection.title, protection.without)
        switch_off(protection)
    if not fault:
        return
    folder = home / "run" / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    asks = fault == ASK
    faults = () if asks else faults_in(fault)
    STATE.reached = Armed(folder=folder, process=process, faults=faults, asks=asks).reached
    log.critical("THIS PROCESS FAILS WHERE IT IS ASKED TO (WETREAD_FAULT=%s)", fault)


def disarm() -> None:
    """Nothing is asked at any point."""
    STATE.reached = None
