"""The Date field as seconds since the epoch (RFC 5322 sections 3.3 and 4.3).

mail-parser reads dates strictly; the standard library accepts more of what real software wrote
and is asked second. Neither knows a clock of twelve hours, or the zone behind its PM, so that such
a time is written anew first. A date before 1970 or more than a year ahead is none.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

YEAR = 366 * 86400
_LENGTH_LIMIT = 200
_NOON = 12
_TWELVE_HOURS = re.compile(
    r"(?<![:\d])(0?[1-9]|1[0-2])((?::[0-5]\d){1,2})\s?([AP])\.?M\b\.?", re.IGNORECASE | re.ASCII
)


def plausible(date: datetime | None, now: float) -> int | None:
    """A date in seconds since the epoch, None when it cannot be when a message was written.

    Args:
        date: without a zone it is UTC.
        now: seconds since the epoch; at most a year after it is plausible.
    """
    if date is None:
        return None
    seconds = int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    return seconds if 0 <= seconds <= now + YEAR else None


def twelve_hours(text: str) -> bool:
    """Whether a date's time has AM or PM behind it."""
    return _TWELVE_HOURS.search(text[:_LENGTH_LIMIT]) is not None


def _of_day(time: re.Match[str]) -> str:
    hour = int(time[1]) % _NOON + _NOON * (time[3] in "Pp")
    return f"{hour:02}{time[2]}"


def lenient_date(text: str) -> datetime | None:
    """What the standard library makes of a date, None where it makes nothing of it."""
    try:
        return parsedate_to_datetime(_TWELVE_HOURS.sub(_of_day, text[:_LENGTH_LIMIT]))
    except (IndexError, OverflowError, TypeError, ValueError):
        return None
