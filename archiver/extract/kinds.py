"""Which attachments hold text that can be read, and what this installation can read."""

from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Final

ATTACHMENT_LIMIT: Final = 64 << 20
"""Octets of an attachment, decoded; the text of a larger one is not read."""

TEXT_LIMIT: Final = 4 << 20
"""Octets of text, in UTF-8, that are taken from one attachment."""


class Kind(StrEnum):
    """How an attachment is read."""

    TEXT = "text"
    HTML = "html"
    MESSAGE = "message"
    OFFICE = "office"
    PDF = "pdf"
    RTF = "rtf"
    ZIP = "zip"


class Why(StrEnum):
    """Why the text of an attachment was not read; what the index keeps of it."""

    NEEDS_PDF = "needs-pdf"
    NEEDS_RTF = "needs-rtf"
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"
    BROKEN = "broken"
    OUT_OF_TIME = "out-of-time"
    OUT_OF_MEMORY = "out-of-memory"
    CRASHED = "crashed"


_NEEDS: Final = {Kind.PDF: ("pypdfium2", Why.NEEDS_PDF), Kind.RTF: ("striprtf", Why.NEEDS_RTF)}

_OPEN = "application/vnd.oasis.opendocument."
_MICROSOFT = "application/vnd.openxmlformats-officedocument."
_TYPES: Final = {
    "application/pdf": Kind.PDF,
    "application/x-pdf": Kind.PDF,
    "application/rtf": Kind.RTF,
    "text/rtf": Kind.RTF,
    "text/richtext": Kind.RTF,
    "text/html": Kind.HTML,
    "message/rfc822": Kind.MESSAGE,
    "message/global": Kind.MESSAGE,
    "application/zip": Kind.ZIP,
    "application/x-zip-compressed": Kind.ZIP,
    "application/json": Kind.TEXT,
    "application/xml": Kind.TEXT,
    f"{_OPEN}text": Kind.OFFICE,
    f"{_OPEN}spreadsheet": Kind.OFFICE,
    f"{_OPEN}presentation": Kind.OFFICE,
    f"{_MICROSOFT}wordprocessingml.document": Kind.OFFICE,
    f"{_MICROSOFT}spreadsheetml.sheet": Kind.OFFICE,
    f"{_MICROSOFT}presentationml.presentation": Kind.OFFICE,
}
_SUFFIXES: Final = {
    ".pdf": Kind.PDF,
    ".rtf": Kind.RTF,
    ".zip": Kind.ZIP,
    ".eml": Kind.MESSAGE,
    ".htm": Kind.HTML,
    ".html": Kind.HTML,
    **dict.fromkeys((".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp"), Kind.OFFICE),
    **dict.fromkeys((".txt", ".csv", ".md", ".log", ".json", ".xml", ".ics", ".vcf"), Kind.TEXT),
}
# Programs that do not know a file's type call it one of these, or say that it is a zip, as it is.
_VAGUE: Final = ("application/octet-stream", "application/x-download", "application/zip", "")


def kind_of(media_type: str, name: str | None) -> Kind | None:
    """How an attachment's text is read, None where it holds none that we know of.

    Args:
        media_type: what its message says that it is.
        name: its file name, which decides where the type says little.
    """
    kind = _TYPES.get(media_type)
    if kind is None and media_type.startswith("text/"):
        kind = Kind.TEXT
    if media_type in _VAGUE or (kind is None and media_type.startswith("application/")):
        return _SUFFIXES.get(PurePosixPath(name or "").suffix.casefold(), kind)
    return kind


@cache
def readers() -> frozenset[Kind]:
    """The kinds that need a library of the extra ``extract`` and have it in this installation."""
    return frozenset(kind for kind, (module, _) in _NEEDS.items() if find_spec(module) is not None)


def lacking(kind: Kind) -> Why | None:
    """Why attachments of a kind cannot be read in this installation, None where they can."""
    return None if kind not in _NEEDS or kind in readers() else _NEEDS[kind][1]


def needed_by(kind: Kind) -> Why:
    """What is kept of an attachment whose kind has no reader in an installation."""
    return _NEEDS[kind][1]
