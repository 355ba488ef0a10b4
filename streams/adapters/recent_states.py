"""What a client of the state store wrote or read last: most steps then need no reading, only the commit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.ports import Change, Loaded, Place

MOST_KEYS, MOST_PARTS = 1024, 256


@dataclass(slots=True)
class _Recent:
    """A key's version, those of its parts that are known (None: known to be absent), and events applied."""

    version: int
    parts: dict[str, bytes | None]
    complete: bool
    applied: set[str]


@dataclass(slots=True)
class RecentStates:
    """States as this client saw them last; the version that each commit is compared with keeps them honest.

    A key that another client has written since has another version: the commit finds it moved, and the state is
    read anew. So nothing here can be wrong for longer than that.
    """

    _keys: OrderedDict[tuple[Place, str], _Recent] = field(default_factory=OrderedDict)

    def get(self, place: Place, key: str, event: str, names: Sequence[str] | None) -> Loaded | None:
        """The state, where all that is asked for is known, and the event is not known to have been applied.

        An event that another client applied is left to the commit to find out. Who asks for no part at all asks
        only whether the event was applied: nothing recent tells that.
        """
        recent = self._keys.get((place, key))
        if recent is None or event in recent.applied or (names is not None and not names):
            return None
        if names is None:
            if not recent.complete:
                return None
            wanted: Mapping[str, bytes | None] = recent.parts
        elif recent.complete or all(name in recent.parts for name in names):
            wanted = {name: recent.parts.get(name) for name in names}
        else:
            return None
        self._keys.move_to_end((place, key))
        parts = {name: part for name, part in wanted.items() if part is not None}
        return Loaded(version=recent.version, parts=parts, applied=False, said=None)

    def read(self, place: Place, key: str, names: Sequence[str] | None, loaded: Loaded) -> None:
        """It was read from the store."""
        if loaded.applied:
            return
        parts: dict[str, bytes | None] = dict.fromkeys(names or ())
        parts.update(loaded.parts)
        self._keep(place, key, _Recent(loaded.version, parts, names is None or loaded.version == 0, set()))

    def take(self, place: Place, key: str, version: int) -> _Recent | None:
        """Out with it while its commit is on the way: if that is never answered, nothing is known."""
        recent = self._keys.pop((place, key), None)
        return recent if recent is not None and recent.version == version else None

    def wrote(self, place: Place, key: str, before: _Recent | None, change: Change) -> None:
        """Its commit was written."""
        if before is not None:
            before.version += 1
            before.parts.update(change.parts)
            before.applied.add(change.event)
            self._keep(place, key, before)

    def drop(self, place: Place, key: str | None = None) -> None:
        """Forget a key, or all of a place."""
        for known in [k for k in self._keys if k[0] == place and key in (None, k[1])]:
            del self._keys[known]

    def _keep(self, place: Place, key: str, recent: _Recent) -> None:
        if len(recent.parts) <= MOST_PARTS and len(recent.applied) <= MOST_PARTS:
            self._keys[place, key] = recent
            self._keys.move_to_end((place, key))
        while len(self._keys) > MOST_KEYS:
            self._keys.popitem(last=False)
