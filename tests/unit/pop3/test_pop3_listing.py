import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.pop3.listing import read_size, read_stat, read_uidl


@pytest.mark.parametrize(
    ("line", "number", "uidl"),
    [
        (b"1 abc", 1, "abc"),
        (b"12  a b\tc ", 12, "a b\tc "),
        (b"3 " + b"x" * 400, 3, "x" * 400),
        (b"4 \xe9\xff", 4, "\xe9\xff"),
        (b"5 ", 5, ""),
        (b"+OK 6 abc", 6, "abc"),
        (b"abc", None, "abc"),
        (b"abc def", None, "abc def"),
        (b"123456", None, "123456"),
        (b"0 abc", None, "0 abc"),
        (b"99999999999 abc", None, "99999999999 abc"),
        (b"-1 abc", None, "-1 abc"),
        (b"", None, ""),
    ],
)
def test_uidl_lines_of_real_servers(line: bytes, number: int | None, uidl: str) -> None:
    """Number and UIDL are told apart as leniently as servers write them."""
    assert read_uidl(line) == (number, uidl)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"1 200", (1, 200)),
        (b"1  200 more", (1, 200)),
        (b"+OK 1 200", (1, 200)),
        (b"1 -200", (1, None)),
        (b"1 2e3", (1, None)),
        (b"1 big", (1, None)),
        (b"1", (1, None)),
        (b"1 ", (1, None)),
        (b"1 9223372036854775807", (1, 2**63 - 1)),
        (b"1 9223372036854775808", (1, None)),
        (b"1 99999999999999999999", (1, None)),
        (b"0 5", None),
        (b"many 5", None),
        (b"", None),
    ],
)
def test_sizes_of_real_servers(line: bytes, named: tuple[int, int | None] | None) -> None:
    """A size that is none is None, and a line that names no message is nothing."""
    assert read_size(line) == named


@pytest.mark.parametrize(
    ("words", "counted"),
    [
        ("2 320", (2, 320)),
        ("2 320 octets", (2, 320)),
        ("0", (0, 0)),
        ("3 -1", (3, 0)),
        ("3 2e3", (3, 0)),
        ("no", None),
        ("", None),
    ],
)
def test_stat(words: str, counted: tuple[int, int] | None) -> None:
    """STAT must count the messages; their octets are a hint."""
    assert read_stat(words) == counted


@settings(deadline=None)
@given(st.binary(max_size=30))
def test_any_line_is_read(line: bytes) -> None:
    """No line of a listing raises, and no octet of a UIDL is lost."""
    number, uidl = read_uidl(line)
    assert line.endswith(uidl.encode("latin-1"))
    assert number is None or number > 0
    read_size(line)
