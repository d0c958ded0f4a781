"""Landed batches, handed to the threads that archive them.

A thread and its worker start when there is a batch for them and none of the others is free, so a
run with nothing to do starts none. What the store says against one batch it would say against all:
after its first error nothing more is archived in this run, while fetching may go on.
"""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable

from archiver.archiving import Archivist, Deferred, Progress
from archiver.model import Reporter
from archiver.state import Spool


class Dispatch:
    """Takes batches as they land and has them archived.

    Args:
        count: how many threads at the most, each with a worker.
        make: makes a thread's means of archiving; called in that thread.
        work: what is done with each batch.
        spool: whose room is waited for.
        stopping: whether the run was asked to end; batches then stay in the spool.
        reporter: hears how many messages are archived.
    """

    def __init__(
        self,
        count: int,
        make: Callable[[], Archivist],
        work: Callable[[Archivist, str], Progress],
        spool: Spool,
        stopping: Callable[[], bool],
        reporter: Reporter,
    ) -> None:
        self._count = count
        self._make = make
        self._do = work
        self._spool = spool
        self._stopping = stopping
        self._reporter = reporter
        self._queue: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._open: set[str] = set()
        self._ended: set[str] = set()
        self._deferred: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.archived: Counter[str] = Counter()
        self.uploaded: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self.octets: Counter[str] = Counter()

    def landed(self, account: str, batch: str) -> None:
        """Has a batch archived as soon as a worker is free."""
        with self._changed:
            self._open.add(batch)
            self._queue.put((account, batch))
            if len(self._threads) < min(self._count, len(self._open)):
                thread = threading.Thread(target=self._work, name="archive", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        archivist: Archivist | None = None
        try:
            while (item := self._queue.get()) is not None:
                if self.error is None and not self._stopping():
                    archivist = archivist or self._made()
                if archivist is not None:
                    self._archive(archivist, *item)
                self._settle(item[1])
        finally:
            if archivist is not None:
                archivist.worker.close()
                archivist.ledger.close()

    def _made(self) -> Archivist | None:
        try:
            return self._make()
        except Exception as error:  # noqa: BLE001 - it is raised again where the run ends
            self._fail(error)
            return None

    def _archive(self, archivist: Archivist, account: str, batch: str) -> None:
        if self.error is not None or self._stopping():
            return
        try:
            progress = self._do(archivist, batch)
        except Deferred:
            with self._changed:
                self._deferred.append((account, batch))
        except Exception as error:  # noqa: BLE001 - it is raised again where the run ends
            self._fail(error)
        else:
            self._count_in(account, batch, progress, done=archivist.steps.verify)

    def _count_in(self, account: str, batch: str, progress: Progress, *, done: bool) -> None:
        with self._changed:
            self.archived[account] += progress.archived
            self.uploaded[account] += progress.uploaded
            self.read[account] += progress.read
            self.octets[account] += progress.octets
            if done:
                self._ended.add(batch)
        if progress.archived:
            self._reporter.progress(account, "archive", self.archived[account], None)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self.error = self.error or error

    def _settle(self, batch: str) -> None:
        with self._changed:
            self._open.discard(batch)
            self._changed.notify_all()

    def wait_archived(self, batches: Iterable[str], seconds: float) -> bool | None:
        """Waits for these batches; see ``stages.fetch.Archiving``."""
        wanted = set(batches)
        with self._changed:
            self._changed.wait_for(lambda: not wanted & self._open, timeout=seconds)
            if wanted & self._open:
                return None
            return wanted <= self._ended

    def wait_for_space(self) -> bool:
        """Waits until half of the spool is free; False when nothing is going to free it."""
        spool = self._spool
        with self._changed:
            self._changed.wait_for(
                lambda: spool.used <= spool.limit // 2 or not self._open or self._stopping()
            )
        return spool.used <= spool.limit // 2 and not self._stopping()

    def drain(self) -> None:
        """Waits until every batch is archived or has failed; deferred ones are tried once more."""
        self._wait()
        with self._changed:
            again, self._deferred = self._deferred, []
        for item in again:
            self.landed(*item)
        self._wait()
        with self._changed:
            if self._deferred and self.error is None:
                names = ", ".join(batch for _, batch in self._deferred)
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
