"""`wetread models`: what reads here, how another comes in, and in which role each answers; live."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streams.adapters.contract_files import ModelFolder, read_model
from streams.adapters.importing.bringing import Tools, Wishes, bring
from streams.adapters.importing.onnx_files import LARGEST_MB
from streams.adapters.model_store import SHIPPED
from streams.adapters.onnx_trial import Bench
from streams.errors import ModelRefused, WetreadError
from streams.runtime.models import roles
from streams.runtime.models.judging import judgement, model_server, model_store
from streams.runtime.models.roles import Decided
from streams.runtime.settings import Settings, load
from streams.runtime.wiring import parts_settings

Name = Annotated[str, typer.Argument(help="The model, as `wetread models list` names it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Version = Annotated[str | None, typer.Option("--version", help="A version that is kept; none: the one that answers.")]
COLUMNS = ("model", "version", "digest", "role", "reads", "finding", "threshold", "state")


def register(app: typer.Typer) -> None:
    """Add the verb and its own verbs."""
    group = typer.Typer(invoke_without_command=True, help=__doc__)
    group.callback()(models)
    for name, verb in (
        ("list", list_models), ("show", show), ("add", add), ("check", check), ("enable", enable),
        ("shadow", shadow), ("disable", disable), ("rollback", rollback),
    ):  # fmt: skip
        group.command(name)(verb)
    app.add_typer(group, name="models")


def models(context: typer.Context, as_json: Json = False) -> None:
    """What reads here, how another comes in, and in which role each answers; alone, it lists."""
    if context.invoked_subcommand is None:
        list_models(as_json=as_json)


def list_models(as_json: Json = False) -> None:
    """Each model: version, digest, role, what it needs, its threshold, and its state on the model server."""
    rows = asyncio.run(_rows(load()))
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in COLUMNS:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(row[c])[:12] if c == "digest" else str(row[c]) for c in COLUMNS))
    Console().print(table)


def show(name: Name, as_json: Json = False) -> None:
    """One model: its card, every version that is kept with its digest, and what was decided about it."""
    settings = load()
    store, folder = model_store(settings), roles.known(settings, name)
    versions = {v: store.version(name, v).digest for v in store.versions(name)}
    answering = store.serving().versions.get(name, SHIPPED)
    card = folder.path / "card.md"
    told = {
        "model": name,
        "title": folder.contract.title,
        "role": roles.role_of(settings, name),
        "answers": answering,
        "versions": versions,
        "decided": store.history(name),
        "card": card.read_text() if card.is_file() else "",
    }
    if as_json:
        print(json.dumps(told, indent=2))
        return
    print(f"{name}: {told['title']}\nrole {told['role']}, version {answering} answers\n")
    for version, digest in versions.items():
        print(f"  {version:12} {digest}")
    for said in store.history(name):
        print(f"  {said['at'][:19]}  {said['what']}")
    print(f"\n{told['card']}")


def add(
    source: Annotated[Path, typer.Argument(help="An ONNX or TorchScript file, a MONAI bundle, or a model folder.")],
    name: Annotated[str | None, typer.Option(help="What it is to be called.")] = None,
    said: Annotated[Path | None, typer.Option("--with", help="The model.toml that says what it does not.")] = None,
    ignore: Annotated[list[str], typer.Option(help="A transform or argument of a bundle that may be left out.")] = [],  # noqa: B006
    largest_mb: Annotated[int, typer.Option(help="Up to this size a model is taken.")] = LARGEST_MB,
    as_json: Json = False,
) -> None:
    """Make a model folder of what somebody brings, and keep it; a new model begins in role shadow."""
    settings = load()
    wishes = Wishes(name=name, said=said, ignored=frozenset(ignore), largest_mb=largest_mb)
    store = model_store(settings)
    with tempfile.TemporaryDirectory(prefix="wetread-model-") as scratch:
        folder = bring(source.absolute(), Path(scratch), wishes, _tools(settings))
        taken = folder.name
        _check_body_part(settings, folder)
        is_new = taken not in store.models()
        version = store.keep(folder)
    if is_new:
        _tell(roles.set_role(settings, taken, roles.SHADOW, version), as_json=as_json)
        return
    held = store.version(taken, version)
    if as_json:
        print(json.dumps({"model": taken, "version": version, "digest": held.digest, "role": "kept"}, indent=2))
        return
    print(
        f"{taken} version {version} ({held.digest[:12]}) is kept; another version answers until "
        f"`wetread models enable {taken} --version {version}` (or shadow)"
    )


def check(
    name: Name,
    dicom: Annotated[Path | None, typer.Option(help="A folder of DICOM to read as well.", exists=True)] = None,
    version: Version = None,
    parts: Annotated[
        int | None, typer.Option(min=1, help="Ask it so many parts of each series only: its time.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="By then it ends; what is left is told.")] = 900.0,
    as_json: Json = False,
) -> None:
    """Run a model's contract on a phantom and on DICOM: shapes, kinds, units, time, memory, repetition, NaN, canary."""
    from streams.runtime.models.trials import Bounds, checked  # noqa: PLC0415  # phantoms and decoders, only here

    settings = load()
    folder = model_store(settings).version(name, version) if version else roles.known(settings, name)
    waiting = Console(stderr=True)
    waiting.print(f"{name} is tried on one core, for {seconds:.0f} s at most")
    bounds = Bounds(seconds=seconds, parts=parts)
    told = checked(folder, _tools(settings).bench, dicom, bounds, lambda line: waiting.print(f"  {line} ..."))
    if as_json:
        print(json.dumps([asdict(one) for one in told], indent=2))
    else:
        table = Table(box=box.SIMPLE_HEAD)
        for column in ("what", "holds", "model", "before it", "memory", "says"):
            table.add_column(column)
        for one in told:
            times = (f"{one.seconds:.2f} s", f"{one.pixels_seconds:.2f} s", f"{one.megabytes} MB")
            table.add_row(one.series, "yes" if one.ok else "NO", *times, one.says)
        Console().print(table)
    if not all(one.ok for one in told):
        raise typer.Exit(1)


def enable(name: Name, version: Version = None, as_json: Json = False) -> None:
    """From the next study on the model's findings move the worklist and alert."""
    _tell(roles.set_role(load(), name, roles.LIVE, version), as_json=as_json)


def shadow(name: Name, version: Version = None, as_json: Json = False) -> None:
    """From the next study on its results are recorded and shown as such; they move nobody."""
    _tell(roles.set_role(load(), name, roles.SHADOW, version), as_json=as_json)


def disable(name: Name, as_json: Json = False) -> None:
    """From the next study on it is not asked; what it has been asked, it still answers."""
    _tell(roles.set_role(load(), name, roles.OFF), as_json=as_json)


def rollback(name: Name, as_json: Json = False) -> None:
    """The version that answered before answers again, from the next reading on."""
    _tell(roles.roll_back(load(), name), as_json=as_json)


def _tell(decided: Decided, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(decided), indent=2))
        return
    version, role = decided.before
    since = "from the next study on" if decided.loaded or decided.role == "off" else "once Wetread is up"
    print(
        f"{decided.model}: {decided.role} in version {decided.version} ({decided.digest[:12]}) {since}; "
        f"before: {role} in version {version}"
    )


def _tools(settings: Settings) -> Tools:
    fetched = parts_settings(settings).fetched
    torch = (fetched / "torch" / "bin" / "python", settings.home / "train-venv" / "bin" / "python")
    return Tools(bench=Bench(python=fetched / "models" / "bin" / "python"), torch=torch)


def _check_body_part(settings: Settings, folder: Path) -> None:
    part = read_model(folder).contract.needs.body_part
    known = judgement(settings)[0].routing.body_parts
    if part not in known:
        raise ModelRefused(f"body_part '{part}' is no name of routing.toml: {', '.join(known)} are known")


async def _rows(settings: Settings) -> list[dict[str, Any]]:
    policies, _ = judgement(settings)
    store = model_store(settings)
    serving, roles = store.serving(), policies.routing.roles
    rows = []
    async with model_server(settings) as server:
        for name, folder in store.models(serving).items():
            served = store.served(serving).get(folder.asked_as)
            try:
                await server.ready((served or folder).contract)
                state = "ready: answered its canary"
            except WetreadError as error:
                state = str(error)
            row = _row(folder, roles, policies.routing.thresholds, state)
            rows.append(row | {"keeps": list(store.versions(name))})
    return rows


def _row(folder: ModelFolder, roles: dict[str, str], thresholds: dict[str, float], state: str) -> dict[str, Any]:
    contract = folder.contract
    needs = contract.needs
    return {
        "model": contract.name,
        "version": contract.version,
        "digest": folder.digest,
        "title": contract.title,
        "role": roles.get(contract.name, contract.role),
        "reads": f"{'/'.join(needs.modality)} {needs.body_part}, {needs.orientation}, {needs.coverage_mm:.0f} mm",
        "finding": contract.finding.name,
        "threshold": thresholds.get(contract.name, contract.finding.threshold),
        "state": state,
    }
