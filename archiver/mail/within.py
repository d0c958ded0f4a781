"""What an attached message says, for whoever searches, and what those say that are in it."""

from typing import BinaryIO

from archiver.mail.nested import NESTING_LIMIT, opened
from archiver.mail.reader import read_mail
from archiver.mail.structure import read_structure
from archiver.model import Address

MESSAGES_LIMIT = 1000


def words_within(stream: BinaryIO, size: int, limit: int) -> str:
    """Subject, addresses, text and file names of a message and of those attached to it.

    Args:
        stream: the message, seekable.
        size: how many octets it has.
        limit: about how many characters are wanted.
    """
    pieces: list[str] = []
    _gather(stream, size, pieces, [limit, MESSAGES_LIMIT], NESTING_LIMIT)
    return "\n".join(pieces)


def _gather(stream: BinaryIO, size: int, pieces: list[str], left: list[int], depth: int) -> None:
    """Adds what a message says; ``left`` are the characters and messages still wanted."""
    mail = read_mail(stream, digest="", header_digest="", size=size)
    people = (*mail.authors, *mail.to, *mail.cc, *mail.bcc)
    names = [part.name for part in mail.parts if part.name]
    said = "\n".join((mail.subject, *map(_person, people), mail.text, *names))[: left[0]]
    pieces.append(said)
    left[0] -= len(said)
    left[1] -= 1
    if depth == 0:
        return
    for leaf in read_structure(stream, size).leaves:
        if leaf.entity.embedded and min(left) > 0:
            with opened(stream, leaf) as (inner, length):
                _gather(inner, length, pieces, left, depth - 1)


def _person(person: Address) -> str:
    return f"{person.name} {person.address}".strip()
