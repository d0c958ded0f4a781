"""Attachments as files of their own: decoded, with names that are safe and tell them apart."""

import shutil
import time
from contextlib import closing
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import BinaryIO

from archiver.errors import MessageError
from archiver.index import Hit
from archiver.mail import read_mail
from archiver.model import Part
from archiver.safe_names import safe_name, unnamed
from archiver.verbs.export.below import Below
from archiver.verbs.export.trees import Files

_NAME_OCTETS = 150
_IN_MEMORY = 4 << 20


class Attachments(Files):
    """``DEST/date_digest_number_name`` for each attachment; its name is the one that the mail has.

    Equal attachments of different messages are files of their own, so that each message's are
    found together.
    """

    def has(self, hit: Hit) -> bool:
        """Whether all of the message's attachments are there."""
        return all(self._below.has((), name) for name in _names(hit))

    def take(self, hit: Hit, octets: BinaryIO) -> None:
        """Decodes the message, and writes its attachments."""
        with closing(_Sink(self._below, hit)) as sink:
            read_mail(
                octets,
                digest=hit.digest,
                header_digest="",
                size=hit.size,
                sink=sink,
                now=time.time(),
            )


def _names(hit: Hit) -> list[str]:
    day = "undated" if hit.date is None else f"{datetime.fromtimestamp(hit.date, UTC):%Y-%m-%d}"
    width = len(str(len(hit.attachments)))
    names = []
    for number, part in enumerate(hit.attachments, start=1):
        name = safe_name(part.name, unnamed("part", part.type))
        stem, dot, ending = name.rpartition(".")
        room = _NAME_OCTETS - len(ending.encode()) - 1
        if stem and len(stem.encode()) > room:
            name = stem.encode()[:room].decode(errors="ignore") + dot + ending
        names.append(f"{day}_{hit.digest[:16]}_{number:0{width}}_{name}")
    return names


class _Sink:
    """Takes the parts of a message, and keeps those that are its attachments, in their order."""

    def __init__(self, below: Below, hit: Hit) -> None:
        self._below = below
        self._wanted = list(zip(hit.attachments, _names(hit), strict=True))
        self._modified = hit.date
        self._octets = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by ``close``

    def begin(self) -> None:
        """A part begins; whether it is wanted is known at its end."""
        self._octets.seek(0)
        self._octets.truncate()

    def write(self, octets: bytes) -> None:
        """Octets of it."""
        if self._wanted:
            self._octets.write(octets)

    def end(self, part: Part) -> None:
        """Writes the part, unless it is another rendering of the text."""
        if not self._wanted:
            return
        wanted, name = self._wanted[0]
        if (part.digest, part.type, part.name) != (wanted.digest, wanted.type, wanted.name):
            return
        self._wanted.pop(0)
        self._octets.seek(0)
        with self._below.create((), name, modified=self._modified) as file:
            shutil.copyfileobj(self._octets, file)

    def close(self) -> None:
        """Gives the room back.

        Raises:
            MessageError: not all attachments were met, since the index knows another reading.
        """
        self._octets.close()
        if self._wanted:
            raise MessageError(f"{len(self._wanted):,} of its attachments were not found in it")
