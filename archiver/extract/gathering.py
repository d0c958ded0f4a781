"""Text that is gathered up to a limit, and what a reader says of a file that it cannot read."""

from archiver.extract.kinds import TEXT_LIMIT


class Enough(Exception):
    """As much text was gathered as is wanted; not an error."""


class Broken(Exception):
    """The file is not what it says that it is, is encrypted, or does what no honest file does."""


class Gathered:
    """Pieces of text, at most TEXT_LIMIT octets of UTF-8 together."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._room = TEXT_LIMIT

    def add(self, text: str) -> None:
        """Takes a piece.

        Raises:
            Enough: there is no room for more; what fitted is kept.
        """
        octets = text.encode("utf-8", "replace")
        self._pieces.append(octets[: self._room])
        self._room -= len(octets)
        if self._room <= 0:
            raise Enough

    def octets(self) -> bytes:
        """All of it, in UTF-8; the last character may be cut."""
        return b"".join(self._pieces)
