"""File names out of mail, made into names that are harmless on every system.

A sender chooses the name of an attachment, and may choose ``../../.profile``, ``CON``, a name that
reads backwards or one that no file system holds. What becomes of it here is one name without a
path: no separators, no control characters, no marks that turn the direction of text, no beginning
that hides it or makes it an option, none of the names that Windows reserves (Naming Files, Paths,
and Namespaces, learn.microsoft.com), and short enough for 255 octets with something added to it.
"""

import mimetypes
import re
import unicodedata
from typing import Final

NAME_OCTETS: Final = 200
"""A name is never longer than this in UTF-8."""

_EXTENSION_OCTETS: Final = 24
_SEPARATORS: Final = re.compile(r"[/\\]")
_FORBIDDEN: Final = frozenset('<>:"|?*')
_RESERVED: Final = frozenset(("con", "prn", "aux", "nul", "conin$", "conout$", "clock$")).union(
    f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"
)
# A table of its own: what the system's files say differs from machine to machine.
_TYPES: Final = mimetypes.MimeTypes(filenames=())


def safe_name(name: str | None, fallback: str) -> str:
    """A name for a file in a directory that the caller chose; two may come out the same.

    Args:
        name: as the mail has it, with anything in it, a path as well; of that the last name counts.
        fallback: a safe name, taken where nothing is left of the other one.
    """
    last = _SEPARATORS.split((name or "").rstrip("/\\ "))[-1]
    plain = "".join(map(_plain, unicodedata.normalize("NFC", last)))
    plain = _shortened(plain.strip(" ").rstrip(". "))
    if not plain.strip("._ "):
        return fallback
    reserved = plain.partition(".")[0].rstrip(" ").lower() in _RESERVED
    return "_" + plain[plain[0] in ".-~" :] if reserved or plain[0] in ".-~" else plain


def unnamed(stem: str, media_type: str) -> str:
    """A name for a part that has none: ``stem`` and what is usual for its type (``a.pdf``)."""
    return stem + (_TYPES.guess_extension(media_type, strict=False) or ".bin")


def _plain(character: str) -> str:
    if character in _FORBIDDEN:
        return "_"
    if character.isprintable():
        return character
    return " " if character.isspace() else "_"


def _shortened(name: str) -> str:
    """A name with its end cut off before its extension, which says what the file is."""
    if len(name.encode()) <= NAME_OCTETS:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _EXTENSION_OCTETS:
        stem, dot, extension = name, "", ""
    room = NAME_OCTETS - len((dot + extension).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + extension
