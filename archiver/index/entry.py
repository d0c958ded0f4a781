"""What the index keeps of a message, made ready where the message was read.

A worker process does what needs no database; the main process, which alone writes, inserts.
Everything here is pure and can be pickled: an entry is about twice as large as the text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from archiver.index.normalise import normalise
from archiver.index.people import Role
from archiver.index.subjects import answered
from archiver.model import Address, Mail, Part

INDEX_VERSION: Final = 2
"""Of what an entry holds and how messages are read: a higher one makes older entries due again."""

TEXT_LIMIT: Final = 4 << 20
"""Octets of a text body, in UTF-8, that are indexed; an entry must stay small on its way here."""

NOTHING_ATTACHED: Final[Mapping[str, str]] = MappingProxyType({})

# A conversation needs one that is known; lists of thousands come from broken programs.
_MOST_REFERENCES: Final = 50


@dataclass(frozen=True, slots=True)
class Words:
    """The normalised words of a message, by the columns of the full-text index."""

    subject: str
    body: str
    names: str
    attached: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One message, ready to be inserted.

    ``people`` are the mailboxes with their roles in the order of the message; ``text`` is the text
    body in UTF-8, up to TEXT_LIMIT. ``references`` are the Message-IDs of the conversation, the
    oldest first; ``answers`` is the subject that it answers, normalised, where it has none and its
    subject says that it is a reply. ``unread`` says by the digests of attachments why their text
    was not read.
    """

    digest: bytes
    message_id: str | None
    date: int | None
    subject: str
    size: int
    people: tuple[tuple[Role, Address], ...]
    attachments: tuple[Part, ...]
    words: Words
    text: bytes
    list_id: str | None = None
    references: tuple[str, ...] = ()
    answers: str = ""
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Location:
    """Where the raw octets of a message lie: ``length`` octets at ``offset`` of ``key``."""

    account: str
    key: str
    offset: int
    length: int


def prepare(
    mail: Mail,
    attached: Mapping[str, str] = NOTHING_ATTACHED,
    unread: Mapping[str, str] = NOTHING_ATTACHED,
) -> Entry:
    """What the index will hold of a message, at INDEX_VERSION.

    Args:
        mail: the message.
        attached: the text in its attachments, by their digests; TEXT_LIMIT of it counts.
        unread: why the text of others was not read, by their digests.
    """
    people = tuple(
        (role, Address(_storable(person.name), _storable(person.address)))
        for role, persons in (
            (Role.FROM, mail.authors),
            (Role.TO, mail.to),
            (Role.CC, mail.cc),
            (Role.BCC, mail.bcc),
            (Role.REPLY_TO, mail.reply_to),
        )
        for person in persons
    )
    attachments = tuple(_storable_part(part) for part in mail.parts if is_attachment(part))
    text = mail.text.encode(errors="replace")[:TEXT_LIMIT]
    references = tuple(dict.fromkeys((*mail.references, *mail.in_reply_to)))[-_MOST_REFERENCES:]
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
            body=normalise(text.decode(errors="ignore")),
            names=normalise("\n".join(part.name or "" for part in attachments)),
            attached=_attached(attachments, attached),
        ),
        text=text,
        list_id=None if mail.list_id is None else _storable(mail.list_id.strip("<>")),
        references=references,
        answers="" if references else answered(mail.subject),
        unread=dict(unread),
    )


def _attached(attachments: Sequence[Part], texts: Mapping[str, str]) -> str:
    found = [texts[part.digest] for part in attachments if part.digest in texts]
    return normalise("\n".join(found).encode(errors="replace")[:TEXT_LIMIT].decode(errors="ignore"))


def _storable(text: str) -> str:
    """``text`` with a question mark for every lone surrogate, which SQLite cannot hold."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def is_attachment(part: Part) -> bool:
    """Whether a part is what a person would call an attachment."""
    # Another rendering of the body is a text without a name: nobody would call it an attachment.
    is_body = part.type.casefold().startswith("text/") and part.name is None
    return not is_body or (part.disposition or "").casefold() == "attachment"


def _storable_part(part: Part) -> Part:
    name = None if part.name is None else _storable(part.name)
    return Part(digest=part.digest, size=part.size, type=_storable(part.type), name=name)
