"""Copies of the ledger below ``state/ledger/``: put there, thinned out, and fetched again.

They travel compressed and in pieces, so that memory does not grow with the ledger.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from archiver.errors import KeyTaken, LocalDiskError, UnknownFormat
from archiver.format import (
    SNAPSHOTS_PREFIX,
    Snapshot,
    SnapshotKey,
    describe_snapshot,
    description_key,
    parse_snapshot_key,
    read_description,
    snapshot_key,
    snapshot_prefix,
)
from archiver.retention import superseded
from archiver.store.contract import CHUNK, ObjectMissing, Store
from archiver.store.payload import payload_of_slice

_TYPE = "application/gzip"
_GZIP = 16 + zlib.MAX_WBITS
_LONGEST_DESCRIPTION = 4 << 20


def keep_snapshot(store: Store, file: Path, snapshot: Snapshot) -> None:
    """Puts a copy of the ledger, then what describes it, and lets go of older copies.

    A copy of the same writer and day that is there is replaced.

    Args:
        store: where to.
        file: the copy, which is whole and changes no more.
        snapshot: what it is.

    Raises:
        StoreError: the store refuses, or cannot be reached.
        LocalDiskError: there is no room to compress the copy beside itself.
    """
    packed = file.with_name(f"{file.name}.gz")
    try:
        with _explained(packed):
            digest = _compress(file, packed)
        _put(store, snapshot, packed, digest)
        store.replace(description_key(snapshot.writer, snapshot.day), describe_snapshot(snapshot))
    finally:
        with suppress(OSError):
            packed.unlink()
    _thin_out(store, snapshot.writer)


def _compress(file: Path, packed: Path) -> str:
    # Without a time stamp, so that a retry gives the same octets.
    compressor = zlib.compressobj(6, wbits=_GZIP)
    hashed = hashlib.sha256()
    packed.touch(mode=0o600)
    with file.open("rb") as source, packed.open("wb") as target:
        while chunk := source.read(CHUNK):
            octets = compressor.compress(chunk)
            hashed.update(octets)
            target.write(octets)
        octets = compressor.flush()
        hashed.update(octets)
        target.write(octets)
    return hashed.hexdigest()


def _put(store: Store, snapshot: Snapshot, packed: Path, digest: str) -> None:
    key = snapshot_key(snapshot.writer, snapshot.day)
    payload = payload_of_slice(packed, 0, packed.stat().st_size, digest)
    try:
        store.put(key, payload, content_type=_TYPE)
    except KeyTaken:
        # An earlier one of this day: what describes it goes first, for it would describe this one.
        store.remove(description_key(snapshot.writer, snapshot.day))
        store.remove(key)
        store.put(key, payload, content_type=_TYPE)


def _thin_out(store: Store, writer: str) -> None:
    found = _keys(store, snapshot_prefix(writer))
    for day in superseded(key.day for key in found):
        store.remove(description_key(writer, day))
        store.remove(snapshot_key(writer, day))


def _keys(store: Store, prefix: str) -> Iterator[SnapshotKey]:
    parsed = (parse_snapshot_key(stat.key) for stat in store.list(prefix))
    return (key for key in parsed if key is not None)


def newest_snapshot(
    store: Store,
    target: Path,
    *,
    migrations: Set[str],
    note: Callable[[str], None] = lambda text: None,
) -> Snapshot | None:
    """Fetches the newest copy of a ledger that can be used, whoever's it is.

    One that is not what its description says, or that a newer version made, is passed over for an
    older one.

    Args:
        store: the store.
        target: where the SQLite file is written; there must be none yet.
        migrations: those that this version knows.
        note: hears which copies were passed over, and why.

    Returns:
        What was fetched, None where there is none that can be used.

    Raises:
        StoreError: the store cannot be reached.
        LocalDiskError: the file cannot be written.
    """
    for snapshot in _newest_first(store, note):
        name = f"{store.url}/{snapshot_key(snapshot.writer, snapshot.day)}"
        if not migrations >= set(snapshot.migrations):
            note(f"{name} was made by a newer version of archiver")
            continue
        if _fetched(store, snapshot, target):
            return snapshot
        note(f"{name} does not hold what its description says")
    return None


def _newest_first(store: Store, note: Callable[[str], None]) -> Iterator[Snapshot]:
    keys = [key for key in _keys(store, SNAPSHOTS_PREFIX) if key.describes]
    for day in sorted({key.day for key in keys}, reverse=True):
        described = [_described(store, key, note) for key in keys if key.day == day]
        found = [snapshot for snapshot in described if snapshot is not None]
        yield from sorted(found, key=lambda snapshot: snapshot.made_at, reverse=True)


def _described(store: Store, key: SnapshotKey, note: Callable[[str], None]) -> Snapshot | None:
    name = description_key(key.writer, key.day)
    try:
        return read_description(key, b"".join(store.read(name, length=_LONGEST_DESCRIPTION)))
    except (ValueError, UnknownFormat, ObjectMissing) as error:
        note(f"{store.url}/{name} describes no copy of a ledger: {error}")
        return None


def _fetched(store: Store, snapshot: Snapshot, target: Path) -> bool:
    """Whether the copy is what its description says; then, and only then, it is at ``target``."""
    key = snapshot_key(snapshot.writer, snapshot.day)
    hashed, whole = hashlib.sha256(), False
    with _explained(target):
        file = target.open("xb")
    try:
        with _explained(target), file:
            target.chmod(0o600)
            for chunk in _unpacked(store.read(key), snapshot.size):
                hashed.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        whole = hashed.hexdigest() == snapshot.sha256
    except (zlib.error, ObjectMissing):
        pass
    finally:
        if not whole:
            target.unlink()
    return whole


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalDiskError(
            f"cannot write {file}: {error.strerror}", hint="free space or mend the disk"
        ) from error


def _unpacked(packed: Iterator[bytes], size: int) -> Iterator[bytes]:
    """What compressed octets hold, no more than a piece beyond ``size``, whatever they claim."""
    decompressor = zlib.decompressobj(wbits=_GZIP)
    left = size
    for chunk in packed:
        while chunk and left >= 0:
            octets = decompressor.decompress(chunk, CHUNK)
            left -= len(octets)
            yield octets
            chunk = decompressor.unconsumed_tail
