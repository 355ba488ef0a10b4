"""Which old objects may go: those that nothing names any more, and why the others stay."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""Any SHA-256 in any text: what names an object names it so, whatever the field is called."""
QUOTED = re.compile(rb'"([0-9a-f]{64})"')
"""In JSON, where it is found several times as fast."""
MANIFEST = re.compile(rb'"manifest": ?"([0-9a-f]{64})"')


def digests_in(content: bytes) -> set[str]:
    """All that may be the name of an object."""
    return {found.decode() for found in DIGEST.findall(content)}


def manifests_in(content: bytes) -> set[str]:
    """Those that name the list of a series' instances."""
    return {found.decode() for found in MANIFEST.findall(content)}


@dataclass(slots=True)
class Selection:
    """Objects older than the policy, less all that anything names.

    What a study's events name is held against when the study was let go: older events name it in vain. All else that
    names an object keeps it.

    Attributes:
        candidates: digest to bytes, of what would leave.
        stays: why objects stay, to how many of the old ones do.
    """

    candidates: dict[str, int]
    stays: Counter[str] = field(default_factory=Counter)
    _named: dict[str, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    _lists: dict[str, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    _kept_lists: set[str] = field(default_factory=set)
    _let_go: dict[str, datetime] = field(default_factory=dict)

    def keep(self, content: bytes, why: str) -> None:
        """Something that counts in any case: a state, a note that is owed, a dead letter."""
        self._kept_lists |= manifests_in(content)
        self._stay(digests_in(content), why)

    def heard(self, study: str, content: bytes, written_at: datetime) -> None:
        """An event of a study, and when it was written."""
        names = {found.decode() for found in QUOTED.findall(content)}
        for found, into in (
            (names & self.candidates.keys(), self._named),
            (manifests_in(content), self._lists),
        ):
            for digest in found:
                into[digest][study] = max(into[digest].get(study, written_at), written_at)

    def let_go(self, study: str, at: datetime) -> None:
        """The study is kept no longer; what is said of it later is said of what came back."""
        self._let_go[study] = max(self._let_go.get(study, at), at)

    def lists(self) -> Iterable[str]:
        """The lists of instances that count: all events and states were heard."""
        return self._kept_lists | {digest for digest, by in self._lists.items() if self._counts(by)}

    def settle(self, listed: Iterable[bytes]) -> None:
        """Take out what the events of kept studies name, and what their lists of instances (`listed`) do."""
        self._stay({digest for digest, by in self._named.items() if self._counts(by)}, "the record")
        for content in listed:
            self._stay(digests_in(content), "a list of instances")

    def _counts(self, by: Mapping[str, datetime]) -> bool:
        return any(study not in self._let_go or at > self._let_go[study] for study, at in by.items())

    def _stay(self, digests: Iterable[str], why: str) -> None:
        for digest in digests:
            if self.candidates.pop(digest, None) is not None:
                self.stays[why] += 1
