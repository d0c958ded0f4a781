from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model import Listed
from archiver.pop3.window import MOST_COMMANDS, Window


def _listed(*sizes: int | None) -> list[Listed]:
    return [Listed(number, None, size) for number, size in enumerate(sizes, 1)]


def _numbers(granted: list[Listed]) -> list[int]:
    return [one.number for one in granted]


def test_refilled_when_half_has_come_in() -> None:
    """A window is filled at once, and again when half of it has come in."""
    window = Window(_listed(*[1] * 9), commands=4, octets=None)
    assert _numbers(window.refill()) == [1, 2, 3, 4]
    window.release()
    assert window.refill() == []
    window.release()
    assert _numbers(window.refill()) == [5, 6]


def test_one_by_one() -> None:
    """A window of one command asks for the next only when the last is in."""
    window = Window(_listed(1, 1), commands=1, octets=10)
    assert _numbers(window.refill()) == [1]
    assert window.refill() == []
    window.release()
    assert _numbers(window.refill()) == [2]
    window.release()
    assert window.refill() == []


def test_octets_bound_the_window() -> None:
    """No more octets are awaited than the window holds."""
    window = Window(_listed(6, 4, 1), commands=10, octets=10)
    assert _numbers(window.refill()) == [1, 2]
    window.release()
    assert _numbers(window.refill()) == [3]


def test_a_large_message_goes_alone() -> None:
    """A message larger than the window is asked for, with nothing beside it."""
    window = Window(_listed(1, 99, 1), commands=10, octets=10)
    assert _numbers(window.refill()) == [1]
    window.release()
    assert _numbers(window.refill()) == [2]
    assert window.refill() == []
    window.release()
    assert _numbers(window.refill()) == [3]


def test_unknown_sizes_share_the_window() -> None:
    """Messages without a size fill the window as if they were equal."""
    window = Window(_listed(*[None] * 9), commands=4, octets=10)
    assert len(window.refill()) == 4


def test_listing_is_taken_lazily() -> None:
    """No more of the listing is read than is asked for, and one."""
    taken: list[int] = []

    def source() -> Iterator[Listed]:
        for one in _listed(*[5] * 9):
            taken.append(one.number)
            yield one

    Window(source(), commands=8, octets=10).refill()
    assert taken == [1, 2, 3]


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-3, 1), (10_000, MOST_COMMANDS)])
def test_width_is_kept_within_reason(asked: int, given: int) -> None:
    """No window is so wide that its commands fill a send buffer, nor without any."""
    window = Window(_listed(*[1] * 300), commands=asked, octets=None)
    assert len(window.refill()) == given


def test_commands_fit_a_send_buffer() -> None:
    """The longest commands of the widest window are less than 4 KiB."""
    assert MOST_COMMANDS * len("TOP 9999999999 0\r\n") <= 4096


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=40),
    st.integers(1, 8),
    st.integers(0, 40),
)
def test_every_message_once_within_bounds(
    sizes: list[int | None], commands: int, octets: int
) -> None:
    """Every message is asked for once, in order, and both bounds always hold."""
    window = Window(_listed(*sizes), commands, octets)
    flying: list[Listed] = []
    seen: list[int] = []
    while True:
        flying += window.refill()
        if not flying:
            break
        known = sum(one.size or 0 for one in flying)
        assert len(flying) <= commands
        assert known <= octets or len(flying) == 1
        seen.append(flying.pop(0).number)
        window.release()
    assert seen == list(range(1, len(sizes) + 1))
