"""The index's one writer, and what the index may still lack.

Entries come from the threads that archive, in pieces, and are written by a thread of their own:
an index that is slow, full or broken never stands in the way of the archive. A broken one is made
anew without asking: what it held is due again, and the ledger is told so before the old one goes.
"""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.errors import IndexDamaged, LocalDiskError
from archiver.extract.kinds import Kind, Why, needed_by, readers
from archiver.ledger import Ledger
from archiver.ledger.unread import (
    index_made_by,
    messages_of,
    say_who_marks,
    take_marks_back,
)
from archiver.model import Reporter, UnreadMessage

if TYPE_CHECKING:
    from archiver.index import Entry, Index, Location

_INSTALL = "pip install 'pop3-archiver[extract]', and archiver index reads them"
_EXPLAINED: Mapping[str, str] = {
    Why.NEEDS_PDF: f"PDF needs {_INSTALL}",
    Why.NEEDS_RTF: f"RTF needs {_INSTALL}",
    Why.TOO_LARGE: "they are larger than 64 MiB",
    Why.TOO_MANY: "their messages have too many, or too many that break their reader",
    Why.BROKEN: "they are encrypted, damaged or not what they say",
    Why.OUT_OF_TIME: "they take too long",
    Why.OUT_OF_MEMORY: "they take too much memory",
    Why.CRASHED: "they crash their reader",
}
_WAITING_PIECES = 16
_READ_AT_ONCE = 100


class Indexer:
    """Writes entries into the index, in the order in which they come.

    ``error`` is why it stopped writing, or None; what comes after that is dropped, because it can
    be read again at any time. ``unread`` counts the attachments whose text was not read, by reason.

    Args:
        path: where the index is, or is made.
        ledger: where the ledger is, whose marks speak of it.
        reporter: hears that the index is made anew.
        stopping: whether the run was asked to end.
    """

    def __init__(
        self,
        path: Path,
        ledger: Path,
        reporter: Reporter,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = path
        self._ledger = ledger
        self._reporter = reporter
        self._stopping = stopping
        self._pieces: queue.Queue[Sequence[tuple[Entry, Location]] | None] = queue.Queue(
            _WAITING_PIECES
        )
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.error: Exception | None = None
        self.unread: Counter[str] = Counter()

    def add(self, entries: "Sequence[tuple[Entry, Location]]") -> None:
        """Hands over a piece; waits while too many are waiting."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="index", daemon=True)
                self._thread.start()
        for entry, _ in entries:
            self.unread.update(entry.unread.values())
        self._pieces.put(entries)

    def _write(self) -> None:
        try:
            index = self._opened()
            try:
                while (piece := self._pieces.get()) is not None:
                    index = self._added(index, piece)
                index.tidy(self._stopping)
            finally:
                index.close()
        except Exception as error:  # noqa: BLE001 - it is raised again where the run ends
            self.error = error
            # Whoever hands over pieces must never wait for an index that is not written any more.
            while self._pieces.get() is not None:
                pass

    def _opened(self) -> "Index":
        from archiver.index import Index, is_condemned

        if not is_condemned(self.path):
            try:
                return Index.open(self.path)
            except IndexDamaged:
                pass
        return self._made_anew()

    def _added(self, index: "Index", piece: "Sequence[tuple[Entry, Location]]") -> "Index":
        """Adds a piece, and gives the index that holds it, which may be another one then."""
        try:
            index.add(piece)
        except IndexDamaged:
            index.close()
            index = self._made_anew()
            index.add(piece)
        return index

    def _made_anew(self) -> "Index":
        from archiver.index import Index, discard

        self._reporter.note("index", "it is damaged: it is made again from the raw messages")
        with Ledger.open(self._ledger) as ledger:
            take_marks_back(ledger, _mark())
        try:
            discard(self.path)
        except OSError as error:
            raise LocalDiskError(
                f"cannot remove {self.path}, which is damaged: {error.strerror}",
                hint="remove it; archiver index makes it again",
            ) from error
        return Index.open(self.path)

    def close(self) -> None:
        """Writes what waits, and closes the index; what it holds is then safe."""
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None


def trust_marks(ledger: Ledger, path: Path) -> None:
    """Takes back the ledger's marks where they speak of another index than the one at ``path``.

    To be called before anything is added to the index: of one that was made anew it could not be
    told any more that it lacks what was marked. A mark also names the readers of attachments that
    there were. A new one makes due what was indexed without it; where one has gone, the mark says
    so, for the day when it comes back.
    """
    from archiver.index import INDEX_VERSION, is_usable

    version, *names = (index_made_by(ledger) or "").split() or [""]
    before, now = frozenset(names), readers()
    if not is_usable(path) or version != str(INDEX_VERSION):
        take_marks_back(ledger, _mark())
    elif came := now - before:
        _make_due(path, came)
        take_marks_back(ledger, _mark())
    elif before - now:
        say_who_marks(ledger, _mark())


def _mark() -> str:
    from archiver.index import INDEX_VERSION

    return " ".join((str(INDEX_VERSION), *sorted(readers())))


def _make_due(path: Path, came: frozenset[Kind]) -> None:
    from archiver.index import Index

    # Whoever writes next makes a damaged one anew, and then it holds nothing.
    with suppress(IndexDamaged), closing(Index.open(path)) as index:
        index.make_due([needed_by(kind) for kind in sorted(came)])


def tell_unread(unread: Mapping[str, int], reporter: Reporter) -> None:
    """Says what attachments of those indexed just now were not read, and what helps."""
    for why, count in sorted(unread.items()):
        reporter.note("index", f"the text of {count:,} attachments was not read: {_EXPLAINED[why]}")


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
    from archiver.index import Index, is_usable

    if not is_usable(path):
        return set()
    try:
        index = Index.open(path)
        try:
            return index.indexed(digests)
        finally:
            index.close()
    except IndexDamaged:
        # Whoever writes next makes it anew, and then it holds none of them.
        return set()
