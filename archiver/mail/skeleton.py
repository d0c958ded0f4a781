"""The door to mail-parser: it reads a skeleton, never the message.

The skeleton holds the header fields that it reads well and the body text with its transfer
encoding undone. What it must not see, and why:

- Received and other fields that no record needs cost most of its time;
- MIME parameters and long fields of encoded words take it quadratic time;
- 8-bit octets in fields it drops or turns into escapes, and of repeated fields it reads the first;
- text other than ASCII it puts into normal form C, which changes what the sender wrote and takes
  quadratic time over combining marks, and a 7-bit character set such as ISO-2022-JP it leaves
  encoded;
- beyond 1 MiB it needs 2.8 times the memory.

All that is read from the octets by the other modules here, which also answer for a field in which
it finds a defect.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from archiver.mail.fields import ADDRESS_FIELDS, Fields
from archiver.model import Address

BODY_LIMIT = 1024 * 1024
_FIELD_LIMIT = 4096
_READ = ("subject", "date", *ADDRESS_FIELDS)
_ASCII_INSIDE = frozenset(
    {None, "us-ascii", "utf-8", "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1252"}
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What mail-parser read; a field that it was not shown, or found wrong, is not there."""

    subject: str | None = None
    date: datetime | None = None
    addresses: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    text: str | None = None


def read_skeleton(
    fields: Fields, body: bytes | None, charset: str | None, defects: set[str]
) -> Reading:
    """Asks mail-parser about a message.

    Args:
        fields: the message's header fields.
        body: the chosen text, its transfer encoding undone; None where there is none.
        charset: its label, in lower case.
        defects: takes ``mail-parser-failed``, after which nothing is read.
    """
    shown = {name: value for name in _READ if (value := _suitable(fields, name)) is not None}
    body = body if _suitable_body(body, charset) else None
    lines = [name.encode() + b": " + value for name, value in shown.items()]
    octets = b"\r\n".join((*lines, b"Content-Type: text/plain; charset=us-ascii", b"", body or b""))
    try:
        return _ask(octets, shown, with_body=body is not None)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        defects.add("mail-parser-failed")
        return Reading()


def _suitable(fields: Fields, name: str) -> bytes | None:
    """The one occurrence of a field, when it is short ASCII without encoded words."""
    values = fields.values.get(name, [])
    if len(values) != 1 or len(values[0]) > _FIELD_LIMIT or not values[0].isascii():
        return None
    value = values[0]
    if not value or b"=?" in value or not value.decode("ascii").replace("\t", " ").isprintable():
        return None
    return value.replace(b"\t", b" ")


def _suitable_body(body: bytes | None, charset: str | None) -> bool:
    if body is None or charset not in _ASCII_INSIDE:
        return False
    return len(body) <= BODY_LIMIT and body.isascii()


def _ask(octets: bytes, shown: dict[str, bytes], *, with_body: bool) -> Reading:
    parser = _mail_parser()(octets)
    doubtful = {defect["header"] for defect in parser.address_header_defects}
    addresses = {
        name: tuple(Address(person, address) for person, address in getattr(parser, _attr(name)))
        for name in ADDRESS_FIELDS
        if name in shown and name not in doubtful
    }
    texts = parser.text_plain
    return Reading(
        subject=parser.subject if "subject" in shown else None,
        date=parser.date if "date" in shown else None,
        addresses=addresses,
        text=(texts[0] if texts else "") if with_body else None,
    )


@cache
def _mail_parser() -> Callable[[bytes], Any]:
    import mailparser

    # It logs fields of the message as errors; what it cannot read is a defect here and no news.
    # Set once: each setting empties what every logger of the process has cached.
    logging.getLogger("mailparser").setLevel(logging.CRITICAL + 1)
    parse: Callable[[bytes], Any] = mailparser.parse_from_bytes
    return parse


def _attr(name: str) -> str:
    return name.replace("-", "_")
