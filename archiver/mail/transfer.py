"""Content-Transfer-Encodings (RFC 2045 section 6), undone piece by piece.

Each decoder takes octets in pieces of any size and gives the same result however they were cut.
None of them fails: what cannot be decoded is left out or left as it is, and is named a defect.
"""

import binascii
import re
from collections.abc import Callable
from typing import Protocol

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FOREIGN = bytes(set(range(256)) - set(_BASE64) - set(b"="))
_EXPECTED = _BASE64 + b"= \t\r\n"
_HELD_LIMIT = 64 * 1024
_UU_LINE_LIMIT = 256


class Decoder(Protocol):
    """Undoes one transfer encoding of one part."""

    def feed(self, octets: bytes) -> bytes:
        """Takes the next octets and gives what they decode to, as far as that is known."""

    def close(self) -> bytes:
        """Gives what is left after the last octet."""


class Identity:
    """7bit, 8bit and binary: the octets are the content."""

    def feed(self, octets: bytes) -> bytes:
        """Gives them back."""
        return octets

    def close(self) -> bytes:
        """Gives nothing, since nothing is held back."""
        return b""


class Base64:
    """base64: foreign octets are dropped, the first ``=`` ends it, an odd last character is lost.

    Args:
        defects: takes ``base64-foreign-octets``, ``base64-truncated`` (its last characters make no
            whole octet or lack their ``=``) and ``base64-after-end`` (more characters after it).
    """

    def __init__(self, defects: set[str]) -> None:
        self._defects = defects
        self._held = b""
        self._ended = False
        self._padding = 0

    def feed(self, octets: bytes) -> bytes:
        """Decodes all whole groups of four characters."""
        if octets.translate(None, _EXPECTED):
            self._defects.add("base64-foreign-octets")
        useful = octets.translate(None, _FOREIGN)
        if self._ended:
            self._after_end(useful)
            return b""
        characters, equals, after = useful.partition(b"=")
        characters = self._held + characters
        whole = len(characters) & ~3
        self._held = characters[whole:]
        if equals:
            self._ended = True
            self._padding = 1
            self._after_end(after)
        return binascii.a2b_base64(characters[:whole])

    def _after_end(self, useful: bytes) -> None:
        self._padding += useful.count(b"=")
        if useful.strip(b"="):
            self._defects.add("base64-after-end")

    def close(self) -> bytes:
        """Decodes the last two or three characters."""
        held = self._held
        self._held = b""
        if held and (len(held) == 1 or len(held) + self._padding != 4):
            self._defects.add("base64-truncated")
        if len(held) < 2:
            return b""
        return binascii.a2b_base64(held + b"=" * (4 - len(held)))


def base64_octets(octets: bytes, defects: set[str]) -> bytes:
    """Decodes base64 that is there as a whole, as an encoded word's is."""
    decoder = Base64(defects)
    return decoder.feed(octets) + decoder.close()


class QuotedPrintable:
    """quoted-printable: an ``=`` that begins no escape stays, white space at a line's end goes.

    Args:
        defects: takes ``quoted-printable-malformed``.
    """

    _STRAY = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r?\n)")
    _TRAILING = re.compile(rb"[ \t]+(\r?\n)?")
    _TAIL = re.compile(rb"(?:=[0-9A-Fa-f]?|=?[ \t]+\r?|=?\r)\Z")

    def __init__(self, defects: set[str]) -> None:
        self._defects = defects
        self._held = b""

    def feed(self, octets: bytes) -> bytes:
        """Decodes as far as no escape, line end or white space is cut."""
        octets = self._held + octets
        end = octets.rfind(b"\n") + 1
        if not end and len(octets) > _HELD_LIMIT:
            # A line without end must not be held for ever; what its tail may become must be.
            end = self._safe_end(octets)
        self._held = octets[end:]
        return self._decode(octets[:end])

    def _safe_end(self, octets: bytes) -> int:
        tail = self._TAIL.search(octets, len(octets) - 1024)
        return tail.start() if tail else len(octets)

    def close(self) -> bytes:
        """Decodes the last line."""
        held = self._held.rstrip(b" \t")
        self._held = b""
        if held.endswith(b"="):
            held = held[:-1]
        return self._decode(held)

    def _decode(self, octets: bytes) -> bytes:
        if b" \r" in octets or b" \n" in octets or b"\t\r" in octets or b"\t\n" in octets:
            octets = self._TRAILING.sub(_without_trailing, octets)
        if b"=" not in octets:
            return octets
        # The C decoder has ideas of its own about an = that begins no escape; it never sees one.
        octets, strays = self._STRAY.subn(b"=3D", octets)
        if strays:
            self._defects.add("quoted-printable-malformed")
        return binascii.a2b_qp(octets)


def _without_trailing(match: re.Match[bytes]) -> bytes:
    return match[1] or match[0]


class Uuencode:
    """x-uuencode, which no RFC describes: lines from ``begin`` to ``end``.

    Args:
        defects: takes ``uuencode-malformed``.
    """

    def __init__(self, defects: set[str]) -> None:
        self._defects = defects
        self._held = b""
        self._begun = False
        self._ended = False

    def feed(self, octets: bytes) -> bytes:
        """Decodes all whole lines."""
        *lines, self._held = (self._held + octets).split(b"\n")
        if len(self._held) > _UU_LINE_LIMIT:
            # It is no line of this encoding any more; the octets beyond decide nothing.
            self._held = self._held[: _UU_LINE_LIMIT + 1]
        return b"".join(map(self._line, lines))

    def close(self) -> bytes:
        """Decodes the last line."""
        last = self._line(self._held) if self._held else b""
        self._held = b""
        if not self._ended:
            self._defects.add("uuencode-malformed")
        return last

    def _line(self, line: bytes) -> bytes:
        line = line.rstrip(b"\r")
        if not self._begun:
            self._begun = line.startswith(b"begin ")
            return b""
        if self._ended or line.strip() == b"end":
            self._ended = True
            return b""
        if len(line) > _UU_LINE_LIMIT:
            self._defects.add("uuencode-malformed")
            return b""
        return self._data(line)

    def _data(self, line: bytes) -> bytes:
        if not line:
            return b""
        try:
            return binascii.a2b_uu(line)
        except binascii.Error:
            pass
        # Some encoders pad a line beyond what its length says; what it says is kept.
        length = (((line[0] - 32) & 63) * 4 + 5) // 3
        try:
            return binascii.a2b_uu(line[:length])
        except binascii.Error:
            self._defects.add("uuencode-malformed")
            return b""


_DECODERS: dict[str, Callable[[set[str]], Decoder]] = {
    "base64": Base64,
    "quoted-printable": QuotedPrintable,
    "x-uuencode": Uuencode,
    "x-uue": Uuencode,
    "uuencode": Uuencode,
    "uue": Uuencode,
}
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})


def decoder(encoding: str, defects: set[str]) -> Decoder:
    """The decoder for a transfer encoding.

    Args:
        encoding: its name in lower case, nothing where there is none.
        defects: takes ``unknown-encoding``, under which octets are left as they are, and what the
            decoder finds.
    """
    known = _DECODERS.get(encoding)
    if known is not None:
        return known(defects)
    if encoding not in _PLAIN:
        defects.add("unknown-encoding")
    return Identity()
