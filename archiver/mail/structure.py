"""Where the parts of a message lie: one pass over its octets that keeps only offsets.

A multipart's parts stand between delimiter lines (RFC 2046 section 5.1.1); the line end before a
delimiter belongs to it. A delimiter is a whole line, so a boundary that is the beginning of
another one is not mistaken for it. All open boundaries are kept in one table: each candidate line
costs one look, however deep the nesting. The pass keeps its own stack and never recurses. A
message/rfc822 is a leaf: what is in it belongs to it.

Limits: 100 multiparts in one another and 10,000 leaves. What lies deeper is one leaf; what comes
later is not listed. Both are defects, and the raw message has it all.
"""

from dataclasses import dataclass, replace
from typing import BinaryIO

from archiver.mail.entity import Entity, describe
from archiver.mail.fields import MESSAGE_FIELDS, MIME_FIELDS, Fields, read_fields
from archiver.mail.octets import Octets

DEPTH_LIMIT = 100
LEAF_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """A body that holds no other: octets from ``start`` up to ``end`` of the message, encoded.

    ``attached`` is true for what is meant to be saved and not to be shown, itself or with the
    multipart around it (RFC 2183 section 2.9). ``alternative`` is where the outermost
    multipart/alternative around it begins, whose leaves say the same (RFC 2046 section 5.1.4).
    """

    entity: Entity
    start: int
    end: int
    attached: bool
    alternative: int | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """A message's header fields and its leaves in their order."""

    fields: Fields
    leaves: tuple[Leaf, ...]
    defects: frozenset[str]


@dataclass(slots=True)
class _Open:
    """A multipart whose end was not seen yet; ``shadowed`` is what its lines meant before."""

    leaf: Leaf
    shadowed: list[tuple[bytes, tuple[int, bool] | None]]
    children: int = 0


def read_structure(stream: BinaryIO, size: int) -> Structure:
    """Finds the leaves of a message.

    Args:
        stream: seekable, the raw octets.
        size: how many there are.
    """
    return _Pass(stream, size).run()


class _Pass:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._octets = Octets(stream, size)
        self._size = size
        self._stack: list[_Open] = []
        # From a delimiter line to the place of its multipart in the stack, and whether it closes.
        self._delimiters: dict[bytes, tuple[int, bool]] = {}
        self._leaf: Leaf | None = None
        self._leaves: list[Leaf] = []
        self._defects: set[str] = set()

    def run(self) -> Structure:
        fields = self._enter(MESSAGE_FIELDS)
        while self._stack:
            found = self._delimiter()
            if found is None:
                break
            (level, closing), end = found
            self._end_leaf(end)
            while len(self._stack) > level + 1:
                self._close(end, terminated=False)
            if closing:
                self._close(end, terminated=True)
            elif len(self._leaves) < LEAF_LIMIT:
                self._enter(MIME_FIELDS)
            else:
                self._defects.add("too-many-parts")
                return self._result(fields)
        self._end_leaf(self._size)
        while self._stack:
            self._close(self._size, terminated=False)
        return self._result(fields)

    def _result(self, fields: Fields) -> Structure:
        return Structure(fields, tuple(self._leaves), frozenset(self._defects | fields.defects))

    def _enter(self, wanted: frozenset[str]) -> Fields:
        """Reads the header of the entity that begins here and opens it."""
        parent = self._stack[-1] if self._stack else None
        fields = read_fields(self._octets, wanted, self._delimiters)
        digest = parent is not None and parent.leaf.entity.type == "multipart/digest"
        default_type = "message/rfc822" if digest else "text/plain"
        entity = describe(fields, default_type, self._defects)
        self._defects |= fields.defects
        if parent is not None:
            parent.children += 1
        attached = entity.disposition not in (None, "inline")
        attached |= parent is not None and parent.leaf.attached
        start = self._octets.offset
        alternative = None if parent is None else parent.leaf.alternative
        if alternative is None and entity.type == "multipart/alternative":
            alternative = start
        self._open(Leaf(entity, start, start, attached, alternative))
        return fields

    def _open(self, leaf: Leaf) -> None:
        entity = leaf.entity
        if entity.multipart and entity.boundary is None:
            self._leaf = replace(leaf, entity=replace(entity, type="text/plain"))
        elif not entity.multipart:
            self._leaf = leaf
        elif len(self._stack) >= DEPTH_LIMIT:
            self._defects.add("too-deep")
            self._leaf = leaf
        else:
            self._push(leaf, b"--" + (entity.boundary or b""))

    def _push(self, leaf: Leaf, line: bytes) -> None:
        level = len(self._stack)
        shadowed = []
        for delimiter, closing in ((line, False), (line + b"--", True)):
            shadowed.append((delimiter, self._delimiters.get(delimiter)))
            self._delimiters[delimiter] = (level, closing)
        self._stack.append(_Open(leaf, shadowed))

    def _delimiter(self) -> tuple[tuple[int, bool], int] | None:
        """The next delimiter line, and where what stood before it ends."""
        octets = self._octets
        while octets.skip_to_dashes():
            end = octets.offset - octets.ending
            meaning = self._delimiters.get(octets.line().rstrip())
            if meaning is not None:
                return meaning, end
        return None

    def _end_leaf(self, end: int) -> None:
        leaf, self._leaf = self._leaf, None
        if leaf is not None:
            self._leaves.append(replace(leaf, end=max(leaf.start, end)))

    def _close(self, end: int, *, terminated: bool) -> None:
        """Takes the innermost multipart from the stack; one without parts is a leaf of text."""
        ended = self._stack.pop()
        for delimiter, meaning in reversed(ended.shadowed):
            if meaning is None:
                del self._delimiters[delimiter]
            else:
                self._delimiters[delimiter] = meaning
        if not terminated:
            self._defects.add("unterminated-multipart")
        if not ended.children:
            self._defects.add("multipart-without-parts")
            entity = replace(ended.leaf.entity, type="text/plain")
            self._leaf = replace(ended.leaf, entity=entity)
            self._end_leaf(end)
