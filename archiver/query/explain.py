"""A query in words: how it was understood."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from archiver.query.terms import (
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

_WHERE = {
    Field.ANY: "subject, addresses, text, attachments or file names contain",
    Field.FROM: "the sender's address or name contains",
    Field.TO: "an address or name in To contains",
    Field.CC: "an address or name in Cc contains",
    Field.BCC: "an address or name in Bcc contains",
    Field.ANYONE: "an address or name in any header contains",
    Field.SUBJECT: "the subject contains",
    Field.BODY: "the text, or the text in an attachment, contains",
    Field.ATTACHMENT: "the text in an attachment contains",
    Field.FILENAME: "a file name contains",
    Field.TYPE: "an attachment's type is",
    Field.LIST: "the mailing list's id contains",
    Field.ID: "the Message-ID is",
    Field.ACCOUNT: "it is in the account",
    Field.DIGEST: "the digest begins with",
}


def explain(query: Query) -> str:
    """How a query was understood, a line for each term, indented as they belong together."""
    return "\n".join(_lines(query, 0))


def _lines(query: Query, depth: int) -> Iterator[str]:
    match query:
        case All(()):
            yield _indented("everything", depth)
        case All(terms):
            yield _indented("all of:", depth)
            for term in terms:
                yield from _lines(term, depth + 1)
        case Either(terms):
            yield _indented("at least one of:", depth)
            for term in terms:
                yield from _lines(term, depth + 1)
        case Not(term):
            yield _indented("not:", depth)
            yield from _lines(term, depth + 1)
        case _:
            yield _indented(_leaf(query), depth)


def _indented(line: str, depth: int) -> str:
    return "  " * depth + line


def _leaf(query: Text | HasAttachment | Dated | Sized) -> str:
    match query:
        case Text(field, text, prefix):
            goes_on = ", or a word that begins so" if prefix else ""
            return f'{_WHERE[field]} "{text}"{goes_on}'
        case HasAttachment():
            return "there is an attachment"
        case Dated(since, before):
            return "the date is " + _range(since, before, "from", "before", _time)
        case Sized(larger, smaller):
            return "the size is " + _range(larger, smaller, "more than", "less than", _octets)


def _range(
    low: int | None, high: int | None, at_least: str, below: str, show: Callable[[int], str]
) -> str:
    parts = [f"{at_least} {show(low)}" if low is not None else ""]
    parts.append(f"{below} {show(high)}" if high is not None else "")
    return " and ".join(filter(None, parts)) or "any"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _octets(number: int) -> str:
    return f"{number:,} octets"
