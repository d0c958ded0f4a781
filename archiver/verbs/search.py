"""Finds archived messages by what they say, and counts them, for ``search`` and ``stats``."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from archiver.index import Conversation, Hit, Total
from archiver.model import Address

CSV_COLUMNS = (
    "digest",
    "date",
    "from",
    "to",
    "cc",
    "subject",
    "size",
    "accounts",
    "attachments",
    "message_id",
    "key",
)


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit as ``search --json`` prints it: these fields are part of the interface."""
    place = hit.places[0]
    return {
        "digest": hit.digest,
        "message_id": hit.message_id,
        "accounts": list(hit.accounts),
        "date": None if hit.date is None else rfc3339(hit.date),
        "from": None if hit.author is None else _address_json(hit.author),
        "to": [_address_json(address) for address in hit.to],
        "subject": hit.subject,
        "size": hit.size,
        "attachments": [
            {"name": part.name, "type": part.type, "size": part.size, "digest": part.digest}
            for part in hit.attachments
        ],
        "snippet": hit.snippet,
        "key": place.key,
        "offset": place.offset,
        "length": place.length,
    }


def conversation_json(one: Conversation) -> dict[str, Any]:
    """A conversation as ``search --threads --json`` prints it."""
    return {
        "thread": one.thread,
        "messages": one.messages,
        "matched": one.matched,
        "authors": list(one.authors),
        "hits": [hit_json(hit) for hit in one.hits],
    }


def total_json(one: Total, by: str | None) -> dict[str, Any]:
    """A row of ``stats --json``; ``by`` and ``key`` are null in that of all messages."""
    return {
        "by": by,
        "key": None if by is None else one.key,
        "messages": one.messages,
        "bytes": one.octets,
    }


def csv_rows(hits: Sequence[Hit]) -> Iterator[list[str]]:
    """Hits as rows for CSV, in the order of ``CSV_COLUMNS``; several values have ``; `` between."""
    for hit in hits:
        yield [
            hit.digest,
            "" if hit.date is None else rfc3339(hit.date),
            _people([hit.author] if hit.author else []),
            _people(hit.to),
            _people(hit.cc),
            _tame(hit.subject),
            str(hit.size),
            "; ".join(hit.accounts),
            _tame("; ".join(part.name or part.type for part in hit.attachments)),
            _tame(hit.message_id or ""),
            hit.places[0].key,
        ]


def rfc3339(seconds: int) -> str:
    """A time in UTC with ``Z`` (RFC 3339 section 5.6)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _people(people: Sequence[Address]) -> str:
    each = (f"{one.name} <{one.address}>" if one.name else one.address for one in people)
    return _tame("; ".join(each))


def _tame(text: str) -> str:
    """Text from a stranger that no spreadsheet takes for a formula (OWASP, CSV Injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _address_json(address: Address) -> dict[str, str]:
    return {"name": address.name, "address": address.address}
