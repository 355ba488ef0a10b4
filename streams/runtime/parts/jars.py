"""The local Kafka's jars: fetched by jgo from the locked coordinates, and each checked against its digest."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from streams.errors import PartMissing
from streams.runtime.parts.digests import LockedJar, read_jar_lock, sha256_of
from streams.runtime.settings import shipped

ATTEMPTS = 4
AT_ONCE = 4


def jar_spec() -> Path:
    """The committed `jgo.toml`."""
    return shipped("deploy") / "local" / "jgo.toml"


def jar_lock() -> Path:
    """The committed lock beside it."""
    return shipped("deploy") / "local" / "jgo.lock.toml"


def fetch_jars(folder: Path, say: Callable[[str], None]) -> None:
    """Brings every jar of the lock into `folder`; jars that are already there and right are kept.

    Nothing is resolved: the lock names every jar. Neither Maven nor a system's Java is needed.

    Raises:
        PartMissing: a jar could not be fetched, or is not the one that the lock names.
    """
    jars = read_jar_lock(jar_lock())
    for stray in {p.name for p in folder.iterdir()} - {jar.filename for jar in jars}:
        _remove(folder / stray)
    missing = [jar for jar in jars if not _is_right(folder / jar.filename, jar)]
    say(f"Kafka: fetching {len(missing)} of {len(jars)} jars from Maven Central")
    incoming = folder / ".incoming"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(_fetch_jar, jar, incoming, folder) for jar in missing]
        try:
            for done, future in enumerate(waiting, 1):
                future.result()
                if done % 10 == 0 or done == len(waiting):
                    say(f"Kafka: {done} of {len(waiting)} jars")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    shutil.rmtree(incoming, ignore_errors=True)


def _fetch_jar(jar: LockedJar, incoming: Path, folder: Path) -> None:
    error = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(2**attempt)  # a mirror that failed tells nobody when it is well again
        try:
            path = _artifact(incoming, jar).resolve()
        except (OSError, RuntimeError) as failed:  # requests' errors are OSErrors
            error = f"{type(failed).__name__}"
            _artifact(incoming, jar).cached_path.unlink(missing_ok=True)
            continue
        check_jar(path, jar)
        path.replace(folder / jar.filename)
        return
    raise PartMissing(
        f"{jar.filename} could not be fetched from Maven Central ({error}): check the network and run the same again"
    )


def check_jar(path: Path, jar: LockedJar) -> None:
    """Refuses, and removes, a file that is not the locked jar.

    Raises:
        PartMissing: says what to do.
    """
    found = sha256_of(path)
    if found != jar.sha256:
        path.unlink()
        raise PartMissing(
            f"{jar.filename} differs from {jar_lock().name} (SHA-256 {found[:12]} instead of {jar.sha256[:12]}) and "
            "was thrown away: run the same again; if it differs again, what serves Maven Central to this machine "
            "is not to be trusted"
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _is_right(path: Path, jar: LockedJar) -> bool:
    return path.is_file() and sha256_of(path) == jar.sha256


def _artifact(cache: Path, jar: LockedJar) -> Any:
    context = _context(cache)
    return context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier)


def _context(cache: Path) -> Any:
    from jgo.maven import MavenContext  # noqa: PLC0415  # only set-up needs it

    return MavenContext(repo_cache=cache, timeout=60)


def write_jar_lock(cache: Path) -> int:
    """Resolves `jgo.toml` anew and writes its lock; returns how many jars it names."""
    from jgo.env import EnvironmentBuilder, EnvironmentSpec, LockFile  # noqa: PLC0415

    spec = EnvironmentSpec.load(jar_spec())
    context = _context(cache)
    wanted = EnvironmentBuilder(context, cache_dir=cache).spec_to_dependencies(spec)
    named, brought = context.resolver.resolve(wanted)
    everything = {d.artifact.key: d for d in (*named, *(d for d in brought if d.scope in ("compile", "runtime")))}
    lock = LockFile.from_resolved_dependencies(
        sorted(everything.values(), key=lambda d: (d.groupId, d.artifactId)), environment_name=spec.name
    )
    lock.save(jar_lock())
    return len(lock.dependencies)


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as _cache:
        sys.stdout.write(f"{jar_lock().name}: {write_jar_lock(Path(_cache))} jars\n")
