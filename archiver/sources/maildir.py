"""Maildirs (https://cr.yp.to/proto/maildir.html) with the folders of Maildir++ or of plain ones.

A folder is a directory that has ``cur`` or ``new``; what lies in ``tmp`` is not delivered yet.
Another program may use it meanwhile: it moves messages from ``new`` to ``cur`` and renames them as
their flags change, so one that is gone under its name is looked for under its unique part.
"""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from archiver.model import Origin
from archiver.sources.letter import Letter, Trouble, whole_file

HELD = ("new", "cur")
OWN = (*HELD, "tmp")
_FLAGS = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}
_INFO = re.compile(r"[:;!]2,([A-Za-z]*)")
_BORDER = re.compile(r"[:;!]2,")


def letters(folder: Path, label: str) -> Iterator[Letter | Trouble]:
    """Every message of a folder, without those of the folders below it."""
    for name in HELD:
        try:
            with os.scandir(folder / name) as entries:
                yield from (_letter(folder, entry, label) for entry in entries if _is_mail(entry))
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Trouble(str(folder / name), error.strerror or str(error))


def _is_mail(entry: "os.DirEntry[str]") -> bool:
    return not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)


def _letter(folder: Path, entry: "os.DirEntry[str]", label: str) -> Letter | Trouble:
    path = Path(entry.path)
    try:
        found = entry.stat(follow_symlinks=False)
        size, date = found.st_size, max(0, int(found.st_mtime))
    except FileNotFoundError:
        size, date = 0, None
    except OSError as error:
        return Trouble(str(path), error.strerror or str(error))
    origin = Origin("maildir", (label,), flags(entry.name), date)
    return Letter(str(path), size, origin, partial(_octets, folder, path))


def flags(name: str) -> tuple[str, ...]:
    """The flags that a file's name says, in the order of their letters."""
    found = _INFO.search(name)
    return () if found is None else tuple(_FLAGS[one] for one in found[1] if one in _FLAGS)


def _octets(folder: Path, path: Path) -> Iterator[bytes]:
    """The octets of a message; one that was renamed meanwhile is found."""
    try:
        pieces = whole_file(path)
        first = next(pieces, b"")
    except FileNotFoundError:
        pieces = whole_file(_renamed(folder, path))
        first = next(pieces, b"")
    yield first
    yield from pieces


def _renamed(folder: Path, path: Path) -> Path:
    unique = _BORDER.split(path.name)[0]
    for name in reversed(HELD):
        with os.scandir(folder / name) as entries:
            for entry in entries:
                if _BORDER.split(entry.name)[0] == unique:
                    return Path(entry.path)
    raise FileNotFoundError(path)


def folder_name(parts: tuple[str, ...]) -> str:
    """What a folder is called: ``INBOX``, or the names from it down to this one."""
    names: list[str] = []
    for part in parts:
        # Maildir++ has all folders beside each other, and their places in dotted names.
        names += part[1:].split(".") if part.startswith(".") else [part]
    return "/".join(filter(None, names)) or "INBOX"
