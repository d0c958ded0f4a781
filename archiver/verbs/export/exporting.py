"""An export: every message that a query asks for, proven on its way out, in the index's order.

Several messages are fetched ahead, since a GET is mostly waiting; they are written one by one. A
message that cannot be had costs itself alone, and is told by its digest.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, Protocol

from archiver.errors import IntegrityError, LocalDiskError, MessageError
from archiver.index import Hit, Index
from archiver.query import Query
from archiver.verbs.export.target import Target
from archiver.verbs.stored import Source, StoredMessages

THREADS = 8


class Watch(Protocol):
    """Hears how far an export has come."""

    def progress(self, stage: str, done: int, total: int | None, read: int) -> None:
        """Messages that are done, of all, and octets that were read.

        Raises:
            Interrupted: the export was asked to end.
        """


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that could not be exported, and why."""

    digest: str
    reason: str


@dataclass(slots=True)
class Exported:
    """What came of an export.

    Attributes:
        found: how many messages the query asks for.
        exported: how many were written.
        there: how many the destination held already, or has nothing to hold of.
        octets: of the messages that were read.
        failed: what could not be exported.
    """

    found: int = 0
    exported: int = 0
    there: int = 0
    octets: int = 0
    failed: list[Failed] = field(default_factory=list)


Fetched = Future[tuple[ExitStack, BinaryIO]]


def export(
    index: Index, stored: StoredMessages, query: Query, target: Target, watch: Watch
) -> Exported:
    """Exports what a query asks for.

    Args:
        index: knows which messages those are.
        stored: has their octets.
        query: what is asked for.
        target: where they go.
        watch: hears how far it is.

    Raises:
        Interrupted: it was asked to end; run again, it goes on.
        LocalDiskError: the disk is full or failing.
        StoreError: the store cannot be reached or refuses.
    """
    done = Exported(found=index.count(query))
    with ThreadPoolExecutor(THREADS, "export") as pool:
        waiting: deque[tuple[Hit, Fetched]] = deque()
        try:
            for hit in index.each(query):
                watch.progress("export", done.exported + done.there, done.found, done.octets)
                if _has(target, hit):
                    done.there += 1
                    continue
                fetched = pool.submit(_fetch, stored, stored.locate(hit), reads=target.reads)
                waiting.append((hit, fetched))
                if len(waiting) == THREADS:
                    _write(target, *waiting.popleft(), done)
            while waiting:
                watch.progress("export", done.exported + done.there, done.found, done.octets)
                _write(target, *waiting.popleft(), done)
        finally:
            for stack in _rest(waiting):
                stack.close()
    try:
        target.finish()
    except OSError as error:
        raise _disk(error) from error
    return done


def _has(target: Target, hit: Hit) -> bool:
    try:
        return target.has(hit)
    except OSError as error:
        raise _disk(error) from error


def _fetch(stored: StoredMessages, source: Source, *, reads: bool) -> tuple[ExitStack, BinaryIO]:
    stack = ExitStack()
    return stack, stack.enter_context(stored.read(source)) if reads else BytesIO()


def _write(target: Target, hit: Hit, fetched: Fetched, done: Exported) -> None:
    try:
        stack, octets = fetched.result()
    except IntegrityError as error:
        done.failed.append(Failed(hit.digest, error.message))
        return
    with stack:
        try:
            target.take(hit, octets)
        except MessageError as error:
            done.failed.append(Failed(hit.digest, error.message))
            return
        except OSError as error:
            raise _disk(error) from error
    done.exported += 1
    done.octets += hit.size if target.reads else 0


def _rest(waiting: deque[tuple[Hit, Fetched]]) -> Iterator[ExitStack]:
    """What was fetched and is not wanted any more."""
    for _, fetched in waiting:
        if not fetched.cancel() and fetched.exception() is None:
            yield fetched.result()[0]


def _disk(error: OSError) -> LocalDiskError:
    return LocalDiskError(
        f"the export cannot be written: {error.strerror}",
        hint="free space, then run it again: it goes on where it ended",
    )
