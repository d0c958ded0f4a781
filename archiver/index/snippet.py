"""The few words of a text that show why it was found.

SQLite's own ``snippet()`` needs the text inside the full-text table, which ours does not keep. It
is cut out of the stored text here, for the few messages that are shown and no others.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from archiver.index.normalise import normalise

_LENGTH: Final = 160
_LEAD: Final = 50
_SEARCHED_TERMS: Final = 32
# Pieces overlap by more than most words and phrases are long, so that each lies whole in one.
_PIECE: Final = 1000
_OVERLAP: Final = 100
_ELLIPSIS: Final = "…"
_RUN: Final = re.compile(r"[^\W_]+")


def snippet(text: str, terms: Sequence[str]) -> str:
    """About 160 characters round the first of ``terms`` in a text, or its first ones.

    Args:
        text: a text body, or as much of it as is worth searching.
        terms: what was searched for, normalised; only the first 32 are looked for.
    """
    return _cut(text, _first_match(text, _pattern(terms)))


def marks(text: str, terms: Sequence[str]) -> list[tuple[int, int]]:
    """Where words of ``terms`` stand in a text that is shown, as ranges of characters, in order."""
    wanted = tuple({word for term in terms[:_SEARCHED_TERMS] for word in term.split()})
    found = []
    for match in _RUN.finditer(text):
        folded = normalise(match[0]).split()
        if len(folded) > 1:
            # Where scripts know no spaces, each character is a word.
            found += [
                (match.start() + at, match.start() + at + 1)
                for at, character in enumerate(match[0])
                if normalise(character).strip() in wanted
            ]
        elif folded and folded[0] in wanted:
            found.append(match.span())
    return found


def _pattern(terms: Sequence[str]) -> re.Pattern[str]:
    phrases = (" +".join(map(re.escape, term.split())) for term in terms[:_SEARCHED_TERMS])
    return re.compile(f"(?<![^ ])(?:{'|'.join(phrases)})(?![^ ])")


def _first_match(text: str, pattern: re.Pattern[str]) -> int:
    for start in range(0, len(text), _PIECE - _OVERLAP):
        piece = text[start : start + _PIECE]
        match = pattern.search(normalise(piece))
        if match is not None:
            return start + _origin(piece, match.start())
    return 0


def _origin(piece: str, position: int) -> int:
    """Where in ``piece`` the character stands that became the one at ``position``."""
    if piece.isascii():
        # There each character becomes one.
        return position
    ends = list(accumulate(len(normalise(character)) for character in piece))
    return min(bisect_right(ends, position), len(piece) - 1)


def _cut(text: str, position: int) -> str:
    start = max(0, position - _LEAD)
    before = " ".join(text[start:position].split())
    # Twice the length leaves enough when white space is folded.
    after = " ".join(text[position : position + 2 * _LENGTH].split())
    if start > 0:
        before = _ELLIPSIS + (before.partition(" ")[2] or before)
    if before and text[position - 1].isspace():
        before += " "
    shown = before + after
    if len(shown) <= _LENGTH:
        return shown
    whole, _, _ = shown[:_LENGTH].rpartition(" ")
    return (whole if len(whole) > len(before) else shown[:_LENGTH]) + _ELLIPSIS
