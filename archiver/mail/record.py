"""A message's record as JSON, as ``archiver parse FILE.eml`` prints it."""

from datetime import UTC, datetime
from typing import Any

from archiver.model import Address, Mail, Part


def mail_json(mail: Mail) -> dict[str, Any]:
    """The record of a message, ready for ``json.dumps``.

    ``date`` is RFC 3339 in UTC or None; ``from`` is the first author or None.
    """
    authors = _addresses(mail.authors)
    return {
        "digest": mail.digest,
        "header_digest": mail.header_digest,
        "size": mail.size,
        "message_id": mail.message_id,
        "in_reply_to": list(mail.in_reply_to),
        "references": list(mail.references),
        "date": _rfc3339(mail.date),
        "date_header": mail.date_header,
        "from": authors[0] if authors else None,
        "authors": authors,
        "to": _addresses(mail.to),
        "cc": _addresses(mail.cc),
        "bcc": _addresses(mail.bcc),
        "reply_to": _addresses(mail.reply_to),
        "subject": mail.subject,
        "list_id": mail.list_id,
        "text": mail.text,
        "parts": [_part(part) for part in mail.parts],
        "defects": list(mail.defects),
    }


def _rfc3339(date: int | None) -> str | None:
    if date is None:
        return None
    return datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _addresses(addresses: tuple[Address, ...]) -> list[dict[str, str]]:
    return [{"name": address.name, "address": address.address} for address in addresses]


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "type": part.type,
        "disposition": part.disposition,
        "content_id": part.content_id,
        "size": part.size,
        "digest": part.digest,
    }
