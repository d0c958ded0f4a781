"""Date, sender and subject of messages that a person has to decide about.

They are read where they are at hand: in the index, or from the octets in the spool. Neither the
store nor the server is asked, so that a decision needs no password.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from archiver.errors import ArchiverError
from archiver.index import Index
from archiver.ledger.versions import Version
from archiver.mail import read_header
from archiver.model import Address
from archiver.state import StatePaths

_HEADER_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Heading:
    """What a message's header says; ``date`` in seconds since the epoch."""

    date: int | None
    author: Address | None
    subject: str


class Headings:
    """Looks headings up; see ``headings``."""

    def __init__(self, paths: StatePaths, index: Index | None) -> None:
        self._paths = paths
        self._index = index

    def of(self, version: Version) -> Heading | None:
        """What a message says, None where nothing at hand knows."""
        if version.digest is None:
            return None
        hit = self._ask_index(version.digest)
        if hit is not None or not version.segment:
            return hit
        return self._read_spool(version)

    def _ask_index(self, digest: str) -> Heading | None:
        if self._index is None:
            return None
        try:
            hit = self._index.get(digest)
        except ArchiverError:
            # A broken index is made anew by the next run; here it only knows less.
            self._index = None
            return None
        return None if hit is None else Heading(hit.date, hit.author, hit.subject)

    def _read_spool(self, version: Version) -> Heading | None:
        try:
            with (self._paths.spool / version.segment).open("rb") as octets:
                octets.seek(version.offset)
                header = octets.read(min(version.size or 0, _HEADER_LIMIT))
        except OSError:
            return None
        mail = read_header(
            BytesIO(header),
            digest=version.digest or "",
            header_digest="",
            size=len(header),
            now=time.time(),
        )
        return Heading(mail.date, mail.authors[0] if mail.authors else None, mail.subject)


@contextmanager
def headings(paths: StatePaths) -> Iterator[Headings]:
    """Means to look headings up, with the index where there is one that can be used."""
    try:
        index = Index.open(paths.index, read_only=True)
    except ArchiverError:
        index = None
    try:
        yield Headings(paths, index)
    finally:
        if index is not None:
            index.close()
