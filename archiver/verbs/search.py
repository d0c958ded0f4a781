"""Finds archived messages by what they say."""

from datetime import UTC, datetime
from typing import Any

from archiver.index import Hit, Index
from archiver.model import Address
from archiver.query import Query


def search(index: Index, query: Query, *, limit: int) -> list[Hit]:
    """The newest ``limit`` messages that a query asks for; none is no error here.

    Args:
        index: what has been indexed so far, which may be less than what has been archived.
        query: what is asked for.
        limit: at most so many.
    """
    return index.search(query, limit=limit)


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit as ``search --json`` prints it: these fields are part of the interface."""
    place = hit.places[0]
    return {
        "digest": hit.digest,
        "message_id": hit.message_id,
        "accounts": list(hit.accounts),
        "date": None if hit.date is None else _rfc3339(hit.date),
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


def _rfc3339(seconds: int) -> str:
    """A time in UTC with ``Z`` (RFC 3339 section 5.6)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _address_json(address: Address) -> dict[str, str]:
    return {"name": address.name, "address": address.address}
