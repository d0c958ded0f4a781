"""Finds one archived message by its digest or Message-ID, and says what is in it.

A digest is looked for in the index and in the ledger: a message that the index lacks, or all of
them where it is missing or damaged, can be had all the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from archiver.errors import IndexDamaged, UsageError
from archiver.format import MessageHash
from archiver.index import Hit, Index, Location
from archiver.ledger.archived import Archived
from archiver.mail import Number, mail_json, part_numbers, read_mail
from archiver.model import Mail
from archiver.query import Field, Text
from archiver.verbs.stored import StoredMessages

SHORTEST = 6
"""So many digits of a digest name a message, as long as it is the only one."""

LIMIT = 20
"""No more candidates than this are told."""

_DIGEST_DIGITS = 64
_CHUNK = 1 << 20
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that may be meant; ``hit`` is what the index says, None where it lacks it."""

    digest: str
    size: int
    accounts: tuple[str, ...]
    places: tuple[Location, ...]
    hit: Hit | None


def wanted(typed: str) -> Text:
    """What a person named, as a question to the index.

    Args:
        typed: the beginning of a digest, at least 6 digits, or a Message-ID with or without angle
            brackets; ``digest:`` or ``id:`` before it says which.

    Raises:
        UsageError: it is neither.
    """
    kind, colon, rest = typed.strip().partition(":")
    if colon and kind.lower() == "digest":
        return _digest(rest.strip().lower(), typed)
    if colon and kind.lower() == "id":
        return _message_id(rest, typed)
    if _HEX.fullmatch(typed.strip().lower()):
        return _digest(typed.strip().lower(), typed)
    return _message_id(typed, typed)


def _digest(digits: str, typed: str) -> Text:
    if not _HEX.fullmatch(digits) or not SHORTEST <= len(digits) <= _DIGEST_DIGITS:
        raise UsageError(
            f"{typed!r} is no digest: {SHORTEST} to {_DIGEST_DIGITS} hexadecimal digits",
            hint="a Message-ID that looks like one is written as id:...",
        )
    return Text(Field.DIGEST, digits)


def _message_id(text: str, typed: str) -> Text:
    text = text.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if not text:
        raise UsageError(
            f"{typed!r} names no message",
            hint="name one by the beginning of its digest, as search prints it, or its Message-ID",
        )
    return Text(Field.ID, text)


def candidates(index_file: Path, stored: StoredMessages, asked: Text) -> list[Candidate]:
    """The messages that may be meant, by digest, at most one more than ``LIMIT``.

    Args:
        index_file: where the index is, if there is one.
        stored: the archive.
        asked: what ``wanted`` made of what a person typed.

    Raises:
        UsageError: a Message-ID was named, and there is no index that can be read.
    """
    hits = {hit.digest: hit for hit in _hits(index_file, asked)}
    prefixes = [asked.text] if asked.field is Field.DIGEST else list(hits)
    known: dict[str, list[Archived]] = {digest: [] for digest in hits}
    for prefix in prefixes:
        for one in stored.known(prefix, LIMIT + 1):
            known.setdefault(one.digest, []).append(one)
    return [_candidate(digest, hits.get(digest), known[digest]) for digest in sorted(known)]


def _hits(index_file: Path, asked: Text) -> list[Hit]:
    by_digest = asked.field is Field.DIGEST
    if by_digest and not index_file.exists():
        return []
    try:
        index = Index.open(index_file, read_only=True)
        try:
            return list(islice(index.each(asked), LIMIT + 1))
        finally:
            index.close()
    except (IndexDamaged, UsageError):
        if by_digest:
            return []
        raise


def _candidate(digest: str, hit: Hit | None, known: list[Archived]) -> Candidate:
    # What was moved lies where the ledger says; the index may not have heard of it yet.
    places = [Location(one.account, one.key, 0, one.size) for one in known if one.key is not None]
    places += [] if hit is None else [place for place in hit.places if place not in places]
    accounts = {one.account for one in known}.union(() if hit is None else hit.accounts)
    size = known[0].size if hit is None else hit.size
    return Candidate(digest, size, tuple(sorted(accounts)), tuple(places), hit)


def read_record(stream: BinaryIO, fetched_at: int | None) -> Mail:
    """What a message says.

    Args:
        stream: seekable, its raw octets.
        fetched_at: when it was fetched, seconds since the epoch; None where nobody knows.
    """
    stream.seek(0)
    hashed = MessageHash()
    while chunk := stream.read(_CHUNK):
        hashed.update(chunk)
    found = hashed.result()
    return read_mail(
        stream,
        digest=found.digest,
        header_digest=found.header_digest,
        size=found.size,
        now=fetched_at,
    )


def header_octets(stream: BinaryIO) -> Iterator[bytes]:
    """The header as it is, in lines with their ends or pieces of them, without the empty line."""
    stream.seek(0)
    starts = True
    while line := stream.readline(_CHUNK):
        if starts and line in (b"\r\n", b"\n"):
            return
        starts = line.endswith(b"\n")
        yield line


def show_json(stream: BinaryIO, mail: Mail, message: Candidate, *, spooled: bool) -> dict[str, Any]:
    """A message as ``show --json`` prints it: as ``parse FILE``, and what is archived of it."""
    record = mail_json(mail)
    for part, number in zip(record["parts"], part_numbers(stream, mail), strict=True):
        part["number"] = number_text(number)
    return record | {
        "accounts": list(message.accounts),
        "spooled": spooled,
        "places": [
            {
                "account": place.account,
                "key": place.key,
                "offset": place.offset,
                "length": place.length,
            }
            for place in message.places
        ],
    }


def number_text(number: Number) -> str:
    """A part's number as people write it: ``2.1``."""
    return ".".join(map(str, number))
