"""Which copies of the ledger are kept: pure, and the same wherever they lie."""

from collections.abc import Callable, Hashable, Iterable
from datetime import date
from itertools import groupby, islice

DAILY = 7
WEEKLY = 4
MONTHLY = 12


def superseded(days: Iterable[date]) -> set[date]:
    """Those of the days with a copy whose copies may go.

    The newest 7 stay, and the newest of each of the last 4 weeks and 12 months that have any: a
    week begins on Monday (ISO 8601). Days without a copy count for nothing, so that what there is
    stays where no copies are made any more.
    """
    newest_first = sorted(set(days), reverse=True)
    kept = {
        *newest_first[:DAILY],
        *_newest_of_each(newest_first, lambda day: day.isocalendar()[:2], WEEKLY),
        *_newest_of_each(newest_first, lambda day: (day.year, day.month), MONTHLY),
    }
    return set(newest_first) - kept


def _newest_of_each(
    newest_first: Iterable[date], period: Callable[[date], Hashable], count: int
) -> Iterable[date]:
    return (next(days) for _, days in islice(groupby(newest_first, key=period), count))
