"""What readers disagree about, and whether that is written down."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from infra.peers.facts import FIELDS, Facts, Value
from infra.peers.known import KNOWN, Known, explained
from infra.peers.readers import Unreadable, mail_parser, ours, python_email


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A field of a mail that a peer reads otherwise; ``*`` where it gave the mail up."""

    mail: str
    peer: str
    field: str
    ours: Value
    theirs: Value
    known: Known | None


def compare(mails: Mapping[str, bytes], notmuch: Mapping[str, Facts]) -> Iterator[Disagreement]:
    """Every disagreement.

    Args:
        mails: messages by name.
        notmuch: what it read of them, as far as it did.
    """
    for mail, octets in mails.items():
        mine = ours(octets)
        for peer, read in (("python", python_email), ("mail-parser", mail_parser)):
            try:
                theirs = read(octets)
            except Unreadable as failure:
                yield Disagreement(mail, peer, "*", None, str(failure), explained(peer, "*", mail))
            else:
                yield from _fields(mail, peer, mine, theirs)
        if mail in notmuch:
            yield from _fields(mail, "notmuch", mine, notmuch[mail])


def _fields(mail: str, peer: str, mine: Facts, theirs: Facts) -> Iterator[Disagreement]:
    for field in FIELDS:
        here, there = mine.values[field], theirs.values[field]
        if here != there:
            yield Disagreement(mail, peer, field, here, there, explained(peer, field, mail))


def stale(found: Iterable[Disagreement], *, with_notmuch: bool) -> list[Known]:
    """What is written down and was not found."""
    occurred = {id(one.known) for one in found}
    return [
        one for one in KNOWN if id(one) not in occurred and (with_notmuch or one.peer != "notmuch")
    ]
