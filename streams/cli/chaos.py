"""`wetread chaos`: everything is broken while studies arrive, and the promise is checked afterwards."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from streams.chaos.running import NOT_QUIET, SHORT_MINUTES, Asked, histories, run
from streams.chaos.torments.catalogue import ALL
from streams.chaos.torments.profiles import PROFILES, Profile, usual
from streams.runtime.settings import load

NONE, USUALLY = "none", "usual"
MOST_A_SECOND = 3.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("chaos")(chaos)


def chaos(
    seed: Annotated[int | None, typer.Option(help="Decides what is sent and broken; none: a fresh one.")] = None,
    minutes: Annotated[float, typer.Option(help="How long studies are sent.")] = 5.0,
    rate: Annotated[float, typer.Option(help="Studies a second, at most 3.")] = 1.0,
    profile: Annotated[str, typer.Option(help=f"What falls how often: {', '.join(PROFILES)}.")] = USUALLY,
    only: Annotated[str, typer.Option(help="Torments that may fall, with commas; none: nothing is broken.")] = "",
    older: Annotated[str, typer.Option("--from", help="A commit from which processes begin, until a restart.")] = "",
) -> None:
    """Start a stack of its own, send studies whose answers are known, break what the seed says, and verify."""
    chosen = random.SystemRandom().randrange(1, 10_000) if seed is None else seed
    folder = histories(load()) / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-seed{chosen}"
    home = Path(tempfile.mkdtemp(prefix="wetread-chaos-")) / "home"
    asked = Asked(
        seed=chosen,
        minutes=minutes,
        rate=min(rate, MOST_A_SECOND),
        profile=_profile(profile, only),
        folder=folder,
        home=home,
        short=minutes <= SHORT_MINUTES,
        older=older,
    )
    print(f"seed {chosen}; history in {folder}", flush=True)
    code = run(asked, lambda line: print(line, flush=True))
    if code != NOT_QUIET:  # what hangs is to be looked at
        shutil.rmtree(home.parent, ignore_errors=True)
    if code:
        given = {"--profile": profile, "--only": only, "--from": older}
        options = "".join(f" {name} {value}" for name, value in given.items() if value)
        print(f"again: wetread chaos --seed {chosen} --minutes {minutes:g} --rate {rate:g}{options}")
        print(f"one study's story: python -m streams.chaos.verifier story {folder} UID")
    raise typer.Exit(code)


def _profile(name: str, only: str) -> Profile:
    if name not in PROFILES:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(PROFILES)}")
    if only == NONE:
        return usual(())
    names = _words(only)
    if unknown := [name for name in names if name not in ALL]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(ALL)}")
    if not names:
        return PROFILES[name]()
    chosen = usual(names) if name == USUALLY else PROFILES[name]().only(names)
    if not chosen.torments:
        raise typer.BadParameter(f"nothing of {only} falls in profile {name}")
    return chosen


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
