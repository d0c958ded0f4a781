"""Text in attachments: which of them have some, and what it is, while their message is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from archiver.errors import LocalDiskError
from archiver.extract import ATTACHMENT_LIMIT, TEXT_LIMIT, Extracted, Extractor, Kind, Why, kind_of
from archiver.extract.kinds import lacking
from archiver.index import is_attachment
from archiver.mail import plain_text, words_within
from archiver.model import Part

_MOST = 200
"""Attachments of a message that are read."""

_MOST_BROKEN = 3
"""Attachments of a message that may break their reader; the others are then left alone."""

_IN_MEMORY = 1 << 20
_COSTLY = frozenset({Why.OUT_OF_TIME, Why.OUT_OF_MEMORY, Why.CRASHED})


@dataclass(frozen=True, slots=True)
class Judged:
    """Of a message's attachments: whether one has to be read, and why others cannot be."""

    due: bool = False
    unread: dict[str, str] = field(default_factory=dict)


def judge(parts: Sequence[Part]) -> Judged:
    """Says without their octets what becomes of a message's attachments."""
    due = False
    unread: dict[str, str] = {}
    for part in parts:
        kind = _kind(part)
        if kind is None:
            continue
        why = _why_not(kind, part)
        if why is None:
            due = True
        else:
            unread[part.digest] = why
    return Judged(due, unread)


def _kind(part: Part) -> Kind | None:
    return kind_of(part.type.casefold(), part.name) if is_attachment(part) else None


def _why_not(kind: Kind, part: Part) -> Why | None:
    return lacking(kind) or (Why.TOO_LARGE if part.size > ATTACHMENT_LIMIT else None)


class AttachedText:
    """Takes a message's parts as they are decoded, and keeps the text of those that have some.

    What ``mail.read_mail`` wants as its sink. ``texts`` and ``unread`` are by the parts' digests.

    Args:
        directory: for attachments that are too large for memory.
        extractor: reads what is not simply text.
    """

    def __init__(self, directory: Path, extractor: Extractor) -> None:
        self._directory = directory
        self._extractor = extractor
        self._octets: SpooledTemporaryFile[bytes] | None = None
        self._length = 0
        self._seen = 0
        self._broken = 0
        self.texts: dict[str, str] = {}
        self.unread: dict[str, str] = {}

    def begin(self) -> None:
        """A part begins."""
        self.close()
        # The next part closes it, or the end of the message.
        self._octets = SpooledTemporaryFile(_IN_MEMORY, dir=str(self._directory))  # noqa: SIM115
        self._length = 0

    def write(self, octets: bytes) -> None:
        """The next decoded octets of it; what is beyond the limit is not kept.

        Raises:
            LocalDiskError: there is no room for a large part.
        """
        self._length += len(octets)
        if self._octets is None or self._length > ATTACHMENT_LIMIT:
            return
        try:
            self._octets.write(octets)
        except OSError as error:
            raise LocalDiskError(
                f"cannot write an attachment into {self._directory}: {error.strerror}",
                hint="free space or mend the disk, then run again; nothing is lost",
            ) from error

    def end(self, part: Part) -> None:
        """The part is complete."""
        kind = _kind(part)
        if kind is None or self._octets is None:
            return
        if part.digest in self.texts or part.digest in self.unread:
            return
        self._seen += 1
        why = _why_not(kind, part)
        if why is None and (self._seen > _MOST or self._broken >= _MOST_BROKEN):
            why = Why.TOO_MANY
        if why is not None:
            self.unread[part.digest] = why
            return
        found = self._read(kind, part, cast(BinaryIO, self._octets))
        if found.why is not None:
            self.unread[part.digest] = found.why
            self._broken += found.why in _COSTLY
        elif found.text:
            self.texts[part.digest] = found.text

    def _read(self, kind: Kind, part: Part, octets: BinaryIO) -> Extracted:
        if kind is Kind.MESSAGE:
            return Extracted(words_within(octets, part.size, TEXT_LIMIT))
        if kind in (Kind.TEXT, Kind.HTML):
            octets.seek(0)
            return Extracted(plain_text(octets.read(TEXT_LIMIT), html=kind is Kind.HTML))
        return self._extractor.read(part.digest, kind, octets)

    def close(self) -> None:
        """Lets go of the last part's octets."""
        if self._octets is not None:
            self._octets.close()
            self._octets = None
