"""What a query means, in plain Python: the arbiter of what the index has to find.

It folds words by itself, slowly, and looks at every message.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache

from archiver.model import Address, Mail, Part
from archiver.query import (
    All,
    Dated,
    Either,
    Field,
    HasAttachment,
    Not,
    Query,
    Sized,
    Text,
)

_ALIKE = {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
_EMOJI = 0x1F000
_SKIN = range(0x1F3FB, 0x1F400)
# Scripts whose characters are words of their own, and those whose vowel signs are not written.
_ALONE = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "HANGUL")
_UNSEEN = ("COMBINING", "HEBREW", "ARABIC", "VARIATION")


@cache
def words(text: str) -> list[str]:
    """The words of a text: case and accents do not count, signs part words, Han stands alone."""
    found = ""
    for character in unicodedata.normalize("NFC", text):
        whole = unicodedata.name(character, "").startswith("HANGUL")
        parts = character if whole else unicodedata.normalize("NFKD", character)
        for one in parts.casefold():
            found += _ALIKE.get(one) or _seen(one, unicodedata.category(one))
    return found.split()


def _seen(one: str, category: str) -> str:
    name = unicodedata.name(one, "")
    if ord(one) in _SKIN or category == "Cf":
        return ""
    if category == "So" and ord(one) > _EMOJI:
        return f" {one} "
    if category[0] == "M" and name.startswith(_UNSEEN):
        return ""
    if category[0] in "LNM":
        return f" {one} " if name.startswith(_ALONE) else one
    return " "


def attachments(mail: Mail) -> list[Part]:
    """The parts but those that say in another form what the body says."""
    return [
        part
        for part in mail.parts
        if part.disposition == "attachment"
        or part.name is not None
        or not part.type.lower().startswith("text/")
    ]


def matches(query: Query, mail: Mail, accounts: Iterable[str], attached: str = "") -> bool:
    """Whether a message is what a query asks for.

    Args:
        query: what is asked.
        mail: the message.
        accounts: those that hold it.
        attached: the text in its attachments.
    """
    match query:
        case All(terms):
            said = [term for term in terms if not _says_nothing(term)] or terms[:1]
            return all(matches(term, mail, accounts, attached) for term in said)
        case Either(terms):
            return any(matches(term, mail, accounts, attached) for term in terms)
        case Not(term):
            return not matches(term, mail, accounts, attached)
        case Dated(since, before):
            return (
                mail.date is not None
                and (since is None or mail.date >= since)
                and (before is None or mail.date < before)
            )
        case Sized(larger, smaller):
            return (larger is None or mail.size > larger) and (
                smaller is None or mail.size < smaller
            )
        case HasAttachment():
            return bool(attachments(mail))
        case Text():
            return _holds(query, mail, accounts, attached)


def _says_nothing(term: Query) -> bool:
    free = (Field.ANY, Field.SUBJECT, Field.BODY, Field.ATTACHMENT)
    return isinstance(term, Text) and term.field in free and not words(term.text)


def _holds(term: Text, mail: Mail, accounts: Iterable[str], attached: str) -> bool:
    names = [part.name or "" for part in attachments(mail)]
    headers = {
        Field.FROM: mail.authors,
        Field.TO: mail.to,
        Field.CC: mail.cc,
        Field.BCC: mail.bcc,
    }
    everyone = (*mail.authors, *mail.to, *mail.cc, *mail.bcc, *mail.reply_to)
    match term.field:
        case Field.ANY:
            texts = (mail.subject, mail.text, attached)
            return (
                any(_phrase(text, term) for text in (*texts, *names))
                or any(_phrase(f"{one.name} {one.address}", term) for one in everyone)
                or any(_inside(f"{one.name} {one.address}", term.text, 3) for one in everyone)
                or any(_inside(name, term.text, 3) for name in names)
            )
        case Field.SUBJECT:
            return _phrase(mail.subject, term)
        case Field.BODY:
            return _phrase(mail.text, term) or _phrase(attached, term)
        case Field.ATTACHMENT:
            return _phrase(attached, term)
        case Field.FILENAME:
            return any(_inside(name, term.text) for name in names)
        case Field.TYPE:
            return any(_is_type(part.type.lower(), term) for part in attachments(mail))
        case Field.LIST:
            return mail.list_id is not None and _inside(mail.list_id, term.text)
        case Field.ID:
            own = mail.message_id or ""
            return own.startswith(term.text) if term.prefix else own == term.text
        case Field.ACCOUNT:
            wanted = term.text.lower()
            lower = [account.lower() for account in accounts]
            return any(one.startswith(wanted) if term.prefix else one == wanted for one in lower)
        case Field.DIGEST:
            return mail.digest.startswith(term.text.lower())
        case Field.ANYONE:
            return any(_is_person(one, term) for one in everyone)
        case field:
            return any(_is_person(one, term) for one in headers[field])


def _phrase(text: str, term: Text) -> bool:
    """Whether the words stand in a text one behind the other; the last may go on."""
    wanted = words(term.text)
    said = words(text)
    for start in range(len(said) - len(wanted) + 1) if wanted else ():
        *head, last = said[start : start + len(wanted)]
        goes_on = term.prefix and last.startswith(wanted[-1])
        if head == wanted[:-1] and (last == wanted[-1] or goes_on):
            return True
    return False


def _inside(text: str, part: str, shortest: int = 1) -> bool:
    folded = " ".join(words(part))
    return len(folded) >= shortest and folded in " ".join(words(text))


def _is_person(one: Address, term: Text) -> bool:
    return _inside(one.address, term.text) or _phrase(one.name, term)


def _is_type(kind: str, term: Text) -> bool:
    wanted = term.text.lower()
    halves = (kind,) if "/" in wanted else (kind, *kind.split("/"))
    return any(half.startswith(wanted) if term.prefix else half == wanted for half in halves)
