"""What UIDL and LIST say about a mailbox, counted.

A number and a hash are held of each message, and nothing else, whatever a listing has in it.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from archiver.model import Listed


@dataclass(frozen=True, slots=True)
class UidlListing:
    """A UIDL listing.

    Attributes:
        count: its lines.
        repeated: lines whose UIDL an earlier one has.
        blank: lines with no UIDL at all.
        numeric: every UIDL is the number of its message.
        numberless: there are lines without message numbers.
        numbers: of the messages, in order.
    """

    count: int
    repeated: int
    blank: int
    numeric: bool
    numberless: bool
    numbers: "array[int]"


@dataclass(frozen=True, slots=True)
class SizeListing:
    """A LIST listing; ``unsized`` counts messages without a usable size."""

    count: int
    unsized: int
    smallest: Listed | None
    numbers: "array[int]"


def read_uidls(lines: Iterable[tuple[int | None, str]]) -> UidlListing:
    """Counts what ``Session.uidls`` gives."""
    numbers, marks = array("q"), array("q")
    count, blank, numeric, numberless = 0, 0, True, False
    for number, uidl in lines:
        count += 1
        blank += not uidl.strip()
        # 64 bits that are as good as the UIDL: two of a million differ but for one case in 10^7.
        marks.append(hash(uidl))
        numeric = numeric and uidl == str(number)
        if number is None:
            numberless = True
        else:
            numbers.append(number)
    repeated = count - len(set(marks))
    return UidlListing(count, repeated, blank, numeric, numberless, _sorted(numbers))


def read_sizes(lines: Iterable[tuple[int, int | None]]) -> SizeListing:
    """Counts what ``Session.sizes`` gives."""
    numbers = array("q")
    unsized, smallest = 0, None
    for number, size in lines:
        numbers.append(number)
        if size is None:
            unsized += 1
        if smallest is None or _size(size) < _size(smallest.size):
            smallest = Listed(number, None, size)
    return SizeListing(len(numbers), unsized, smallest, _sorted(numbers))


def _size(size: int | None) -> float:
    return float("inf") if size is None else size


def _sorted(numbers: "array[int]") -> "array[int]":
    return array("q", sorted(numbers))
