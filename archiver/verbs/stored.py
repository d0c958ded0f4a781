"""The octets of archived messages, for whoever wants them back.

They come from the spool while they are still there, else from the store, wherever an account has
them; and are hashed on the way: nothing but what was archived goes out.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile, gettempdir
from typing import BinaryIO, Protocol, cast

from archiver.config import StoreSettings
from archiver.errors import ArchiverError, IntegrityError, LocalDiskError, MessageError
from archiver.index import INDEX_VERSION, Location
from archiver.ledger import Ledger
from archiver.ledger.accounts import accounts_of, capabilities
from archiver.ledger.archived import Archived, archived
from archiver.ledger.unread import (
    Spooled,
    fetched_at,
    index_made_by,
    spooled,
    unread_messages,
)
from archiver.state import StatePaths
from archiver.store import (
    ObjectMissing,
    Store,
    canonical_url,
    open_slice,
    open_store,
    remembered,
)

_IN_MEMORY = 4 << 20
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Source:
    """Where the octets of a message lie: ``spooled`` on this machine, ``places`` in the store."""

    digest: str
    size: int
    spooled: tuple[Spooled, ...]
    places: tuple[Location, ...]


class Named(Protocol):
    """A message whose octets somebody wants, such as a hit of the index."""

    @property
    def digest(self) -> str:
        """Its digest."""

    @property
    def size(self) -> int:
        """How many octets it has."""

    @property
    def places(self) -> tuple[Location, ...]:
        """Where they lie in the store."""


class StoredMessages:
    """Gives octets out; see ``stored_messages``.

    ``locate`` belongs to the thread that has the ledger; ``read`` may be called by several.
    """

    def __init__(self, store: Store, ledger: Ledger | None, spool: Path) -> None:
        self._store = store
        self._ledger = ledger
        self._spool = spool

    def locate(self, message: Named) -> Source:
        """Where the octets of a message lie."""
        near = () if self._ledger is None else tuple(spooled(self._ledger, message.digest))
        return Source(message.digest, message.size, near, message.places)

    def known(self, prefix: str, limit: int) -> list[Archived]:
        """Messages that the ledger knows, indexed or not; see ``ledger.archived``."""
        return [] if self._ledger is None else archived(self._ledger, prefix, limit)

    def fetched_at(self, digest: str) -> int | None:
        """When a message was fetched, seconds since the epoch; None where nobody knows."""
        return None if self._ledger is None else fetched_at(self._ledger, digest)

    def unindexed(self) -> int:
        """How many archived messages the index may lack, as far as the ledger knows."""
        if self._ledger is None:
            return 0
        # Marks of another index say nothing of this one.
        anew = (index_made_by(self._ledger) or "").partition(" ")[0] != str(INDEX_VERSION)
        return unread_messages(self._ledger, canonical_url(self._store.url), anew=anew)

    @contextmanager
    def read(self, source: Source) -> Iterator[BinaryIO]:
        """The octets of a message, seekable; they are proven to be what was archived.

        Raises:
            IntegrityError: no place has them as they were.
            LocalDiskError: there is no room for a temporary copy.
            StoreError: the store cannot be reached or refuses.
        """
        with SpooledTemporaryFile(_IN_MEMORY) as octets:
            copied = cast(BinaryIO, octets)
            self._copy(source, copied)
            copied.seek(0)
            yield copied

    def _copy(self, source: Source, octets: BinaryIO) -> None:
        for near in source.spooled:
            # The run that archives it may just have removed it.
            with (
                suppress(MessageError, OSError),
                open_slice(self._spool / near.segment, near.offset, source.size) as stream,
            ):
                if _copied(iter(lambda: stream.read(_CHUNK), b""), octets) == source.digest:
                    return
        wrong = "has no place for it"
        for place in source.places:
            chunks = self._store.read(place.key, offset=place.offset, length=place.length)
            try:
                if _copied(chunks, octets) == source.digest:
                    return
                wrong = f"holds other octets under {place.key}"
            except ObjectMissing:
                wrong = f"does not have {place.key}"
        raise IntegrityError(
            f"message {source.digest} cannot be had as it was archived: {self._store.url} {wrong}",
            hint="archiver audit --read-data says what is damaged; --repair puts it again",
        )


def _copied(chunks: Iterable[bytes], octets: BinaryIO) -> str:
    octets.seek(0)
    octets.truncate()
    hashed = hashlib.sha256()
    for chunk in chunks:
        hashed.update(chunk)
        _write(octets, chunk)
    return hashed.hexdigest()


def _write(octets: BinaryIO, chunk: bytes) -> None:
    try:
        octets.write(chunk)
    except OSError as error:
        raise LocalDiskError(
            f"no temporary copy can be made in {gettempdir()}: {error.strerror}",
            hint="free space there, or name another place in the environment as TMPDIR",
        ) from error


@contextmanager
def stored_messages(
    settings: StoreSettings, paths: StatePaths, *, threads: int = 1
) -> Iterator[StoredMessages]:
    """Opens the store and the ledger of this machine, which may lack one.

    Args:
        settings: where the store is.
        paths: the state directory.
        threads: how many will read at once.

    Raises:
        UsageError: the settings name no store.
        StoreError: there are no credentials.
    """
    ledger = _ledger(paths.ledger)
    try:
        owners = [] if ledger is None else accounts_of(ledger, canonical_url(settings.url))
        known = capabilities(ledger, owners[0].store) if ledger and owners else None
        with open_store(settings, capabilities=remembered(known), connections=threads) as store:
            yield StoredMessages(store, ledger, paths.spool)
    finally:
        if ledger is not None:
            ledger.close()


def _ledger(path: Path) -> Ledger | None:
    """The ledger, without which the store has everything that was archived all the same."""
    if not path.exists():
        return None
    try:
        return Ledger.open(path)
    except ArchiverError:
        return None
