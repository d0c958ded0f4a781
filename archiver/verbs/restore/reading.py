"""Messages read ahead from store or spool, so that the server need not wait for them."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from archiver.errors import ArchiverError, IntegrityError
from archiver.index import Hit, Index
from archiver.restored import Wanted
from archiver.verbs.restore.likeness import Likeness, likeness
from archiver.verbs.stored import Source, StoredMessages

THREADS = 4
"""How many read at once."""

_MESSAGES = 64
_OCTETS = 8 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """A message to restore, proven to be what was archived.

    Args:
        wanted: which it is.
        hit: what the index says of it.
        octets: what it is; ``close`` gives them back.
        like: what it is like.
        date: its own, else when it was fetched; None where nobody knows.
        stack: what is to be closed.
    """

    wanted: Wanted
    hit: Hit
    octets: BinaryIO
    like: Likeness
    date: int | None
    stack: ExitStack

    def close(self) -> None:
        """Gives the octets back."""
        self.stack.close()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message whose octets cannot be had."""

    wanted: Wanted
    error: ArchiverError


class Reader:
    """Reads messages ahead; it belongs to the thread that has index and ledger.

    Args:
        index: says where messages lie.
        stored: has their octets.
    """

    def __init__(self, index: Index, stored: StoredMessages) -> None:
        self._index = index
        self._stored = stored

    def messages(self, wanted: Iterator[Wanted]) -> Generator[Message | Unreadable, None, None]:
        """The messages in their order; whoever takes one closes it.

        Raises:
            StoreError: the store cannot be reached or refuses.
        """
        ahead: deque[tuple[Wanted, Hit, Future[Message]]] = deque()
        size = 0
        with ThreadPoolExecutor(THREADS, "restore") as threads:
            try:
                for one in wanted:
                    hit = self._index.get(one.digest)
                    if hit is None:
                        yield Unreadable(one, _unindexed(one))
                        continue
                    while ahead and (len(ahead) >= _MESSAGES or size + one.size > _OCTETS):
                        size -= ahead[0][0].size
                        yield _read(*ahead.popleft())
                    source = self._stored.locate(hit)
                    ahead.append(
                        (one, hit, threads.submit(self._fetch, one, hit, source, self._date(one)))
                    )
                    size += one.size
                while ahead:
                    yield _read(*ahead.popleft())
            finally:
                # Whoever asked has had enough: what was read for nothing is given back.
                for _, _, future in ahead:
                    if not future.cancel() and future.exception() is None:
                        future.result().close()

    def _date(self, wanted: Wanted) -> int | None:
        return self._stored.fetched_at(wanted.digest) if wanted.date is None else wanted.date

    def _fetch(self, wanted: Wanted, hit: Hit, source: Source, date: int | None) -> Message:
        with ExitStack() as stack:
            octets = stack.enter_context(self._stored.read(source))
            like = likeness(octets)
            octets.seek(0)
            return Message(wanted, hit, octets, like, date, stack.pop_all())


def _read(wanted: Wanted, hit: Hit, future: "Future[Message]") -> Message | Unreadable:
    try:
        return future.result()
    except IntegrityError as error:
        return Unreadable(wanted, error)


def _unindexed(wanted: Wanted) -> ArchiverError:
    return IntegrityError(f"message {wanted.digest} left the index while it was to be restored")
