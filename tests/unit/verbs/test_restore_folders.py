"""Which folders a message belongs into."""

import pytest

from archiver.errors import UsageError
from archiver.verbs.restore import Pattern

MAY = 1714521600


def test_filled() -> None:
    """Account, year and month are the message's own; its year is that of UTC."""
    pattern = Pattern(("A {account}", "{year}-{month}"))
    assert list(pattern.folders(["me@h", "you@h"], MAY)) == [
        ("A me@h", "2024-05"),
        ("A you@h", "2024-05"),
    ]
    assert list(pattern.folders(["me@h"], None)) == [("A me@h", "undated-undated")]


def test_without_account_it_goes_once() -> None:
    """Two accounts that hold a message make no two of it where the folder names neither."""
    assert list(Pattern(("{year}",)).folders(["a", "b"], MAY)) == [("2024",)]
    assert list(Pattern(("X",)).folders([], None)) == [("X",)]


@pytest.mark.parametrize("name", ["{nobody}", "{}", "{year", "year}", "{account.name}", "{year!r}"])
def test_nothing_else_stands_between_braces(name: str) -> None:
    """What cannot be filled in is refused before anything is done."""
    with pytest.raises(UsageError):
        Pattern(("A", name))
