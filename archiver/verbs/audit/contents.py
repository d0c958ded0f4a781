"""Reading objects and hashing them, many at once, with nothing held but a chunk of each.

What has to be read is put in as a listing shows it, and what came of it comes out some way behind.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from archiver.errors import StoreError
from archiver.store import ObjectMissing, Store

T = TypeVar("T")

_AHEAD = 4
_MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class Octets:
    """What reading an object came to: ``error`` says why it could not be read to its end."""

    length: int
    digest: str
    error: StoreError | None = None

    @property
    def is_missing(self) -> bool:
        """Whether there is no such object."""
        return isinstance(self.error, ObjectMissing)


class Contents(Generic[T]):
    """Reads objects in threads; to be used as a context.

    Args:
        store: where they are.
        threads: how many are read at once.
    """

    def __init__(self, store: Store, threads: int) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(threads, "read")
        self._most = threads * _AHEAD
        self._waiting: deque[tuple[T, Future[Octets]]] = deque()
        self._failures = 0

    def put(self, item: T, key: str) -> Iterator[tuple[T, Octets]]:
        """Has an object read, and gives what has come out meanwhile.

        Raises:
            StoreError: too many objects in a row could not be read: it is the store that fails.
        """
        self._waiting.append((item, self._pool.submit(self._read, key)))
        while len(self._waiting) > self._most or (self._waiting and self._waiting[0][1].done()):
            yield self._take()

    def rest(self) -> Iterator[tuple[T, Octets]]:
        """What has not come out yet; see ``put``."""
        while self._waiting:
            yield self._take()

    def _take(self) -> tuple[T, Octets]:
        item, future = self._waiting.popleft()
        octets = future.result()
        failed = octets.error is not None and not octets.is_missing
        self._failures = self._failures + 1 if failed else 0
        if octets.error is not None and self._failures >= _MOST_FAILURES:
            raise octets.error
        return item, octets

    def _read(self, key: str) -> Octets:
        hashed, length = hashlib.sha256(), 0
        try:
            for chunk in self._store.read(key):
                hashed.update(chunk)
                length += len(chunk)
        except StoreError as error:
            return Octets(length, "", error)
        return Octets(length, hashed.hexdigest())

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Reads no further."""
        self._pool.shutdown(cancel_futures=True)
