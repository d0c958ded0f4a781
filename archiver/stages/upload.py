"""Upload: a batch's raw octets and decoded parts into the store, in a worker process.

Raw octets go first in, parts follow as they are decoded; several requests are under way at once,
because a PUT is mostly waiting. A part that the account already has in the store is not put again:
whoever keeps the ledger grants each part once (``claim``).
"""

import hashlib
import io
import os
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from archiver.errors import KeyTaken, MessageError
from archiver.format import RAW_TYPE, part_key, raw_key
from archiver.mail import read_header, read_mail
from archiver.model import Batch, Copy, Kind, Locator, Mail, Part, Payload, SpooledMessage
from archiver.store import Stat, Store, payload_of, payload_of_slice

THREADS = 4
_SMALL = 1 << 20
_WAITING = 2 * THREADS
_DEFAULT_TYPE = "application/octet-stream"


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
        for message in batch.messages:
            payload = _payload(segment, octets.fileno(), message)
            key = raw_key(batch.account, batch.day, batch.id, message.digest)
            puts.put(Kind.RAW, key, payload, RAW_TYPE, of=message.digest)
            sink = _Parts(segment.parent)
            try:
                mail = _read(payload, message, sink, header_only)
                parts[message.digest] = tuple(part.digest for part, _ in sink.found)
                for part, decoded in sink.found:
                    if claim(part.digest):
                        key = part_key(batch.account, batch.day, batch.id, part.digest)
                        content_type = part.type or _DEFAULT_TYPE
                        puts.put(Kind.PART, key, decoded, content_type, of=message.digest)
                    else:
                        sink.release(decoded)
            except BaseException:
                puts.cancel()
                raise
            read(mail)
        puts.finish()
    return Uploaded(copies=tuple(puts.copies), parts=parts, failed=puts.failed)


def _payload(segment: Path, descriptor: int, message: SpooledMessage) -> Payload:
    if message.length > _SMALL:
        return payload_of_slice(segment, message.offset, message.length, message.digest)
    octets = os.pread(descriptor, message.length, message.offset)
    return replace(payload_of(octets), sha256=message.digest)


def _read(
    payload: Payload, message: SpooledMessage, sink: "_Parts", header_only: frozenset[str]
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
        self._waiting: set[Future[None]] = set()
        self.copies: list[Copy] = []
        self.failed: dict[str, str] = {}

    def put(self, kind: Kind, key: str, payload: Payload, content_type: str, *, of: str) -> None:
        """Starts a write as soon as there is room for one more."""
        while len(self._waiting) >= _WAITING:
            self._settle(*wait(self._waiting, return_when=FIRST_COMPLETED))
        self._waiting.add(self._pool.submit(self._put, kind, key, payload, content_type, of))

    def _put(self, kind: Kind, key: str, payload: Payload, content_type: str, of: str) -> None:
        try:
            stat = self._store.put(key, payload, content_type=content_type)
            _check(stat, payload)
        except (MessageError, KeyTaken) as error:
            self.failed[of] = error.message
        else:
            locator = Locator(
                key=key, length=payload.length, etag=stat.etag, version_id=stat.version_id
            )
            self.copies.append(Copy(kind, payload.sha256, locator))
        finally:
            _release(payload)

    def _settle(self, done: set[Future[None]], waiting: set[Future[None]]) -> None:
        self._waiting = waiting
        for future in done:
            future.result()

    def finish(self) -> None:
        """Waits for every write."""
        self._settle(*wait(self._waiting))

    def cancel(self) -> None:
        """Starts no further write."""
        for future in self._waiting:
            future.cancel()


def _check(stat: Stat, payload: Payload) -> None:
    """Holds the store's own word on what it took against ours."""
    if stat.md5 is not None and stat.md5 != payload.md5.hex():
        raise KeyTaken(f"the store took other octets than ours for {stat.key}")


@dataclass(frozen=True, slots=True)
class _TemporaryFile:
    """A part too large for memory, in a file that goes when it is stored."""

    path: Path

    def __call__(self) -> BinaryIO:
        return self.path.open("rb")


def _release(payload: Payload) -> None:
    if isinstance(payload.open, _TemporaryFile):
        payload.open.path.unlink(missing_ok=True)


class _Parts:
    """Takes a message's parts as they are decoded: small ones in memory, large ones in files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._memory = io.BytesIO()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.found: list[tuple[Part, Payload]] = []

    def begin(self) -> None:
        """A part begins."""
        self._memory, self._file, self._path = io.BytesIO(), None, None
        self._md5 = hashlib.md5(usedforsecurity=False)

    def write(self, octets: bytes) -> None:
        """The next decoded octets of it."""
        self._md5.update(octets)
        if self._file is None and self._memory.tell() + len(octets) > _SMALL:
            self._path = self._directory / f"part-{secrets.token_hex(8)}.tmp"
            self._file = self._path.open("xb")
            self._file.write(self._memory.getvalue())
            self._memory = io.BytesIO()
        (self._file or self._memory).write(octets)

    def end(self, part: Part) -> None:
        """The part is complete."""
        if self._file is not None and self._path is not None:
            self._file.close()
            opener: Callable[[], BinaryIO] = _TemporaryFile(self._path)
        else:
            octets = self._memory.getvalue()
            opener = lambda: io.BytesIO(octets)  # noqa: E731 - one expression, bound right here
        self.found.append((part, Payload(part.size, part.digest, self._md5.digest(), opener)))

    def release(self, payload: Payload) -> None:
        """This part will not be stored from here."""
        _release(payload)
