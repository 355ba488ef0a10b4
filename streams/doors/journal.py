"""What open associations have brought so far: told on from a door that dies to the next, so that their ends are said.

The spool forgets a note once Kafka has its event; an end must count all that the association brought. Nothing here is
synced: a power cut leaves an end unsaid, and silence tells it, as it tells it of a sender that goes away.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

ENDED = "ended"
SUFFIX = ".open"

Studies = dict[str, dict[str, set[str]]]
"""Study to series to its instances."""


def no_studies() -> Studies:
    """Of an association that has brought nothing yet."""
    return defaultdict(lambda: defaultdict(set))


@dataclass(slots=True)
class Journal:
    """A folder with one file for each association: a line for each instance, then one that its end was said."""

    folder: Path
    _ended: list[str] = field(default_factory=list)

    def left(self) -> dict[str, tuple[Studies, bool]]:
        """What an earlier process left: what each association had brought, and whether its end was said."""
        found: dict[str, tuple[Studies, bool]] = {}
        with _on_a_bad_disk():
            for path in self.folder.glob(f"*{SUFFIX}"):
                studies, ended = no_studies(), False
                for line in path.read_text("ascii").splitlines(keepends=True):
                    words = line.split()
                    if not line.endswith("\n"):  # torn by a crash: its notes are still owed
                        break
                    if words == [ENDED]:
                        ended = True
                    else:
                        study, series, instance = words
                        studies[study][series].add(instance)
                found[path.name.removesuffix(SUFFIX)] = studies, ended
        return found

    def brought(self, association: str, instances: Iterable[tuple[str, str, str]]) -> None:
        """Study, series and instance of what Kafka has acknowledged now."""
        self._append(association, "".join(f"{study} {series} {instance}\n" for study, series, instance in instances))

    def ended(self, associations: Iterable[str]) -> None:
        """Kafka has acknowledged their ends; the spool may not know it yet."""
        for association in associations:
            if self._path(association).exists():
                self._append(association, f"{ENDED}\n")
                self._ended.append(association)

    def forget(self, *associations: str) -> None:
        """Forget these, and those whose ends the spool knows to be said."""
        with _on_a_bad_disk():
            for association in (*associations, *self._ended):
                self._path(association).unlink(missing_ok=True)
        self._ended.clear()

    def _path(self, association: str) -> Path:
        return self.folder / f"{association}{SUFFIX}"

    def _append(self, association: str, text: str) -> None:
        with _on_a_bad_disk():
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with self._path(association).open("a", encoding="ascii") as file:
                file.write(text)


@contextmanager
def _on_a_bad_disk() -> Iterator[None]:
    """An end that is not said after a crash is no reason to hold up what is well."""
    try:
        yield
    except (OSError, ValueError) as error:
        log.warning("the journal of open associations: %s; silence tells the ends that it lacks", error)
