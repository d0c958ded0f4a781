"""The index's one writer, and what it may still lack.

Entries come from the threads that archive, in pieces, and are written by a thread of their own:
an index that is slow, full or broken never stands in the way of the archive.
"""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.ledger import Ledger
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.unread import index_made_by, messages_of, remember_index, unmark
from archiver.model import UnreadMessage

if TYPE_CHECKING:
    from archiver.index import Entry, Location

_WAITING_PIECES = 16
_READ_AT_ONCE = 100


class Indexer:
    """Writes entries into the index, in the order in which they come.

    ``error`` is why it stopped writing, or None; what comes after that is dropped, because it can
    be read again at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pieces: queue.Queue[Sequence[tuple[Entry, Location]] | None] = queue.Queue(
            _WAITING_PIECES
        )
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.error: Exception | None = None

    def add(self, entries: "Sequence[tuple[Entry, Location]]") -> None:
        """Hands over a piece; waits while too many are waiting."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="index", daemon=True)
                self._thread.start()
        self._pieces.put(entries)

    def _write(self) -> None:
        from archiver.index import Index

        try:
            index = Index.open(self._path)
            try:
                while (piece := self._pieces.get()) is not None:
                    index.add(piece)
            finally:
                index.close()
        except Exception as error:  # noqa: BLE001 - it is raised again where the run ends
            self.error = error
            # Whoever hands over pieces must never wait for an index that is not written any more.
            while self._pieces.get() is not None:
                pass

    def close(self) -> None:
        """Writes what waits, and closes the index; what it holds is then safe."""
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None


def trust_marks(ledger: Ledger, accounts: Iterable[LedgerAccount], path: Path) -> None:
    """Takes back the ledger's marks where they speak of another index than the one at ``path``."""
    from archiver.index import INDEX_VERSION

    version = str(INDEX_VERSION)
    if not path.exists() or index_made_by(ledger) != version:
        for account in accounts:
            unmark(ledger, account)
        remember_index(ledger, version)


def lacking(ledger: Ledger, batch: str, path: Path) -> Iterator[tuple[UnreadMessage, ...]]:
    """The messages of a batch that the index does not hold, in pieces for a worker."""
    messages = list(messages_of(ledger, batch))
    if not messages:
        return
    held = _held([message.digest for message in messages], path)
    rest = [message for message in messages if message.digest not in held]
    for start in range(0, len(rest), _READ_AT_ONCE):
        yield tuple(rest[start : start + _READ_AT_ONCE])


def _held(digests: Sequence[str], path: Path) -> set[str]:
    if not path.exists():
        return set()
    from archiver.index import Index

    index = Index.open(path)
    try:
        return index.indexed(digests)
    finally:
        index.close()
