"""Landed batches, and whatever else needs a worker, handed to the threads that have one.

A thread and its worker start when there is work for them and none of the others is free, so a run
with nothing to do starts none. What the store says against one batch it would say against all:
after its first error nothing more is done there in this run, while fetching may go on. An error of
one account's ends the work for that account alone.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from archiver.archiving import Archivist, Deferred, Progress
from archiver.errors import ArchiverError, Interrupted, Scope
from archiver.ledger.accounts import LedgerAccount
from archiver.model import Reporter
from archiver.state import Spool

_POLL_SECONDS = 0.5
"""How often a waiting thread looks whether the run was asked to end, which nobody tells it."""

Work = Callable[[Archivist, str], Progress]
"""What is done with a batch, or with another piece of work that has a name."""

_Item = tuple[str, str, Work]


class Dispatch:
    """Takes batches as they land and has them archived.

    Args:
        count: how many threads at the most, each with a worker.
        make: makes a thread's means of archiving; called in that thread.
        spool: whose room is waited for.
        stopping: whether the run was asked to end; batches then stay in the spool.
        reporter: hears how many messages are archived.

    ``error`` is what ended the work for all, ``refused`` what ended it for an account.
    """

    def __init__(
        self,
        count: int,
        make: Callable[[], Archivist],
        spool: Spool,
        stopping: Callable[[], bool],
        reporter: Reporter,
    ) -> None:
        self._count = count
        self._make = make
        self._spool = spool
        self._stopping = stopping
        self._reporter = reporter
        self._queue: queue.SimpleQueue[tuple[_Item, bool] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._open: set[str] = set()
        self._ended: set[str] = set()
        self._deferred: list[_Item] = []
        self.error: Exception | None = None
        self.refused: dict[str, ArchiverError] = {}
        self.archived: Counter[str] = Counter()
        self.uploaded: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self.octets: Counter[str] = Counter()

    def landed(self, account: str, batch: str) -> None:
        """Has a batch archived as soon as a worker is free."""
        self.assign(account, batch, _archive)

    def assign(self, account: str, piece: str, work: Work, *, last: bool = False) -> None:
        """Has a piece of an account's work done as soon as a worker is free.

        Args:
            account: whose it is.
            piece: its name, which no other piece that is under way has.
            work: does it.
            last: do it also in a run that was asked to end.
        """
        with self._changed:
            self._open.add(piece)
            self._queue.put(((account, piece, work), last))
            if len(self._threads) < min(self._count, len(self._open)):
                thread = threading.Thread(target=self._work, name="archive", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        archivist: Archivist | None = None
        try:
            while (queued := self._queue.get()) is not None:
                item, last = queued
                if self._is_due(last=last):
                    archivist = archivist or self._made()
                if archivist is not None and self._is_due(last=last):
                    self._perform(archivist, *item)
                self._settle(item[1])
        finally:
            if archivist is not None:
                archivist.worker.close()
                archivist.ledger.close()

    def _made(self) -> Archivist | None:
        try:
            return self._make()
        except Interrupted:
            return None
        except Exception as error:  # noqa: BLE001 - it is raised again where the run ends
            self._fail(error)
            return None

    def _is_due(self, *, last: bool) -> bool:
        return self.error is None and (last or not self._stopping())

    def _perform(self, archivist: Archivist, account: str, piece: str, work: Work) -> None:
        try:
            progress = work(archivist, piece)
            self._count_in(account, piece, progress, done=archivist.steps.verify)
        except Deferred:
            with self._changed:
                self._deferred.append((account, piece, work))
        except Interrupted:
            pass  # the piece waits for the next run, and this one knows that it is to end
        except Exception as error:  # noqa: BLE001 - it is raised again where the run ends
            if isinstance(error, ArchiverError) and error.scope is Scope.ACCOUNT:
                self.refused.setdefault(account, error)
            else:
                self._fail(error)

    def _count_in(self, account: str, piece: str, progress: Progress, *, done: bool) -> None:
        with self._changed:
            self.archived[account] += progress.archived
            self.uploaded[account] += progress.uploaded
            self.read[account] += progress.read
            self.octets[account] += progress.octets
            if done:
                self._ended.add(piece)
        if progress.archived:
            self._reporter.progress(account, "archive", self.archived[account], None)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self.error = self.error or error

    def _settle(self, piece: str) -> None:
        with self._changed:
            self._open.discard(piece)
            self._changed.notify_all()

    def wait_archived(self, batches: Iterable[str], seconds: float) -> bool | None:
        """Waits for these batches; see ``stages.fetch_job.Archiving``."""
        wanted = set(batches)
        with self._changed:
            if not self._wait_until(lambda: not wanted & self._open, seconds):
                return None
            return wanted <= self._ended

    def wait_for_space(self, octets: int) -> bool:
        """Waits until the spool has room for so many octets, and is half empty at the least.

        An empty spool has room for any one message. Returns False when nothing is going to free it.
        """
        spool = self._spool

        def has_room() -> bool:
            used = spool.used
            return used == 0 or used <= min(spool.limit // 2, spool.limit - octets)

        with self._changed:
            while not (has_room() or not self._open or self._stopping()):
                self._changed.wait(_POLL_SECONDS)
        return has_room() and not self._stopping()

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Waits for a condition, for so long at the most, and no longer than the run goes on."""
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping():
                return False
            self._changed.wait(min(left, _POLL_SECONDS))
        return True

    def drain(self) -> None:
        """Waits until all is done or has failed; deferred batches are tried once more."""
        self._wait()
        with self._changed:
            again, self._deferred = self._deferred, []
        for item in again:
            self.assign(*item)
        self._wait()
        with self._changed:
            # In a run that is to end, whoever was to put a part may have been broken off.
            if self._deferred and self.error is None and not self._stopping():
                names = ", ".join(piece for _, piece, _ in self._deferred)
                self.error = RuntimeError(f"batches wait for parts that no batch puts: {names}")

    def _wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._open)

    def close(self) -> None:
        """Ends threads and workers."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []


def _archive(archivist: Archivist, batch: str) -> Progress:
    return archivist.archive(batch)


def chronicle(owner: LedgerAccount, archivist: Archivist, _piece: str) -> Progress:
    """Has manifests name what became of an account's messages."""
    archivist.chronicle(owner)
    return Progress()


def give_up_leases(archivist: Archivist, _piece: str) -> Progress:
    """Gives up all leases that are held."""
    archivist.leases.give_up(archivist.worker)
    return Progress()


class Handing:
    """What fetching one account sees of the dispatch (``stages.fetch_job.Archiving``)."""

    def __init__(self, dispatch: Dispatch, account: str) -> None:
        self._dispatch = dispatch
        self._account = account

    def landed(self, batch: str) -> None:
        """Has a batch of this account archived."""
        self._dispatch.landed(self._account, batch)

    def wait_archived(self, batches: Iterable[str], seconds: float) -> bool | None:
        """Waits for these batches."""
        return self._dispatch.wait_archived(batches, seconds)

    def wait_for_space(self, octets: int) -> bool:
        """Waits for room in the spool."""
        return self._dispatch.wait_for_space(octets)
