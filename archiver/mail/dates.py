"""The Date field as seconds since the epoch (RFC 5322 sections 3.3 and 4.3).

mail-parser reads dates strictly; the standard library accepts more of what real software wrote
and is asked second. A date before 1970 or more than a year ahead is none.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

YEAR = 366 * 86400
_LENGTH_LIMIT = 200


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


def lenient_date(text: str) -> datetime | None:
    """What the standard library makes of a date, None where it makes nothing of it."""
    try:
        return parsedate_to_datetime(text[:_LENGTH_LIMIT])
    except (IndexError, OverflowError, TypeError, ValueError):
        return None
