"""The terms of a query: a tree of frozen records, whose leaves are what can be asked of a message.

What a leaf means for a message is said here; how it is found quickly is the index's affair.

- Words are compared as ``index/normalise.py`` writes them: without case, accents and signs. Text
  that it parts, such as ``e-mail`` or several Han characters, is a phrase.
- The words of a phrase stand one behind the other, in one text: never at the end of the subject and
  the beginning of the body, nor in two addresses.
- ``*`` lets the last word go on. Of a character that is a word of its own that is no more than
  itself.
- In addresses, names and file names, a text of three characters or more is found inside of words
  by ``ANY``, and a text of any length by the fields that are about them.
- A text of nothing but signs finds nothing; beside other terms it is passed over, if it is looked
  for in ``ANY``, ``SUBJECT``, ``BODY`` or ``ATTACHMENT``.
"""

from dataclasses import dataclass
from enum import StrEnum


class Field(StrEnum):
    """Where a text is looked for.

    ``ANY``: subject, addresses with their names, text body, text in attachments, file names.
    ``FROM``, ``TO``, ``CC``, ``BCC``: that header's mailboxes: a part of an address, or words of a
    name. ``ANYONE``: the mailboxes of any header. ``BODY``: the text body and text in attachments.
    ``ATTACHMENT``: text in attachments. ``FILENAME``: a part of an attachment's file name.
    ``TYPE``: an attachment's media type, or one of its two halves. ``LIST``: a part of List-Id.
    ``ID``: Message-ID, without angle brackets. ``ACCOUNT``: an account that holds the message.
    ``DIGEST``: the beginning of the SHA-256 of its octets.
    """

    ANY = "any"
    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    ANYONE = "anyone"
    SUBJECT = "subject"
    BODY = "body"
    ATTACHMENT = "attachment"
    FILENAME = "filename"
    TYPE = "type"
    LIST = "list"
    ID = "id"
    ACCOUNT = "account"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Text:
    """What is looked for in a field, as typed; several words are a phrase.

    ``prefix``: the last word goes on (``contr*``).
    """

    field: Field
    text: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """There is an attachment: a part that is no text, has a file name, or is to be saved."""


@dataclass(frozen=True, slots=True)
class Dated:
    """The message has a date in ``since <= date < before``, seconds since the epoch; None: open."""

    since: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Sized:
    """The raw message has more than ``larger`` octets and fewer than ``smaller``; None: open."""

    larger: int | None = None
    smaller: int | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """What ``term`` does not hold of."""

    term: "Query"


@dataclass(frozen=True, slots=True)
class All:
    """What every one of ``terms`` holds of; none of them hold of everything."""

    terms: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """What at least one of ``terms`` holds of."""

    terms: tuple["Query", ...]


Query = Text | HasAttachment | Dated | Sized | Not | All | Either

EVERYTHING = All(())
"""The query of whoever asks for nothing."""
