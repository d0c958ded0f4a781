"""The worker's side of the pipe: tasks in, results out, until it closes.

Where the main process has ended, however that was, nobody waits for what a worker still does: it
ends in the middle of it.
"""

import contextlib
import os
import select
import sys
import threading
import traceback
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from archiver.config import StoreSettings
from archiver.errors import ArchiverError, IntegrityError
from archiver.extract import Extractor
from archiver.format import (
    FORMAT_KEY,
    MANIFEST_TYPE,
    batch_prefix,
    check_format,
    format_document,
    raw_key,
)
from archiver.index import Entry, Location, prepare
from archiver.model import Batch, Copy, Kind, Locator, Mail, Payload
from archiver.stages.attached import judge
from archiver.stages.index import read_unread
from archiver.stages.lease import give_up, take
from archiver.stages.read_back import read_back
from archiver.stages.relock import relock
from archiver.stages.upload import THREADS, Uploaded, upload
from archiver.stages.verify import Verified, verify
from archiver.store import (
    Capabilities,
    Store,
    hazards,
    keep_snapshot,
    open_store,
    payload_of,
    payload_of_slice,
)
from archiver.workers.tasks import (
    Archive,
    Archived,
    Claim,
    Done,
    Entries,
    Failed,
    GiveUpLease,
    Hazards,
    KeepSnapshot,
    Prepare,
    ProveAgain,
    PutFile,
    PutManifest,
    Read,
    Relock,
    TakeLease,
)

_ENTRIES_AT_ONCE = 100
_TEXT_AT_ONCE = 1 << 20
_READING = 8
_JSON_TYPE = "application/json"
_FIRST = "the first task of a worker is Prepare"


class _Server:
    """Does one task after the other."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        self._pipe = pipe
        self._settings: StoreSettings | None = None
        self._store: Store | None = None
        self._entries: list[tuple[Entry, Location]] = []
        self._text = 0
        self._extractor: Extractor | None = None

    def serve(self) -> None:
        while True:
            task = self._pipe.recv()
            try:
                result = self._do(task)
            except ArchiverError as error:
                self._pipe.send(Failed(error))
            except (EOFError, BrokenPipeError):
                raise
            except Exception:  # noqa: BLE001 - the main process reports it as the bug it is
                self._pipe.send(Failed(None, traceback.format_exc()))
            else:
                self._pipe.send(Done(result))

    def _do(self, task: object) -> object:
        match task:
            case Prepare():
                return self._prepare(task)
            case Archive():
                return self._archive(task)
            case PutManifest(key, octets):
                self._put(key, payload_of(octets))
                return None
            case PutFile(key, path, length, sha256):
                self._put(key, payload_of_slice(path, 0, length, sha256))
                return None
            case ProveAgain(copies, checksum):
                return read_back(copies, self._opened(), checksum=checksum)
            case Read():
                self._read(task)
                return None
            case Relock(copies):
                return relock(copies, self._opened())
            case TakeLease(account, lease, now):
                take(self._opened(), account, lease, now)
                return None
            case GiveUpLease(account, lease):
                give_up(self._opened(), account, lease)
                return None
            case KeepSnapshot(file, snapshot):
                keep_snapshot(self._opened(), file, snapshot)
                return None
            case Hazards():
                assert self._settings is not None, _FIRST
                return hazards(self._settings)
        raise TypeError(f"no task: {task!r}")

    def _prepare(self, task: Prepare) -> Capabilities:
        store = open_store(
            task.settings, capabilities=task.capabilities, connections=max(THREADS, _READING)
        )
        self._settings, self._store = task.settings, store
        capabilities = task.capabilities or store.probe()
        if task.check:
            if store.head(FORMAT_KEY) is None:
                store.put(FORMAT_KEY, payload_of(format_document()), content_type=_JSON_TYPE)
            check_format(b"".join(store.read(FORMAT_KEY)))
        return capabilities

    def _archive(self, task: Archive) -> Archived:
        store, batch = self._opened(), task.batch
        uploaded = Uploaded(copies=task.copies)
        if task.upload:
            uploaded = upload(
                batch,
                task.segment,
                store,
                claim=self._claim,
                read=(lambda mail: self._offer(batch, mail)) if task.index else (lambda mail: None),
                header_only=task.header_only,
            )
            self._flush()
        verified = Verified((), ())
        if task.verify:
            prefix = batch_prefix(batch.account, batch.day, batch.id)
            verified = verify(prefix, uploaded.copies, store)
        return Archived(uploaded, verified)

    def _put(self, key: str, payload: Payload) -> None:
        store = self._opened()
        stat = store.put(key, payload, content_type=MANIFEST_TYPE)
        locator = Locator(key, payload.length, etag=stat.etag)
        copy = Copy(Kind.RAW, payload.sha256, locator)
        if verify(key, [copy], store).missing:
            raise IntegrityError(
                f"{store.url}/{key} was written and cannot be found again",
                hint="the store loses writes: nothing may be deleted on the server now",
            )

    def _read(self, task: Read) -> None:
        store, extractor = self._opened(), self._reader(task)
        # A GET is mostly waiting, so a few are under way at once; few, because texts may be large.
        with ThreadPoolExecutor(_READING) as pool:
            waiting: deque[Future[tuple[Entry, Location]]] = deque()
            for unread in task.unread:
                if len(waiting) == _READING:
                    self._add(*waiting.popleft().result())
                waiting.append(pool.submit(read_unread, unread, task.spool, store, extractor))
            for future in waiting:
                self._add(*future.result())
        self._flush()

    def _reader(self, task: Read) -> Extractor:
        if self._extractor is None:
            self._extractor = Extractor(task.spool)
        return self._extractor

    def _opened(self) -> Store:
        assert self._store is not None, _FIRST
        return self._store

    def _claim(self, digest: str) -> bool:
        self._pipe.send(Claim(digest))
        return bool(self._pipe.recv())

    def _offer(self, batch: Batch, mail: Mail) -> None:
        key = raw_key(batch.account, batch.day, batch.id, mail.digest)
        judged = judge(mail.parts)
        # Attachments cost more than all else: they are read when everything is archived.
        if not judged.due:
            entry = prepare(mail, unread=judged.unread)
            self._add(entry, Location(batch.account, key, 0, mail.size))

    def _add(self, entry: Entry, location: Location) -> None:
        self._entries.append((entry, location))
        self._text += len(entry.text) + len(entry.words.attached)
        if len(self._entries) >= _ENTRIES_AT_ONCE or self._text >= _TEXT_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._entries:
            self._pipe.send(Entries(tuple(self._entries)))
        self._entries, self._text = [], 0


def _end_with(descriptor: int) -> None:
    """Ends this process when the other end of the pipe closes, whatever it waits for."""
    hung_up = select.poll()
    hung_up.register(descriptor, 0)
    hung_up.poll()
    os._exit(0)


def main() -> None:
    """Serves the pipe whose descriptor is the only argument, until it closes."""
    descriptor = int(sys.argv[1])
    threading.Thread(target=_end_with, args=[descriptor], daemon=True).start()
    with Connection(descriptor) as pipe, contextlib.suppress(EOFError, BrokenPipeError):
        _Server(pipe).serve()
