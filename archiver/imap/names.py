"""Names of folders, as a server has them (RFC 3501 section 5.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from imapclient.imap_utf7 import encode

_INSTEAD = "_"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """How a server puts folders below others.

    Args:
        separator: what stands between two names; nothing where there are no folders below others.
        prefix: what the names of one's own folders begin with, such as ``INBOX.`` (RFC 2342).
    """

    separator: str = "/"
    prefix: str = ""

    def name(self, folder: Sequence[str]) -> str:
        """The whole name of a folder, given by its name behind those of the ones above it.

        A separator within a name would make two of it, so ``_`` takes its place.
        """
        between = self.separator or _INSTEAD
        parts = [part.replace(between, _INSTEAD) for part in folder]
        if parts[0].upper() == "INBOX":
            return between.join(["INBOX", *parts[1:]])
        name = between.join(parts)
        return name if name.startswith(self.prefix) else self.prefix + name


def hierarchy(prefix: str | bytes, separator: bytes | str | None) -> Hierarchy:
    """What a server's words about its folders mean."""
    return Hierarchy(_text(separator or b""), _text(prefix))


def quoted(name: str) -> bytes:
    """A name as it stands in a command: modified UTF-7 (RFC 3501 section 5.1.3) in quotes."""
    encoded: bytes = encode(name)
    return b'"' + encoded.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _text(words: bytes | str) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else words
