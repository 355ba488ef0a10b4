"""Values of elements as numbers and text, strictly: what is no number is told apart from what is absent."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from datetime import date

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import TEXT_VR_DELIMS

from streams.doors.elements import Elements

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_DATE = re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})")
_AGE = re.compile(r"([0-9]{1,3})([DWMY])")
_CHARACTER_SET = 0x00080005
_DAY_LONGEST = len("2026.03.01")
_DAYS_IN = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
OLDEST = 130
FIRST_YEAR = 1970
"""Before it nobody was examined in digits: an earlier date is a mere filler."""


class GarbledValue(ValueError):
    """An element stands there, and its value is none of its kind; the text is a sentence."""


def text(elements: Elements, tag: int) -> str:
    """A value as plain text, its padding off; empty where it is absent. For codes, numbers, descriptions."""
    return elements.values.get(tag, b"").decode("latin-1").strip(" \0\t\r\n")


def person_text(elements: Elements, tag: int) -> str:
    """A value by its Specific Character Set (0008,0005): the same id is the same in any of them."""
    value = elements.values.get(tag, b"").strip(b" \0")
    if value.isascii():
        return value.decode("ascii")
    try:
        encodings = convert_encodings(text(elements, _CHARACTER_SET).split("\\"))
        return decode_bytes(value, encodings, TEXT_VR_DELIMS)
    except (LookupError, ValueError, Warning):
        return value.decode("latin-1")


def decimals(elements: Elements, tag: int, count: int, name: str) -> tuple[float, ...] | None:
    """A Decimal String of `count` finite values; None where it is absent or empty.

    Raises:
        GarbledValue: another count, or no finite numbers.
    """
    value = text(elements, tag)
    if not value.strip("\\ "):
        return None
    parts = [part.strip(" \0") for part in value.split("\\")]
    numbers = [float(part) for part in parts if _DECIMAL.fullmatch(part)]
    if len(numbers) != count or len(parts) != count or not all(map(math.isfinite, numbers)):
        raise GarbledValue(f"{name} is not {count} finite number{'s' * (count > 1)}")
    return tuple(numbers)


def decimal(elements: Elements, tag: int, name: str) -> float | None:
    """One Decimal String; None where it is absent.

    Raises:
        GarbledValue: no finite number.
    """
    found = decimals(elements, tag, 1, name)
    return found[0] if found else None


def integer(elements: Elements, tag: int) -> int | None:
    """An Integer String; None where it is absent or none, as numbers that only sort may be."""
    value = text(elements, tag).split("\\")[0].strip()
    return int(value) if _INTEGER.fullmatch(value) else None


def unsigned(elements: Elements, tag: int, default: int) -> int:
    """An Unsigned Short (PS3.5 6.2, US)."""
    value = elements.values.get(tag, b"")
    if len(value) < 2:  # noqa: PLR2004  # bytes of a short
        return default
    return int(struct.unpack_from("<H" if elements.little_endian else ">H", value)[0])


def age_years(age: str, birth_date: str, study_date: str) -> int | None:
    """Whole years, from Patient's Age (0010,1010), else from the dates; None where neither tells."""
    match = _AGE.fullmatch(age.strip())
    if match:
        return _plausible(int(int(match[1]) * _DAYS_IN[match[2]] / _DAYS_IN["Y"]))
    born, examined = _date(birth_date), _date(study_date)
    if born is None or examined is None:
        return None
    return _plausible(examined.year - born.year - ((examined.month, examined.day) < (born.month, born.day)))


def _plausible(years: int) -> int | None:
    return years if 0 <= years <= OLDEST else None


def first_day(values: Iterable[str]) -> date | None:
    """The first of some dates (DA) or times (DT) that names a day; what is garbled, or a filler, names none."""
    days = (_date(value[:_DAY_LONGEST]) if value[4:5] == "." else _date(value[:8]) for value in values)
    return next((day for day in days if day is not None and day.year >= FIRST_YEAR), None)


def _date(value: str) -> date | None:
    match = _DATE.fullmatch(value.strip())
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None
