"""What the index keeps of a message, made ready where the message was read.

A worker process does what needs no database; the main process, which alone writes, inserts.
Everything here is pure and can be pickled: an entry is about twice as large as the text.
"""

from dataclasses import dataclass
from typing import Final

from archiver.index.normalise import normalise
from archiver.model import Address, Mail, Part

INDEX_VERSION: Final = 1
"""Of what an entry holds and how messages are read: a higher one makes older entries due again."""

TEXT_LIMIT: Final = 4 << 20
"""Octets of a text body, in UTF-8, that are indexed; an entry must stay small on its way here."""


@dataclass(frozen=True, slots=True)
class Words:
    """The normalised words of a message, by the columns of the full-text index."""

    subject: str
    addresses: str
    body: str
    names: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One message, ready to be inserted.

    ``people`` are the mailboxes with their roles (``from``, ``to``, ``cc``, ``bcc``, ``reply-to``)
    in the order of the message; ``text`` is the text body in UTF-8, up to TEXT_LIMIT.
    """

    digest: bytes
    message_id: str | None
    date: int | None
    subject: str
    size: int
    people: tuple[tuple[str, Address], ...]
    attachments: tuple[Part, ...]
    words: Words
    text: bytes


@dataclass(frozen=True, slots=True)
class Location:
    """Where the raw octets of a message lie: ``length`` octets at ``offset`` of ``key``."""

    account: str
    key: str
    offset: int
    length: int


def prepare(mail: Mail) -> Entry:
    """What the index will hold of ``mail``, at INDEX_VERSION."""
    people = tuple(
        (role, Address(_storable(person.name), _storable(person.address)))
        for role, persons in (
            ("from", mail.authors),
            ("to", mail.to),
            ("cc", mail.cc),
            ("bcc", mail.bcc),
            ("reply-to", mail.reply_to),
        )
        for person in persons
    )
    attachments = tuple(_storable_part(part) for part in mail.parts if _is_attachment(part))
    text = mail.text.encode(errors="replace")[:TEXT_LIMIT]
    return Entry(
        digest=bytes.fromhex(mail.digest),
        message_id=None if mail.message_id is None else _storable(mail.message_id),
        date=mail.date,
        subject=_storable(mail.subject),
        size=mail.size,
        people=people,
        attachments=attachments,
        words=Words(
            subject=normalise(mail.subject),
            addresses=normalise("\n".join(f"{a.name}\n{a.address}" for _, a in people)),
            body=normalise(text.decode(errors="ignore")),
            names=normalise("\n".join(part.name or "" for part in attachments)),
        ),
        text=text,
    )


def _storable(text: str) -> str:
    """``text`` with a question mark for every lone surrogate, which SQLite cannot hold."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _is_attachment(part: Part) -> bool:
    # Another rendering of the body is a text without a name: nobody would call it an attachment.
    is_body = part.type.casefold().startswith("text/") and part.name is None
    return not is_body or (part.disposition or "").casefold() == "attachment"


def _storable_part(part: Part) -> Part:
    name = None if part.name is None else _storable(part.name)
    return Part(digest=part.digest, size=part.size, type=_storable(part.type), name=name)
