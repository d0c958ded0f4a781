from datetime import date, timedelta

import pytest

from archiver.retention import superseded

TODAY = date(2026, 7, 15)  # a Wednesday


def days(*ago: int) -> list[date]:
    """The days that were so long ago."""
    return [TODAY - timedelta(days=number) for number in ago]


@pytest.mark.parametrize(
    ("ago", "gone"),
    [
        ((), ()),
        ((0,), ()),
        (range(7), ()),
        # The eighth day is the Wednesday of last week, of which the Sunday stays.
        (range(8), (7,)),
        # Sundays end the weeks: of the weeks beyond the last seven days theirs stay.
        (range(15), (7, 8, 9, 11, 12, 13, 14)),
        # So does the last day of June, for its month.
        (range(29), (*range(7, 10), *range(11, 15), 16, *range(18, 29))),
        # What there is stays, however old it is.
        ((400, 800), ()),
        ((0, 365, 730), ()),
        (range(0, 70, 7), (56, 63)),
        (range(0, 700, 100), ()),
        ((*range(7), 20, 21, 22, 23), (21, 22, 23)),
        # Seven days with a copy count, not the last seven days.
        (range(0, 28, 2), (14, 20, 22, 24, 26)),
    ],
)
def test_superseded(ago: range | tuple[int, ...], gone: tuple[int, ...]) -> None:
    """Seven days, four weeks and twelve months stay, each the newest of its kind."""
    assert superseded(days(*ago)) == set(days(*gone))


def test_a_copy_a_day_for_years() -> None:
    """However long it goes on, a few copies stay, and of the last year one for each month."""
    kept: set[date] = set()
    for number in range(1200, -1, -1):
        kept |= set(days(number))
        kept -= superseded(kept)
        assert superseded(kept) == set()
    assert 7 + 11 <= len(kept) <= 7 + 4 + 12
    assert set(days(*range(7))) <= kept
    months = {(day.year, day.month) for day in kept}
    assert len(months) == 12


def test_order_and_repetition_do_not_matter() -> None:
    """The same days in any order, and more than once, give the same answer."""
    forward = days(*range(30))
    assert superseded(forward) == superseded([*reversed(forward), *forward])
