"""What a message is like once a server has stored it, which may not be its very octets.

A literal of IMAP carries any octets, but what a server does with bare LF, with several CR before
LF, with NUL and with a last line without its end is its own affair (Dovecot's maildirs give every
line CRLF). Two messages are alike that differ in nothing else.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO

_CHUNK = 1 << 16
_ENDS = re.compile(rb"\r*\n")
# Some servers write this in place of NUL, which a string of theirs cannot hold.
_NULS = bytes.maketrans(b"\0", b"\x80")


@dataclass(frozen=True, slots=True)
class Likeness:
    """A message, told from others.

    Args:
        digest: the same for all that are alike.
        sizes: how many octets a server may count.
        binary: it holds NUL.
    """

    digest: bytes
    sizes: frozenset[int]
    binary: bool


class Liking:
    """Takes the octets of a message in pieces, and gives its likeness."""

    def __init__(self) -> None:
        self._hashed = hashlib.sha256()
        self._rest = b""
        self._blank = 0
        self._size = self._plain = self._lines = self._lone = 0
        self._nuls = False
        self._last = b""

    def take(self, piece: bytes) -> None:
        """The next octets."""
        self._size += len(piece)
        self._nuls = self._nuls or b"\0" in piece
        whole = self._rest + piece
        # A line's end may go on in the next piece.
        kept = len(whole) - len(whole.rstrip(b"\r"))
        self._rest = whole[len(whole) - kept :]
        whole = whole[: len(whole) - kept]
        self._lone += whole.count(b"\n") - whole.count(b"\r\n")
        # What is usual is quick, and the rest right.
        usual = b"\r\r\n" not in whole
        self._put(whole.replace(b"\r\n", b"\n") if usual else _ENDS.sub(b"\n", whole))

    def _put(self, text: bytes) -> None:
        if not text:
            return
        self._last = text[-1:]
        self._plain += len(text)
        self._lines += text.count(b"\n")
        # Empty lines at the end are held back, so that one more or less makes no difference.
        body = text.rstrip(b"\n")
        if body:
            self._hashed.update(b"\n" * self._blank)
            self._hashed.update(body.translate(_NULS) if self._nuls else body)
            self._blank = 0
        self._blank += len(text) - len(body)

    def result(self) -> Likeness:
        """What was taken is all there is."""
        rest, self._rest = self._rest, b""
        self._put(rest)
        sizes = {self._size, self._size + self._lone, self._plain, self._plain + self._lines}
        if self._last != b"\n":
            sizes |= {size + 2 for size in sizes} | {size + 1 for size in sizes}
        return Likeness(self._hashed.digest(), frozenset(sizes), self._nuls)


def likeness(octets: BinaryIO) -> Likeness:
    """What a message is like; the stream is then at its end."""
    liking = Liking()
    while piece := octets.read(_CHUNK):
        liking.take(piece)
    return liking.result()
