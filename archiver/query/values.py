"""Dates and sizes as people write them in a query. All dates are UTC.

``2024``, ``2024-05`` and ``2024-05-17`` are a year, a month and a day; ``3d``, ``2w``, ``6m`` and
``1y`` are so long before now (a week is 7 days, a month 30, a year 365), ``today`` and
``yesterday`` days. Sizes are octets, with k, M or G for 1024, 1024 x 1024 and so on.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_CALENDAR = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_AGO = re.compile(r"(\d{1,6})([dwmy])")
_AGO_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_SIZE = re.compile(r"(\d{1,15})(?:([kmg])(?:i?b)?)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_DAY_SECONDS = 86_400
# Beyond these no date can be shown, and no database counts.
_EARLIEST = int(datetime.min.replace(tzinfo=UTC).timestamp())
_LARGEST = (1 << 63) - 1
_MONTHS = 12

DATES = "2024, 2024-05, 2024-05-17, 3d, 2w, 6m or 1y"
SIZES = "500, 20k, 10M or 1G"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, ``begin <= t < end`` in seconds since the epoch.

    ``ago``: it was given as so long before now, and is a moment.
    """

    begin: int
    end: int
    ago: bool = False


def read_date(text: str, now: float) -> Span | None:
    """What a date means, None where it is none.

    Args:
        text: as typed.
        now: the time, in seconds since the epoch.
    """
    lower = text.lower()
    if found := _AGO.fullmatch(lower):
        moment = int(now) - int(found[1]) * _AGO_DAYS[found[2]] * _DAY_SECONDS
        return Span(moment, moment, ago=True) if moment >= _EARLIEST else None
    today = datetime.fromtimestamp(now, UTC).date()
    if lower in ("today", "yesterday"):
        return _days(today - timedelta(days=lower == "yesterday"), 1)
    if found := _CALENDAR.fullmatch(text):
        year, month, day = (None if part is None else int(part) for part in found.groups())
        try:
            return _calendar(year or 0, month, day)
        except (ValueError, OverflowError):
            return None
    return None


def _calendar(year: int, month: int | None, day: int | None) -> Span:
    if day is not None:
        return _days(date(year, month or 0, day), 1)
    if month is not None:
        after = date(year + month // _MONTHS, month % _MONTHS + 1, 1)
        return Span(_seconds(date(year, month, 1)), _seconds(after))
    return Span(_seconds(date(year, 1, 1)), _seconds(date(year + 1, 1, 1)))


def _days(first: date, count: int) -> Span:
    return Span(_seconds(first), _seconds(first) + count * _DAY_SECONDS)


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def read_size(text: str) -> int | None:
    """A number of octets, None where the text is none."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    size = int(found[1]) * _UNITS[(found[2] or "").lower()]
    return size if size <= _LARGEST else None
