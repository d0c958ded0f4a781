"""Lines of JSON under gzip, as manifests and checkpoints are stored, unfolded as they stream in.

Whoever may write to a bucket may put anything there, so what one such object can cost is bounded:
a line has a longest length, and the whole may unfold to no more than its stored size explains.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from json import JSONEncoder, loads
from typing import Any

from archiver.errors import IntegrityError

LONGEST_LINE = 16 << 20
"""Octets of one line: a message of 10,000 parts under the longest keys takes 13 MiB."""

_PIECE = 1 << 20
# A batch of 32 MiB made of the smallest parts that there are takes 1.5 GiB to describe.
_FREE = 2 << 30
# Text full of digests shrinks to a fifth; a bomb is a thousand times its stored size.
_MOST_FOLDED = 64
_GZIP = 31  # as zlib names it

_encode = JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def line_of(record: Mapping[str, Any]) -> bytes:
    """A record as a line; equal records give equal octets."""
    return _encode(record).encode() + b"\n"


class StoredLines:
    """The lines of a stored object, each without its end; to be taken once.

    Args:
        chunks: its stored octets, as they come.
        name: what to call it where it is damaged.

    ``digest`` is the SHA-256 of the stored octets, once the last line was taken.
    """

    def __init__(self, chunks: Iterable[bytes], name: str) -> None:
        self._chunks = chunks
        self._name = name
        self.digest = ""

    def __iter__(self) -> Iterator[bytes]:
        """Unfolds as much as the next line needs.

        Raises:
            IntegrityError: it is damaged, cut off, or larger than anything of ours.
        """
        parts: list[bytes] = []
        length = 0
        for piece in self._unfold():
            *lines, rest = piece.split(b"\n")
            for line in lines:
                yield b"".join((*parts, line))
                parts, length = [], 0
            parts.append(rest)
            length += len(rest)
            if length > LONGEST_LINE:
                raise IntegrityError(f"{self._name} has a line of more than {LONGEST_LINE} octets")
        if length:
            yield b"".join(parts)

    def _unfold(self) -> Iterator[bytes]:
        unzip = zlib.decompressobj(_GZIP)
        hashed = hashlib.sha256()
        allowed = _FREE
        for chunk in self._chunks:
            hashed.update(chunk)
            allowed += _MOST_FOLDED * len(chunk)
            for piece in self._pieces(unzip, chunk):
                allowed -= len(piece)
                if allowed < 0:
                    raise IntegrityError(f"{self._name} unfolds to more than it can hold")
                yield piece
        if not unzip.eof or unzip.unused_data:
            raise IntegrityError(f"{self._name} cannot be decoded: it is cut off, or goes on")
        self.digest = hashed.hexdigest()

    def _pieces(self, unzip: Any, chunk: bytes) -> Iterator[bytes]:
        while True:
            try:
                piece = unzip.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise IntegrityError(f"{self._name} cannot be decoded: {error}") from None
            chunk = unzip.unconsumed_tail
            if piece:
                yield piece
            elif not chunk:
                return


def decoded(line: bytes, name: str) -> dict[str, Any]:
    """The JSON object of a line.

    Raises:
        IntegrityError: it is none.
    """
    try:
        record = loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise IntegrityError(f"{name} cannot be decoded: a line is no JSON object")
    return record
