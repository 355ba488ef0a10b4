"""Only what is bad is set aside: each poison event and bad file with its bytes and its reason, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.violations import Violation, broken

NAME = "set-aside"
TOPIC, PARTITION, OFFSET = "wetread-source-topic", "wetread-source-partition", "wetread-source-offset"
OBJECT, REASON = "wetread-object", "wetread-reason"


def check(history: History) -> Iterator[Violation]:
    """Letters by where they came from: an event's place, or a door's object."""
    letters = {place: letter for letter in history.letters if (place := source(letter)) is not None}
    of_objects = {letter.headers[OBJECT]: letter for letter in history.letters if letter.headers.get(OBJECT)}
    for event in history.poison:
        letter = letters.get((event.topic, event.partition, event.offset))
        if letter is None:
            yield broken(NAME, event.study, "a poison event was neither refused nor set aside", [event])
        elif letter.text != event.text:
            yield broken(NAME, event.study, "a dead letter does not hold its event's bytes", [event, letter])
    yield from _files(history, set(of_objects))
    yield from _good(history, letters)
    for letter in history.letters:
        if not letter.headers.get(REASON):
            yield broken(NAME, letter.study, "a dead letter gives no reason", [letter])


def source(letter: Event) -> tuple[str, int, int] | None:
    """Where the event of a dead letter stood; None: it comes from a door."""
    if not letter.headers.get(OFFSET, "").isdigit():
        return None
    return letter.headers[TOPIC], int(letter.headers[PARTITION]), int(letter.headers[OFFSET])


def _files(history: History, set_aside: set[str]) -> Iterator[Violation]:
    """A bad file ends in the dead letters, or in the store as an instance like any other."""
    named = {i["digest"] for event in history.record.of("InstancesStored") for i in event.body["instances"]}
    bad = {str(other.said["sha256"]) for other in history.others if other.what == "bad-file"}
    for sha256 in sorted(bad - set_aside - named):
        yield broken(NAME, None, f"the bad file {sha256[:12]} was taken from the folder and never heard of again")


def _good(history: History, letters: dict[tuple[str, int, int], Event]) -> Iterator[Violation]:
    """An event of the flow that is set aside is an event lost, until a person sends it again."""
    poison = {(event.topic, event.partition, event.offset) for event in history.poison}
    floods = {other.said["topic"] for other in history.others if other.what == "retry-flood"}
    for place, letter in letters.items():
        if place not in poison and place[0] not in floods:
            where = "/".join(map(str, place))
            yield broken(NAME, letter.study, f"{where} was set aside: {letter.headers.get(REASON, '')}", [letter])
    acknowledged = {i.sha256 for sent in history.studies.values() for i in sent.instances}
    for letter in history.letters:
        stored = history.objects.get(letter.headers.get(OBJECT, ""))
        if stored is not None and stored.dataset_sha256 in acknowledged:
            told = f"a good instance was set aside at the door: {letter.headers.get(REASON, '')}"
            yield broken(NAME, None, told, [letter])
