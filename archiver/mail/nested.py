"""Messages within messages: their octets as a stream of their own, and the numbers of all parts.

A part's number counts the leaves of its message from 1; what is in a message/rfc822 is numbered
below it (``2.1``). Nothing recurses on what a sender nests, beyond a depth that is fixed.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from archiver.mail.parts import decoded
from archiver.mail.structure import Leaf, Structure, read_structure

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

NESTING_LIMIT = 10
_IN_MEMORY = 4 << 20
_ENCODED = ("base64", "quoted-printable", "x-uuencode", "x-uue", "uuencode", "uue")

Number = tuple[int, ...]
"""``(2, 1)`` is the first part of the message that is the second part."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A part with its number; ``leaf`` lies in ``stream``, which is open while it is handed out."""

    number: Number
    leaf: Leaf
    stream: BinaryIO

    def octets(self) -> Iterator[bytes]:
        """Its content in pieces, the transfer encoding undone."""
        return decoded(self.stream, self.leaf, set())


class _Slice(io.RawIOBase):
    """``length`` octets of a stream from ``start`` on, as a stream."""

    def __init__(self, stream: BinaryIO, start: int, length: int) -> None:
        super().__init__()
        self._stream = stream
        self._start = start
        self._length = length
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        wanted = max(0, min(len(view), self._length - self._at))
        self._stream.seek(self._start + self._at)
        octets = self._stream.read(wanted)
        view[: len(octets)] = octets
        self._at += len(octets)
        return len(octets)


@contextmanager
def opened(stream: BinaryIO, leaf: Leaf) -> Iterator[tuple[BinaryIO, int]]:
    """A message/rfc822 as a stream of its own, and its size in octets.

    One that is encoded, which RFC 2046 forbids, is decoded to a temporary file.
    """
    if leaf.entity.encoding not in _ENCODED:
        length = leaf.end - leaf.start
        yield cast(BinaryIO, _Slice(stream, leaf.start, length)), length
        return
    with SpooledTemporaryFile(_IN_MEMORY) as copy:
        size = sum(copy.write(piece) for piece in decoded(stream, leaf, set()))
        yield cast(BinaryIO, copy), size


def numbered(stream: BinaryIO, structure: Structure, above: Number = ()) -> Iterator[Numbered]:
    """All parts of a message, each before what is in it, down to 10 messages in one another.

    Args:
        stream: the message, seekable.
        structure: what ``read_structure`` said of it.
        above: the number of the part that it is.
    """
    for position, leaf in enumerate(structure.leaves, 1):
        number = (*above, position)
        yield Numbered(number, leaf, stream)
        if leaf.entity.embedded and len(number) < NESTING_LIMIT:
            with opened(stream, leaf) as (inner, size):
                yield from numbered(inner, read_structure(inner, size), number)


@contextmanager
def part_of(stream: BinaryIO, size: int, number: Number) -> Iterator[Numbered | None]:
    """One part of a message by its number, None where there is no such part."""
    leaves = read_structure(stream, size).leaves
    first, rest = number[0], number[1:]
    if not 0 < first <= len(leaves):
        yield None
    elif not rest:
        yield Numbered(number, leaves[first - 1], stream)
    elif not leaves[first - 1].entity.embedded:
        yield None
    else:
        with (
            opened(stream, leaves[first - 1]) as (inner, length),
            part_of(inner, length, rest) as found,
        ):
            yield found
