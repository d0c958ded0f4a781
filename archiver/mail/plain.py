"""Attached text, of which nobody says any more what its octets mean."""

import codecs

from archiver.mail.charsets import windows_1252
from archiver.mail.markup import html_text

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def plain_text(octets: bytes, *, html: bool = False) -> str:
    """The text of an attachment: as its byte order mark says, UTF-8 if it is, else windows-1252.

    Args:
        octets: its beginning; the last character may be cut.
        html: it is HTML, of which the text is wanted.
    """
    text = _decoded(octets)
    return html_text(text, set()) if html else text


def _decoded(octets: bytes) -> str:
    for mark, name in _MARKS:
        if octets.startswith(mark):
            return octets.decode(name, "replace")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(octets)
    except UnicodeDecodeError:
        return windows_1252(octets)
