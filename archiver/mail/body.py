"""The body text of a message: which leaf it is, and its octets.

The first text/plain leaf that is not attached is the text, else the first text/html leaf that is
not. Only the chosen leaf is; the others are parts.
"""

from collections.abc import Sequence
from typing import BinaryIO

from archiver.mail.parts import decoded
from archiver.mail.structure import Leaf

TEXT_LIMIT = 8 * 1024 * 1024


def choose_text(leaves: Sequence[Leaf]) -> Leaf | None:
    """The leaf that is the message's text, None where there is none."""
    for wanted in ("text/plain", "text/html"):
        for leaf in leaves:
            if leaf.entity.type == wanted and not leaf.attached:
                return leaf
    return None


def read_text(stream: BinaryIO, leaf: Leaf, defects: set[str]) -> bytes:
    """The octets of the text, its transfer encoding undone, at most 8 MiB.

    Args:
        stream: the message, seekable.
        leaf: the chosen one.
        defects: takes ``text-cut`` where there is more of it.
    """
    pieces = []
    room = TEXT_LIMIT
    for piece in decoded(stream, leaf, defects):
        pieces.append(piece[:room])
        if len(piece) > room:
            defects.add("text-cut")
            break
        room -= len(piece)
    return b"".join(pieces)
