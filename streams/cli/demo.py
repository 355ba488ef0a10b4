"""`wetread demo`: the main job on the real parts, drawn as it happens."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from streams.adapters.dicom_scu import Sent
from streams.cli import tables
from streams.cli.mark import say
from streams.cli.send import result_rows
from streams.cli.watch import draw, screen
from streams.events.imaging import Priority
from streams.events.watching import ReportSigned
from streams.phantom.cases import WrittenCase
from streams.phantom.stamping import stamp_all
from streams.phantom.writing import write_demo
from streams.runtime.record.following import Following
from streams.runtime.sending import Delivery, Offer, deliver, offer, order_for, pending, settled
from streams.runtime.settings import Settings, load
from streams.runtime.stack.services import Say, running_stack
from streams.runtime.wiring import Connected, connected

WAVE_PAUSE_S = 2.0
"""Between the associations of one study: late slices come later than the first reading is asked for."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo")(demo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One study of the demo: its name, its order, and its associations in order."""

    name: str
    priority: Priority | None
    waves: tuple[Offer, ...]
    case: WrittenCase | None = None

    @property
    def whole(self) -> Offer:
        """All its associations together."""
        return Offer(
            files=tuple(f for wave in self.waves for f in wave.files),
            others=tuple(p for wave in self.waves for p in wave.others),
        )


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the table.")] = False,
    folder: Annotated[Path | None, typer.Option("--from", exists=True, help="Send this DICOM instead.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the last outcome.")] = 300.0,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the rows of the table here.")] = None,
) -> None:
    """Start the stack if it is not running, send studies by C-STORE, show worklist and alerts as they happen."""
    code = 1
    with suppress(KeyboardInterrupt):
        code = asyncio.run(_demo(once, folder, timeout, as_json))
    raise typer.Exit(code)


async def _demo(once: bool, folder: Path | None, timeout: float, as_json: Path | None) -> int:
    settings, console = load(), Console()

    def tell(text: str) -> None:
        console.print(text, style="dim", markup=False)

    making = asyncio.create_task(asyncio.to_thread(_made, settings, folder, tell))
    async with (
        running_stack(settings, tell),
        connected(settings) as parts,
        Following(parts.log) as following,
    ):
        await _clear_the_list(settings, parts)
        sendings = await asyncio.to_thread(_sendings, settings, folder, await making)
        rows, wrong = await _show(sendings, settings, parts, following, timeout)
        console.print()
        console.print(tables.outcomes(rows))
        for sentence in wrong:
            console.print(sentence, style="bold red", markup=False)
        if as_json:
            await asyncio.to_thread(as_json.write_text, json.dumps(rows, indent=2, default=str))
        if not once:
            console.print("Watching for arrivals; Ctrl-C ends.")
            await _go_on(following, _names(sendings))
    return 1 if wrong else 0


def _made(settings: Settings, folder: Path | None, tell: Say) -> tuple[WrittenCase, ...]:
    """The demo's studies on disk: made by the first demo while the stack starts, found by later ones."""
    if folder:
        return ()
    return write_demo(settings.home / "demo" / "made", progress=lambda case: tell(f"drawn: {case.name}"))


def _sendings(settings: Settings, folder: Path | None, made: Sequence[WrittenCase]) -> list[Sending]:
    if folder:
        return [Sending(name="", priority=None, waves=(offer([folder]),))]
    run = datetime.now(UTC).isoformat()
    fresh = _sent_folder(settings)
    shutil.rmtree(fresh, ignore_errors=True)
    return [
        Sending(
            name=written.case.name,
            priority=written.case.priority,
            waves=tuple(offer(w) for w in stamp_all(written.waves, fresh / str(written.case.number), run)),
            case=written,
        )
        for written in made
    ]


def _sent_folder(settings: Settings) -> Path:
    return settings.home / "demo" / "sent"


async def _clear_the_list(settings: Settings, parts: Connected) -> None:
    """What an earlier demo sent counts as read, so that each demo begins with an empty list."""
    before = await asyncio.to_thread(offer, [_sent_folder(settings)])
    for study in before.studies:
        await say(parts.log, ReportSigned(study=study, by="wetread demo"), study)


def _names(sendings: Iterable[Sending]) -> dict[str, str]:
    return {study: s.name for s in sendings if s.name for wave in s.waves for study in wave.studies}


async def _show(
    sendings: Sequence[Sending], settings: Settings, parts: Connected, following: Following, timeout: float
) -> tuple[list[dict[str, Any]], list[str]]:
    names = _names(sendings)
    with Live(screen(following, names), auto_refresh=False) as live:
        drawing = asyncio.create_task(_draw(live, following, names))
        deliveries = [await _send(s, settings, parts, following) for s in sendings]
        whole = Delivery(
            sent=[x for d in deliveries for x in d.sent],
            dropped={k: v for d in deliveries for k, v in d.dropped.items()},
        )
        ended = await settled(following, whole, timeout)
        drawing.cancel()
        live.update(screen(following, names), refresh=True)
    rows = [
        {**row, "name": sending.name or None, "case": sending}
        for sending, delivery in zip(sendings, deliveries, strict=True)
        for row in result_rows(following, sending.whole, delivery)
    ]
    wrong = _wrong(rows, following, whole, ended)
    return [{k: v for k, v in row.items() if k != "case"} for row in rows], wrong


async def _draw(live: Live, following: Following, names: Mapping[str, str]) -> None:
    while True:
        await draw(live, following, names)


async def _send(sending: Sending, settings: Settings, parts: Connected, following: Following) -> Delivery:
    sent: list[Sent] = []
    dropped: dict[str, Path] = {}
    for number, wave in enumerate(sending.waves):
        if number:
            await following.until(lambda: _read_once(following, sending), WAVE_PAUSE_S)
        elif sending.priority:
            await order_for(parts.log, settings, wave.files, sending.priority)
        delivery = await deliver(wave, settings)
        sent += delivery.sent
        dropped |= delivery.dropped
    return Delivery(sent=sent, dropped=dropped)


def _read_once(following: Following, sending: Sending) -> bool:
    studies = {study for wave in sending.waves for study in wave.studies}
    lines = [following.ledger.lines.get(study) for study in studies]
    return all(line is not None and line.outcome is not None for line in lines)


def _wrong(rows: Sequence[Mapping[str, Any]], following: Following, delivery: Delivery, ended: bool) -> list[str]:
    """What the demo promises and did not keep, in sentences."""
    found = [] if ended else [f"Not ended in time: {', '.join(pending(following, delivery))}"]
    found += [f"The door refused {s.file.path.name}: {s.comment}" for s in delivery.refused]
    for row in rows:
        written: WrittenCase | None = row["case"].case
        if row["outcome"] == "open":
            found.append(f"{row['name']}: no outcome")
        if written is None:
            continue
        found += _kept(written, row)
    return found


def _kept(written: WrittenCase, row: Mapping[str, Any]) -> list[str]:
    case, alerts, found = written.case, len(row["alerts"]), []
    if row["outcome"] not in {case.expect_outcome, *case.also_right}:
        found.append(f"{case.name}: ended {row['outcome']}, {case.expect_outcome} was planted")
    if case.expect_alert and alerts != 1:
        found.append(f"{case.name}: {alerts} alerts for a bleed of {written.true_ml or 0:.0f} ml")
    if case.bleed is None and alerts:
        found.append(f"{case.name}: an alert, and no bleed was planted")
    return found


async def _go_on(following: Following, names: Mapping[str, str]) -> None:
    with Live(screen(following, names), auto_refresh=False) as live:
        while True:
            await draw(live, following, names)
