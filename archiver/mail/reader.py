"""Reads a message: one pass finds its structure, a second decodes its leaves where they lie.

Whatever the octets are, there is an answer, and it is the same each time. Every field can be read
from the octets; where mail-parser read it well, its reading stands.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from archiver.mail.addresses import read_addresses
from archiver.mail.body import choose_text, read_text
from archiver.mail.charsets import decode
from archiver.mail.dates import lenient_date, plausible, twelve_hours
from archiver.mail.fields import MESSAGE_FIELDS, Fields, read_fields
from archiver.mail.identifiers import bracketed, every_bracketed
from archiver.mail.markup import html_text
from archiver.mail.octets import Octets
from archiver.mail.parts import PartSink, read_part
from archiver.mail.skeleton import Reading, read_skeleton
from archiver.mail.structure import Leaf, read_structure
from archiver.mail.words import decode_words, header_text, one_line
from archiver.model import Address, Mail, Part


def read_mail(
    stream: BinaryIO,
    *,
    digest: str,
    header_digest: str,
    size: int,
    sink: PartSink | None = None,
    now: float | None = None,
) -> Mail:
    """Reads what a message says and hands its decoded parts on.

    Args:
        stream: seekable, the raw octets, wherever it stands.
        digest: SHA-256 of the raw octets.
        header_digest: SHA-256 of its header, as ``format.MessageHash`` computes it.
        size: how many octets the stream holds.
        sink: where decoded parts go, None where only the record is wanted.
        now: seconds since the epoch, by which a date is judged to lie too far ahead; the time
            when the message was retrieved gives the same answer for ever. Default: the clock's.

    Raises:
        OSError: the stream or the sink failed; no octets of a message raise anything.
    """
    structure = read_structure(stream, size)
    defects = set(structure.defects)
    chosen = choose_text(structure.leaves)
    body = None if chosen is None else read_text(stream, chosen, defects)
    parts = tuple(
        read_part(stream, leaf, sink, defects) for leaf in structure.leaves if leaf is not chosen
    )
    charset = chosen.entity.charset if chosen else None
    reading = read_skeleton(structure.fields, body, charset, defects)
    said = _Said(structure.fields, reading, defects, time.time() if now is None else now)
    text = "" if chosen is None or body is None else _text(chosen, body, reading, defects)
    return said.mail(_Identity(digest, header_digest, size), text, parts)


def read_header(
    stream: BinaryIO,
    *,
    digest: str,
    header_digest: str,
    size: int,
    now: float | None = None,
) -> Mail:
    """Reads only the header fields, without mail-parser, for a message that cannot be read whole.

    Arguments are those of ``read_mail``. The record has the defect ``body-not-read``.
    """
    fields = read_fields(Octets(stream, size), MESSAGE_FIELDS, ())
    defects = {*fields.defects, "body-not-read"}
    said = _Said(fields, Reading(), defects, time.time() if now is None else now)
    return said.mail(_Identity(digest, header_digest, size), "", ())


@dataclass(frozen=True, slots=True)
class _Identity:
    digest: str
    header_digest: str
    size: int


class _Said:
    """Joins what mail-parser read with what the octets say."""

    def __init__(self, fields: Fields, reading: Reading, defects: set[str], now: float) -> None:
        self._fields = fields
        self._reading = reading
        self._defects = defects
        self._now = now

    def mail(self, identity: _Identity, text: str, parts: tuple[Part, ...]) -> Mail:
        first = self._fields.first
        date_header = self._line("date")
        list_id = bracketed(first("list-id"))
        return Mail(
            digest=identity.digest,
            header_digest=identity.header_digest,
            size=identity.size,
            message_id=bracketed(first("message-id")),
            in_reply_to=every_bracketed(first("in-reply-to")),
            references=every_bracketed(first("references")),
            date=self._date(date_header),
            date_header=date_header,
            authors=self._addresses("from"),
            to=self._addresses("to"),
            cc=self._addresses("cc"),
            bcc=self._addresses("bcc"),
            reply_to=self._addresses("reply-to"),
            subject=self._subject(),
            list_id=list_id,
            text=text,
            parts=parts,
            defects=tuple(sorted(self._defects)),
        )

    def _line(self, name: str) -> str | None:
        octets = self._fields.first(name)
        return None if octets is None else one_line(header_text(octets))

    def _subject(self) -> str:
        if self._reading.subject is not None:
            return self._reading.subject
        octets = self._fields.first("subject") or b""
        return one_line(decode_words(header_text(octets), self._defects))

    def _date(self, header: str | None) -> int | None:
        strict: datetime | None = self._reading.date
        if header is None:
            return None
        believed = strict is not None and not twelve_hours(header)
        date = plausible(strict, self._now) if believed else None
        if date is None:
            date = plausible(lenient_date(header), self._now)
        if date is None:
            self._defects.add("unusable-date")
        return date

    def _addresses(self, name: str) -> tuple[Address, ...]:
        read = self._reading.addresses.get(name)
        if read is not None:
            return read
        return read_addresses(self._fields.values.get(name, ()), self._defects)


def _text(leaf: Leaf, body: bytes, reading: Reading, defects: set[str]) -> str:
    text = reading.text
    if text is None:
        text = decode(body, leaf.entity.charset, defects)
    text = text.replace("\r\n", "\n")
    return html_text(text, defects) if leaf.entity.type == "text/html" else text
