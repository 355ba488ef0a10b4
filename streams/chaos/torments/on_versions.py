"""Torments of the model's version: changed as it is to be done, and laid over the other behind the readers' backs."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from streams.chaos.site import BROUGHT, waited
from streams.chaos.studies.model import NAME, OTHER, VERSION, write_model
from streams.chaos.torments.struck import PATIENCE_S, Struck, Tools
from streams.errors import ModelRefused, ModelServerAway
from streams.runtime.models import roles
from streams.runtime.models.judging import model_store
from streams.runtime.parts.triton import load_model, unload_model

HOLDERS = ("worker", "reader")
"""Kinds of process that hold contracts."""


def changed(tools: Tools) -> Struck | None:
    """Another version answers, as `wetread models enable` does it, and then the one of before again (`rollback`)."""
    settings = tools.site.settings
    store = model_store(settings)
    try:
        if OTHER not in store.versions(NAME):
            store.keep(settings.home / BROUGHT / NAME)
        roles.set_role(settings, NAME, roles.LIVE, OTHER)
    except (ModelRefused, ModelServerAway):
        return None  # the model server is away: nothing has changed

    def back() -> bool:
        with suppress(ModelRefused, ModelServerAway):
            roles.roll_back(settings, NAME)
            return True
        return False

    return Struck(
        target="triton", seconds=tools.lasting(5, 25), recovered=lambda: waited(back, PATIENCE_S, 1.0), note=OTHER
    )


def laid_over(tools: Tools) -> Struck:
    """The files of another version laid over the model's own and loaded under its name, and later put right.

    Who held the contract of before must take no answer meanwhile; who was started meanwhile holds the other one, and is
    started again at the end, as whoever changes files so has to do it.
    """
    site, models = tools.site, tools.site.settings.models
    holders = {name: site.life(name).pid for kind in HOLDERS for name in site.names(kind)}
    unload_model(site.triton, NAME)
    _lay(models, OTHER)
    with suppress(ModelRefused):  # it is away: it loads what lies there when it starts
        load_model(site.triton, NAME)

    def heal() -> None:
        unload_model(site.triton, NAME)
        _lay(models, VERSION)

    def back() -> bool:
        with suppress(ModelRefused):
            load_model(site.triton, NAME)
            return True
        return False

    def recovered() -> bool:
        well = waited(back, PATIENCE_S, 1.0)
        for name in (name for kind in HOLDERS for name in site.names(kind)):
            if site.life(name).pid != holders.get(name):
                site.signal(name, signal.SIGTERM)
        return well

    return Struck(target="triton", seconds=tools.lasting(5, 20), heal=heal, recovered=recovered, note=OTHER)


def _lay(models: Path, version: str) -> None:
    """In one step for whoever reads the folder."""
    fresh, old = models.with_name("fresh"), models.with_name("old")
    made = write_model(fresh, version)
    (models / NAME).rename(old)
    made.rename(models / NAME)
    for path in sorted(old.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    old.rmdir()
