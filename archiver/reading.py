"""Reading for a run: what is archived and the index lacks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from archiver.archiving import Archivist, Progress
from archiver.dispatch import Dispatch
from archiver.errors import ArchiverError
from archiver.indexing import Indexer, lacking
from archiver.ledger import Ledger
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.unread import mark_read, unread_batches
from archiver.model import Clock
from archiver.workers import Read

_ROUNDS = 2
"""An index that is made anew in the first one is filled in the second."""

_Batch = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """A run's means of filling the index.

    Args:
        ledger: the ledger.
        spool: the spool's directory, where messages are that are not archived yet.
        indexer: writes the index.
        dispatch: has workers read messages.
        clock: the time.
        stopping: whether the run was asked to end.
    """

    ledger: Ledger
    spool: Path
    indexer: Indexer
    dispatch: Dispatch
    clock: Clock
    stopping: Callable[[], bool]

    def read(self, owners: Sequence[LedgerAccount]) -> Exception | None:
        """Reads what the index lacks of these accounts, and marks what it holds.

        Returns:
            Why the index is not written, None where it is. What the store or a worker says
            against reading is the dispatch's to tell.
        """
        try:
            self.indexer.close()
            unread, due = self._stock(owners)
            for _ in range(_ROUNDS):
                if not due or self._ended:
                    break
                self._read(due)
                unread, due = self._stock(owners)
            if self.indexer.error is None:
                lacked = set(due)
                held = [batch for account, batch in unread if (account, batch) not in lacked]
                mark_read(self.ledger, held, self.clock.now())
        except ArchiverError as error:
            return self.indexer.error or error
        return self.indexer.error

    @property
    def _ended(self) -> bool:
        return bool(self.indexer.error or self.dispatch.error or self.stopping())

    def _stock(self, owners: Sequence[LedgerAccount]) -> tuple[list[_Batch], list[_Batch]]:
        """The batches without a mark, and those of them that the index does not hold whole."""
        unread = [
            (owner.name, batch) for owner in owners for batch in unread_batches(self.ledger, owner)
        ]
        path = self.indexer.path
        return unread, [item for item in unread if any(lacking(self.ledger, item[1], path))]

    def _read(self, due: Sequence[_Batch]) -> None:
        for account, batch in due:
            self.dispatch.assign(account, batch, self._read_batch)
        self.dispatch.drain()
        self.indexer.close()

    def _read_batch(self, archivist: Archivist, batch: str) -> Progress:
        read = 0
        for unread in lacking(archivist.ledger, batch, self.indexer.path):
            archivist.worker.run(Read(self.spool, unread), entries=archivist.entries)
            read += len(unread)
        return Progress(read=read)
