"""A message for a person who reads it: its texts in their order, and what else is in it.

Of leaves that say the same (multipart/alternative) the plain one is shown, unless it is empty.
Every other text that is not attached is shown too: mailing lists append their notes as parts of
their own, and some programs write text, picture, text. All of it is bounded, whatever a sender
sent: 1 Mi characters, 50 texts, a list of 100 parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from archiver.mail.body import choose_text, read_text
from archiver.mail.charsets import decode
from archiver.mail.confined import confined
from archiver.mail.fields import read_fields
from archiver.mail.links import html_text_and_links
from archiver.mail.nested import Number, Numbered, numbered, opened
from archiver.mail.octets import Octets
from archiver.mail.structure import Leaf, Structure, read_structure
from archiver.mail.words import decode_words, header_text, one_line
from archiver.model import Mail

TEXT_LIMIT = 1024 * 1024
TEXTS_LIMIT = 50
LIST_LIMIT = 100

_PLAIN, _HTML = "text/plain", "text/html"


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text of a message with the links in it; ``cut`` is true where there is more of it."""

    number: Number
    text: str
    links: tuple[str, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class ListedPart:
    """A part in the list of them; ``size`` are its octets, the transfer encoding undone.

    A message without a file name goes by its subject.
    """

    number: Number
    type: str
    size: int
    name: str | None


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a message.

    ``unshown`` texts and ``unlisted`` parts of the message itself came after as many as are shown.
    """

    texts: tuple[ShownText, ...]
    unshown: int
    parts: tuple[ListedPart, ...]
    unlisted: int


def view_mail(stream: BinaryIO, mail: Mail) -> View:
    """What is shown of a message.

    Args:
        stream: seekable, the raw octets.
        mail: what ``read_mail`` read from them.

    Raises:
        OSError: the stream failed.
    """
    structure = read_structure(stream, mail.size)
    every = list(_texts(stream, structure))
    texts: list[ShownText] = []
    room = TEXT_LIMIT
    for number, leaf in every[:TEXTS_LIMIT]:
        if room > 0:
            texts.append(_shown(stream, number, leaf, room))
            room -= len(texts[-1].text)
    parts = tuple(_listed(stream, structure, mail))
    listed = sum(len(part.number) == 1 for part in parts)
    return View(tuple(texts), len(every) - len(texts), parts, len(structure.leaves) - listed)


def part_numbers(stream: BinaryIO, mail: Mail) -> list[Number]:
    """The numbers of ``mail.parts``, in their order."""
    leaves = read_structure(stream, mail.size).leaves
    chosen = choose_text(leaves)
    return [(position,) for position, leaf in enumerate(leaves, 1) if leaf is not chosen]


def html_part(stream: BinaryIO, size: int) -> Numbered | None:
    """The first HTML text of a message that is not attached, else the first that is; or None."""
    leaves = read_structure(stream, size).leaves
    found = [(at, leaf) for at, leaf in enumerate(leaves, 1) if leaf.entity.type == _HTML]
    found.sort(key=lambda one: one[1].attached)
    return Numbered((found[0][0],), found[0][1], stream) if found else None


def safe_html(part: Numbered) -> tuple[bytes, bool]:
    """An HTML text for a browser that may load nothing of it, and whether it was cut at 8 MiB."""
    defects: set[str] = set()
    octets = read_text(part.stream, part.leaf, defects)
    markup = decode(octets, part.leaf.entity.charset, set())
    return confined(markup).encode("utf-8", "replace"), "text-cut" in defects


def _texts(stream: BinaryIO, structure: Structure) -> Iterator[tuple[int, Leaf]]:
    """The leaves to show with their numbers."""
    groups: dict[int, list[tuple[int, Leaf]]] = {}
    for number, leaf in enumerate(structure.leaves, 1):
        if leaf.entity.type in (_PLAIN, _HTML) and not leaf.attached:
            group = leaf.start if leaf.alternative is None else leaf.alternative
            groups.setdefault(group, []).append((number, leaf))
    for same in groups.values():
        plain = [one for one in same if one[1].entity.type == _PLAIN]
        rich = [one for one in same if one[1].entity.type == _HTML]
        blank = not plain or (rich and all(_is_blank(stream, leaf) for _, leaf in plain))
        yield from rich if blank else plain


def _is_blank(stream: BinaryIO, leaf: Leaf) -> bool:
    return not read_text(stream, leaf, set()).strip()


def _shown(stream: BinaryIO, number: int, leaf: Leaf, room: int) -> ShownText:
    defects: set[str] = set()
    text = decode(read_text(stream, leaf, defects), leaf.entity.charset, set())
    links: tuple[str, ...] = ()
    if leaf.entity.type == _HTML:
        text, links = html_text_and_links(text, defects)
    cut = len(text) > room or not defects.isdisjoint(("text-cut", "html-cut"))
    return ShownText((number,), text[:room], links, cut)


def _listed(stream: BinaryIO, structure: Structure, mail: Mail) -> Iterator[ListedPart]:
    sizes = _sizes(structure, mail)
    for part in islice(numbered(stream, structure), LIST_LIMIT):
        size = sizes.get(part.number)
        if size is None:
            size = sum(map(len, part.octets()))
        entity = part.leaf.entity
        name = entity.name or (_subject(part) if entity.embedded else None)
        yield ListedPart(part.number, entity.type, size, name)


def _subject(part: Numbered) -> str | None:
    with opened(part.stream, part.leaf) as (inner, size):
        octets = read_fields(Octets(inner, size), frozenset(("subject",)), ()).first("subject")
    return one_line(decode_words(header_text(octets or b""), set())) or None


def _sizes(structure: Structure, mail: Mail) -> dict[Number, int]:
    chosen = choose_text(structure.leaves)
    numbers = [(at,) for at, leaf in enumerate(structure.leaves, 1) if leaf is not chosen]
    return {number: part.size for number, part in zip(numbers, mail.parts, strict=True)}
