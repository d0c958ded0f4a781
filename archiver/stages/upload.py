"""Upload: a batch's raw octets and decoded parts into the store, in a worker process.

Raw octets go first in, parts follow as they are decoded; several requests are under way at once,
because a PUT is mostly waiting. A part that the account already has in the store is not put again:
whoever keeps the ledger grants each part once (``claim``).
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Semaphore

from archiver.errors import KeyTaken, MessageError
from archiver.format import RAW_TYPE, part_key, raw_key
from archiver.mail import read_header, read_mail
from archiver.model import Batch, Copy, Kind, Locator, Mail, Part, Payload, SpooledMessage
from archiver.stages.parts import PART_TYPE, Parts, release
from archiver.store import Stat, Store, payload_of, payload_of_slice

THREADS = 4
_SMALL = 1 << 20
_WAITING = 2 * THREADS


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of a batch.

    ``copies`` are the objects that were put, not yet verified; ``parts`` the digests of each
    message's parts in their order; ``failed`` the messages that could not be stored, with reasons.
    """

    copies: tuple[Copy, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def upload(
    batch: Batch,
    segment: Path,
    store: Store,
    *,
    claim: Callable[[str], bool],
    read: Callable[[Mail], None],
    header_only: frozenset[str] = frozenset(),
) -> Uploaded:
    """Stores a batch.

    Args:
        batch: what to store.
        segment: the file with its octets.
        store: where to.
        claim: whether this batch is the one to put a part, by its digest.
        read: takes what each message says, as a gift: whoever indexes needs not parse again.
        header_only: digests of messages whose body broke a reader before; their raw octets are
            stored and only their header is read.

    Raises:
        StoreError: the store refuses or cannot be reached; nothing is known of what it took.
    """
    with ThreadPoolExecutor(THREADS) as pool, segment.open("rb", buffering=0) as octets:
        puts = _Puts(store, pool)
        parts: dict[str, tuple[str, ...]] = {}
        try:
            for message in batch.messages:
                try:
                    payload = _payload(segment, octets.fileno(), message)
                except MessageError as error:
                    puts.failed[message.digest] = error.message
                    continue
                key = raw_key(batch.account, batch.day, batch.id, message.digest)
                puts.put(Kind.RAW, key, payload, RAW_TYPE, of=message.digest)
                sink = Parts(segment.parent, _part_taker(batch, message, puts, claim))
                read(_read(payload, message, sink, header_only))
                parts[message.digest] = tuple(sink.digests)
        except BaseException as error:
            puts.cancel(error)
            raise
        puts.finish()
    # A part is put once, for the first message that has it, and missed by all that have it.
    for digest, digests in parts.items():
        for part in puts.refused.keys() & set(digests):
            puts.failed.setdefault(digest, puts.refused[part])
    return Uploaded(copies=tuple(puts.copies), parts=parts, failed=puts.failed)


def _part_taker(
    batch: Batch, message: SpooledMessage, puts: "_Puts", claim: Callable[[str], bool]
) -> Callable[[Part, Payload], None]:
    """Puts a decoded part if that is this batch's to do; at once, so that parts do not pile up."""

    def take(part: Part, payload: Payload) -> None:
        if not claim(part.digest):
            release(payload)
            return
        key = part_key(batch.account, batch.day, batch.id, part.digest)
        puts.put(Kind.PART, key, payload, part.type or PART_TYPE, of=message.digest)

    return take


def _payload(segment: Path, descriptor: int, message: SpooledMessage) -> Payload:
    if message.length > _SMALL:
        return payload_of_slice(segment, message.offset, message.length, message.digest)
    octets = os.pread(descriptor, message.length, message.offset)
    return replace(payload_of(octets), sha256=message.digest)


def _read(
    payload: Payload, message: SpooledMessage, sink: Parts, header_only: frozenset[str]
) -> Mail:
    with payload.open() as stream:
        if message.digest in header_only:
            return read_header(
                stream,
                digest=message.digest,
                header_digest=message.header_digest,
                size=message.length,
                now=message.fetched_at,
            )
        return read_mail(
            stream,
            digest=message.digest,
            header_digest=message.header_digest,
            size=message.length,
            sink=sink,
            now=message.fetched_at,
        )


class _Puts:
    """Writes under way, and what came of those that ended."""

    def __init__(self, store: Store, pool: ThreadPoolExecutor) -> None:
        self._store = store
        self._pool = pool
        # A semaphore, since waiting for the first of several futures costs more than the parsing.
        self._room = Semaphore(_WAITING)
        self._error: BaseException | None = None
        self.copies: list[Copy] = []
        self.failed: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    def put(self, kind: Kind, key: str, payload: Payload, content_type: str, *, of: str) -> None:
        """Starts a write as soon as there is room for one more.

        Raises:
            StoreError: an earlier write failed.
        """
        self._room.acquire()
        if self._error is not None:
            release(payload)
            raise self._error
        self._pool.submit(self._put, kind, key, payload, content_type, of)

    def _put(self, kind: Kind, key: str, payload: Payload, content_type: str, of: str) -> None:
        try:
            if self._error is None:
                self._store_one(kind, key, payload, content_type)
        except (MessageError, KeyTaken) as error:
            self.failed[of] = error.message
            if kind is Kind.PART:
                self.refused[payload.sha256] = error.message
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            self._error = self._error or error
        finally:
            release(payload)
            self._room.release()

    def _store_one(self, kind: Kind, key: str, payload: Payload, content_type: str) -> None:
        stat = self._store.put(key, payload, content_type=content_type)
        _check(stat, payload)
        locator = Locator(
            key=key, length=payload.length, etag=stat.etag, version_id=stat.version_id
        )
        self.copies.append(Copy(kind, payload.sha256, locator))

    def finish(self) -> None:
        """Waits for every write.

        Raises:
            StoreError: one of them failed.
        """
        for _ in range(_WAITING):
            self._room.acquire()
        if self._error is not None:
            raise self._error

    def cancel(self, error: BaseException) -> None:
        """Starts no further write."""
        self._error = self._error or error


def _check(stat: Stat, payload: Payload) -> None:
    """Holds the store's own word on what it took against ours."""
    if stat.md5 is not None and stat.md5 != payload.md5.hex():
        raise KeyTaken(f"the store took other octets than ours for {stat.key}")
