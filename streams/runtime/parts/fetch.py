"""Fetches the parts of the local stack; can be interrupted at any point and run again, and is silent once whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from streams.errors import PartMissing
from streams.runtime.parts import digests, jars, kafka_cache, wheels
from streams.runtime.parts.programs import java, redis_server
from streams.runtime.parts.settings import PartsSettings


@dataclass(frozen=True, slots=True)
class Fetched:
    """One thing that is fetched: its name, folder, the locks that decide its version, and how it is filled."""

    name: str
    folder: Path
    version: str
    fill: digests.Fill

    @property
    def whole(self) -> bool:
        """Whether it is there, complete and of the locked version."""
        return digests.is_whole(self.folder, self.version)


def wanted_parts(settings: PartsSettings) -> tuple[Fetched, ...]:
    """What these settings need; a part that runs elsewhere needs nothing."""
    root = settings.fetched
    wanted: list[Fetched] = []
    if settings.kafka is None:
        lock = digests.digest_of(jars.jar_lock())
        wanted += [
            Fetched("kafka", root / "kafka", lock, jars.fetch_jars),
            Fetched("kafka-start", root / kafka_cache.FOLDER, kafka_cache.version(lock), kafka_cache.fill(root)),
        ]
    if settings.triton is None:
        server, models = wheels.server_lock(), wheels.models_lock()
        python = wheels.PYTHON
        wanted += [
            Fetched("triton", root / "triton", f"{digests.digest_of(server)} {python}", wheels.fetch_server),
            Fetched(
                "models", root / "models", f"{digests.digest_of(models)} {python}", wheels.fetch_models_environment
            ),
        ]
    return tuple(wanted)


def ensure_parts(home: Path, say: Callable[[str], None], settings: PartsSettings | None = None) -> None:
    """Brings everything that the local stack needs; does nothing, without network, once all is there.

    Args:
        home: the stack's folder; parts come into `home/parts`.
        say: is given lines of progress for a person.
        settings: which parts are wanted, and whether they lie elsewhere; None: all of them, in `home`.

    Raises:
        PartMissing: one sentence: what is missing and which command mends it.
    """
    chosen = settings or PartsSettings(home=home)
    if chosen.kafka is None:
        java()
    if chosen.redis is None:
        redis_server()
    if chosen.triton is None:
        wheels.libpython_folder()
    wanted = wanted_parts(chosen)
    if all(part.whole for part in wanted):
        return
    with digests.one_at_a_time(chosen.fetched, lambda: say("another set-up is at work here: waiting for it")):
        for part in wanted:
            if not part.whole:
                digests.make_whole(part.folder, part.version, partial(part.fill, say=say))
    say("the parts are complete")


def missing_parts(settings: PartsSettings) -> tuple[str, ...]:
    """One sentence for each thing that is not there, with the command that mends it; for `wetread doctor`."""
    sentences = [
        f"{part.name} is not fetched, or of another version: wetread doctor --mend"
        for part in wanted_parts(settings)
        if not part.whole
    ]
    checks: list[Callable[[], object]] = []
    checks += [java] if settings.kafka is None else []
    checks += [redis_server] if settings.redis is None else []
    checks += [wheels.libpython_folder] if settings.triton is None else []
    for check in checks:
        try:
            check()
        except PartMissing as missing:
            sentences.append(str(missing))
    return tuple(sentences)
