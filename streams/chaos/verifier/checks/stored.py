"""Every acknowledged instance is stored, bytes equal, under their own SHA-256; or its study was let go after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.violations import Violation, broken

NAME = "stored"


def check(history: History) -> Iterator[Violation]:
    """An event names the instance, and an object that it names holds exactly the data set that was acknowledged."""
    named, let_go = _named(history), history.let_go
    for study in history.studies:
        for instance, sha256 in sorted(history.acknowledged(study)):
            digests = named.get(instance, {})
            if not digests:
                told = f"instance {instance} was acknowledged, but no event names it: it is lost"
                yield broken(NAME, study, told, effect="lost")
                continue
            if study in let_go and all(event.at < let_go[study] for event in digests.values()):
                continue  # whether it was let go rightly is asked elsewhere
            held = [history.objects[name] for name in digests if name in history.objects]
            if not any(one.dataset_sha256 == sha256 for one in held):
                what = "no object holds its bytes" if held else "the object that its event names is not in the store"
                told = f"instance {instance} was acknowledged as {sha256[:12]}, but {what}"
                yield broken(NAME, study, told, digests.values(), effect="lost")
    for one in history.objects.values():
        if one.name != one.sha256:
            yield broken(NAME, None, f"object {one.name[:12]} no longer has its digest: it holds {one.sha256[:12]}")


def _named(history: History) -> Mapping[str, dict[str, Event]]:
    """Instance to the digests under which events say that it is stored, each with its event."""
    found: dict[str, dict[str, Event]] = defaultdict(dict)
    for event in history.record.of("InstancesStored"):
        for one in event.body["instances"]:
            found[one["instance"]].setdefault(one["digest"], event)
    return found
