"""Encoded words (RFC 2047): text in header fields that only ASCII may enter.

More is understood than the RFC allows, since real mail needs it: words that touch other text,
words with spaces in them, and characters split between two neighbours of one character set. What
mail-parser makes of them is not used: it drops octets that a word's character set cannot explain,
and leaves a name with a split character undecoded.
"""

import binascii
import re

from archiver.mail.charsets import decode, unlabelled
from archiver.mail.transfer import base64_octets

_OPENING = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?")
_CONTROLS = dict.fromkeys((*range(32), 127), " ")


def one_line(text: str) -> str:
    """Text of a header field as one line: control characters become spaces."""
    return text.translate(_CONTROLS).strip() if not text.isprintable() else text.strip()


def header_text(octets: bytes) -> str:
    """A field's octets as text, encoded words still encoded (RFC 6532, else windows-1252)."""
    return unlabelled(octets)


def decode_words(text: str, defects: set[str]) -> str:
    """Replaces the encoded words in a text by what they say.

    Args:
        text: a field's value or a part of it.
        defects: takes what the words get wrong.
    """
    if "=?" not in text:
        return text
    out: list[str] = []
    run = _Run(defects)
    at = 0
    while opening := _OPENING.search(text, at):
        end = text.find("?=", opening.end())
        if end < 0:
            break
        gap = text[at : opening.start()]
        if gap and not (run.charset is not None and gap.isspace()):
            out += (run.flush(), gap)
        charset = opening[1].partition("*")[0].lower()
        if charset != run.charset:
            out.append(run.flush())
        run.add(charset, _payload(opening[2], text[opening.end() : end], defects))
        at = end + 2
    out += (run.flush(), text[at:])
    return "".join(out)


class _Run:
    """The octets of neighbouring words of one character set, decoded together."""

    def __init__(self, defects: set[str]) -> None:
        self.charset: str | None = None
        self._octets: list[bytes] = []
        self._defects = defects

    def add(self, charset: str, octets: bytes) -> None:
        self.charset = charset
        self._octets.append(octets)

    def flush(self) -> str:
        if self.charset is None:
            return ""
        text = decode(b"".join(self._octets), self.charset, self._defects)
        self.charset = None
        self._octets = []
        return text


def _payload(kind: str, payload: str, defects: set[str]) -> bytes:
    octets = payload.encode("utf-8", "replace")
    if kind in "qQ":
        return binascii.a2b_qp(octets, header=True)
    return base64_octets(octets, defects)
