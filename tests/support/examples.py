"""Any event at all: Hypothesis strategies made from the types themselves, and one fixed example of each."""

from __future__ import annotations

import dataclasses
import string
import types
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from streams.events.envelope import Envelope
from streams.events.identifiers import named_id

TIME = datetime(2026, 3, 1, 10, 37, 12, 345678, tzinfo=UTC)
_WHOLE = st.integers(-(2**63), 2**63 - 1)
_REAL = st.floats(allow_nan=False, allow_infinity=False)
_TIME = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # UTC is added
_PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12), int: _WHOLE, float: _REAL, bool: st.booleans(), datetime: _TIME, date: st.dates(),
    type(None): st.none(),
}  # fmt: skip


@cache
def anything(wanted: Any) -> st.SearchStrategy[Any]:
    """Every value that a field of this type may have."""
    if wanted in _PLAIN:
        return _PLAIN[wanted]
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        hints = get_type_hints(wanted)
        return st.builds(wanted, **{f.name: anything(hints[f.name]) for f in dataclasses.fields(wanted)})
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, types.UnionType}:
        return st.one_of(*map(anything, arguments))
    if origin is dict:
        return st.dictionaries(anything(arguments[0]), anything(arguments[1]), max_size=3)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(anything(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(anything, arguments))
    raise TypeError(f"no strategy for {wanted!r}: events are made of plain types only")


def example(wanted: Any, name: str = "", index: int = 0) -> Any:
    """One fixed value of a type, every optional field filled in."""
    plain: dict[object, Any] = {
        str: name or "word", int: index + 1, float: index + 0.5, bool: True, datetime: TIME + timedelta(seconds=index),
        date: TIME.date(),
    }  # fmt: skip
    if wanted in plain:
        return plain[wanted]
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        hints = get_type_hints(wanted)
        fields = (f.name for f in dataclasses.fields(wanted))
        return wanted(**{field: example(hints[field], field, i) for i, field in enumerate(fields)})
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        return arguments[0]
    if origin is dict:
        return {example(arguments[0], name): example(arguments[1], name, index)}
    if origin is tuple:
        many = arguments[:1] if arguments[-1] is Ellipsis else arguments
        return tuple(example(a, name, index + i) for i, a in enumerate(many))
    return example(arguments[0], name, index)


def in_envelope(event: object, key: str = "1.2.840.1", time: datetime = TIME) -> Envelope:
    """The event as it travels, with every extension filled in."""
    name = type(event).__name__
    return Envelope(
        id=named_id("example", name),
        time=time,
        key=key,
        data=event,
        cause=named_id("cause", name),
        policy=string.hexdigits[:16] * 4,
        traceparent=f"00-{1:032x}-{2:016x}-01",
    )
