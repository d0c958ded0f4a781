"""Breaks text into lines that fit a terminal, counted in the cells that its characters take.

What a line is made of stays: its indentation, and words that are wider than the terminal, such as
links, which can be copied only whole. Only scripts that are written without spaces are broken
within a word.
"""

from collections.abc import Iterator
from itertools import groupby

NARROWEST = 20


def wrapped(line: str, width: int) -> Iterator[str]:
    """The lines that one line becomes; quoted text (``>``) stays one line.

    Args:
        line: without its end, and without anything that a terminal would obey.
        width: of the terminal, in cells; less than 20 counts as 20.
    """
    width = max(width, NARROWEST)
    if len(line) * 2 <= width or line.startswith(">") or _cells(line) <= width:
        yield line
        return
    body = line.lstrip(" ")
    indent = line[: min(len(line) - len(body), width // 2)]
    so_far, cells = indent, len(indent)
    begun = False
    for word in _words(body):
        size = _cells(word)
        if begun and not word.isspace() and cells + size > width:
            yield so_far.rstrip(" ")
            so_far, cells = indent, len(indent)
        elif not begun and word.isspace():
            continue
        begun = True
        so_far += word
        cells += size
    yield so_far.rstrip(" ")


def _words(text: str) -> Iterator[str]:
    """Spaces, words, and single characters of scripts that may be broken anywhere."""
    for kind, characters in groupby(text, _kind):
        if kind == "wide":
            yield from characters
        else:
            yield "".join(characters)


def _kind(character: str) -> str:
    if character == " ":
        return "space"
    return "narrow" if character.isascii() or _cells(character) < 2 else "wide"


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
