"""What a message or a server says, on a terminal: nothing in it that a terminal would obey.

An escape sequence in a subject can rewrite what is on the screen, and a mark that turns the
direction of text can make a name read as another (https://trojansource.codes).
"""

from archiver.cli.output import say


def harmless(text: str) -> str:
    """Text as one line that moves no cursor and hides nothing."""
    if text.isprintable():
        return text
    plain = text.expandtabs()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in plain)


# What text has to say how it may be broken or joined shows nothing and can hide nothing here.
_SILENT = dict.fromkeys((0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF))
_KEPT = "\u200c\u200d"


def readable(line: str) -> str:
    """A line of a message's text, without what moves a cursor, and as it was meant to be read.

    Spaces of all widths are spaces, marks without a width are gone; the joiners that scripts and
    pictures are written with stay.
    """
    if line.isprintable():
        return line
    line = line.translate(_SILENT).expandtabs()
    return "".join(map(_readable, line))


def _readable(character: str) -> str:
    if character.isprintable() or character in _KEPT:
        return character
    return " " if character.isspace() and character > "\x85" else "\N{REPLACEMENT CHARACTER}"


class Shown:
    """Shows the beginning of a message as it comes.

    Args:
        limit: how many octets are shown; None for all of them.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._rest = b""
        self._taken = 0
        self._left = 0

    def take(self, octets: bytes) -> None:
        """Shows the lines that are complete."""
        room = len(octets) if self._limit is None else self._limit - self._taken
        piece = octets[:room]
        self._taken += len(piece)
        self._left += len(octets) - len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            _show(line.removesuffix(b"\r"))

    def close(self, rest: str) -> None:
        """Shows an unfinished line; ``rest`` says where all of it is, if not here."""
        if self._rest:
            _show(self._rest)
        if self._left:
            say(f"({self._left:,} more octets are not shown: {rest})")


def _show(line: bytes) -> None:
    say(harmless(line.decode("utf-8", "replace")))
