"""A local directory as a store: one file per object, holding exactly its octets.

Anything that reads files can read the archive. A file appears under its name whole and durable or
not at all (``publish.py``), and so do the directories above it. Symbolic links to directories are
not followed when listing.
"""

import dataclasses
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from archiver.durable import sync_directory, sync_file
from archiver.errors import StoreError
from archiver.format import STATE_PREFIX
from archiver.model import Payload
from archiver.store import publish
from archiver.store.contract import (
    CHUNK,
    Capabilities,
    ObjectMissing,
    Stat,
    Store,
    check_key,
    check_range,
    check_state_key,
)
from archiver.store.payload import checked_body
from archiver.store.presence import look

_GIVES = Capabilities(conditional=True, md5_etag=False, checksum=False)
_ABSENT = (FileNotFoundError, NotADirectoryError)
_ATTEMPTS = 3
_REMEMBERED = 4096  # directories known to be durable; the set starts over beyond

_HINTS = {
    errno.ENOSPC: "free some space there; what is not stored yet stays where it is",
    errno.EDQUOT: "the quota there is used up; what is not stored yet stays where it is",
    errno.EROFS: "mount it for writing",
    errno.EACCES: "give this user the right to read and write there",
    errno.EPERM: "give this user the right to read and write there",
    errno.EIO: "the disk may be failing: look at the system's log",
    errno.ENAMETOOLONG: "choose a shorter path for the store",
    errno.ENOENT: "something removed a directory meanwhile, or the disk is not mounted",
    errno.ESTALE: "the network file system went away: mount it again",
}


class DirectoryStore(Store):
    """Objects as files below ``root``, which is made by the first write if its parent is there."""

    def __init__(self, root: Path, capabilities: Capabilities | None = None) -> None:
        """Touches nothing yet; ``root`` is absolute."""
        self.url = root.as_uri()
        self.capabilities = capabilities or _GIVES
        self._root = root
        self._durable: set[Path] = set()

    def probe(self) -> Capabilities:
        """See the contract; here it shows that the directory can be written, and locked."""
        key = f"{STATE_PREFIX}probe-{secrets.token_hex(8)}"
        self.replace(key, b"probe")
        self.remove(key)
        path = self._path(key)
        with self._explained("write", path), publish.exclusive(path.parent) as locked:
            self.capabilities = dataclasses.replace(_GIVES, exchange=locked)
        return self.capabilities

    def put(self, key: str, payload: Payload, *, content_type: str) -> Stat:
        """See the contract; a file has no content type."""
        path = self._path(key)
        body = checked_body(payload)
        for _ in range(_ATTEMPTS):
            with self._explained("write", path):
                self._make_directories(path.parent)
                if publish.create(path, _chunks(payload, body)):
                    return Stat(key, payload.length)
            there = look(self, key, payload)
            if there is not None:
                with self._explained("write", path):
                    # Its writer may have been killed between giving it a name and syncing it.
                    sync_file(path)
                    sync_directory(path.parent)
                return there
        raise StoreError(
            f"{path} is in the way of a file, or is being written and removed by somebody else",
            hint="see what it is, and who else writes there",
        )

    def replace(self, key: str, octets: bytes) -> Stat:
        """See the contract."""
        check_state_key(key)
        path = self._path(key)
        with self._explained("write", path):
            self._make_directories(path.parent)
            publish.overwrite(path, octets)
        return _written(key, octets)

    def exchange(self, key: str, octets: bytes, *, expected: str | None) -> Stat | None:
        """See the contract."""
        check_state_key(key)
        path = self._path(key)
        written = _written(key, octets)
        with self._explained("write", path):
            self._make_directories(path.parent)
            with publish.exclusive(path.parent):
                there = self.head(key)
                if (there and there.etag) not in (expected, written.etag):
                    return None
                publish.overwrite(path, octets)
        return written

    def remove(self, key: str) -> None:
        """See the contract."""
        check_state_key(key)
        path = self._path(key)
        with self._explained("remove", path):
            try:
                path.unlink()
            except _ABSENT:
                return
            sync_directory(path.parent)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See the contract; one directory's names at a time and level are held."""
        folder, _, _ = prefix.rpartition("/")
        if folder:
            check_key(folder)
        start = f"{folder}/" if folder else ""
        pending = [self._entries(start)]
        while pending:
            key = next(pending[-1], None)
            if key is None:
                pending.pop()
            elif not (key.startswith(prefix) or prefix.startswith(key)):
                continue
            elif key.endswith("/"):
                pending.append(self._entries(key))
            else:
                found = self._stat(key)
                if found is not None:
                    yield found

    def head(self, key: str) -> Stat | None:
        """See the contract."""
        found = self._stat(key)
        if found is None or not key.startswith(STATE_PREFIX):
            return found
        hashed = hashlib.sha256()
        try:
            for chunk in self.read(key):
                hashed.update(chunk)
        except ObjectMissing:
            return None
        return dataclasses.replace(found, etag=hashed.hexdigest())

    def _stat(self, key: str) -> Stat | None:
        path = self._path(key)
        with self._explained("read", path):
            try:
                found = path.stat()
            except _ABSENT:
                self._check_mounted()
                return None
        is_file = S_ISREG(found.st_mode)
        return Stat(key, found.st_size, modified=found.st_mtime) if is_file else None

    def read(
        self,
        key: str,
        *,
        offset: int = 0,
        length: int | None = None,
        version_id: str | None = None,
    ) -> Iterator[bytes]:
        """See the contract."""
        check_range(offset, length)
        path = self._path(key)
        if version_id is not None:
            raise ObjectMissing(f"{self.url} keeps no versions of {key}")
        left = length
        with self._explained("read", path):
            try:
                file = path.open("rb", buffering=0)
            except (*_ABSENT, IsADirectoryError):
                self._check_mounted()
                raise ObjectMissing(f"there is no {self.url}/{key}") from None
        with file:
            with self._explained("read", path):
                file.seek(offset)
            while left is None or left > 0:
                with self._explained("read", path):
                    chunk = file.read(CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    def close(self) -> None:
        """See the contract; nothing is held open."""

    def _path(self, key: str) -> Path:
        check_key(key)
        if any(segment.startswith(publish.HIDDEN) for segment in key.split("/")):
            raise StoreError(f"{key!r} begins like the files that a store has of its own")
        return self._root / key

    def _entries(self, folder: str) -> Iterator[str]:
        """The keys in one directory, those of directories with a slash, as S3 would order them."""
        path = self._root / folder
        with self._explained("list", path):
            try:
                with os.scandir(path) as entries:
                    found = [
                        f"{folder}{entry.name}{'/' if entry.is_dir(follow_symlinks=False) else ''}"
                        for entry in entries
                        if not entry.name.startswith(publish.HIDDEN)
                    ]
            except _ABSENT:
                self._check_mounted()
                found = []
        return iter(sorted(found, key=os.fsencode))

    def _make_directories(self, path: Path) -> None:
        """Makes a directory and those above it, up to the root, durable.

        Those that are there already are synced as well, once: a killed run may have made them.
        """
        missing = []
        while path not in self._durable:
            missing.append(path)
            if path == self._root:
                break
            path = path.parent
        for directory in reversed(missing):
            directory.mkdir(exist_ok=True)
            sync_directory(directory.parent)
            if len(self._durable) >= _REMEMBERED:
                self._durable.clear()
            self._durable.add(directory)

    def _check_mounted(self) -> None:
        """Tells an absent disk from an absent object; a store is not made out of nowhere."""
        if not self._root.parent.is_dir():
            raise StoreError(
                f"there is no directory {self._root.parent} to hold the store {self._root}",
                hint="make it, or mount the disk that holds it",
            )

    @contextmanager
    def _explained(self, action: str, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._check_mounted()
            raise StoreError(
                f"cannot {action} {path}: {error.strerror or error}",
                hint=_HINTS.get(error.errno or 0, ""),
            ) from error


def _chunks(payload: Payload, body: bytes | None) -> Iterator[bytes]:
    if body is not None:
        yield body
        return
    with payload.open() as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _written(key: str, octets: bytes) -> Stat:
    """What is said of an object below ``state/``: as its ETag, what no two contents share."""
    return Stat(key, len(octets), etag=hashlib.sha256(octets).hexdigest())
