"""Recovery: octets that the store lost, looked for wherever they may still be, and hashed.

In the store itself: an older version of the object, or another object of the same octets. In the
spool, while another store still waits for the same message. A part is decoded anew from a message
that has it, which is also how its type is known. The mail server is asked by
``recovery_session``.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import IO

from archiver.errors import LocalDiskError, StoreError
from archiver.format import RAW_TYPE
from archiver.ledger.naming import Damaged, Names
from archiver.mail import read_mail
from archiver.model import Kind, Part, Payload
from archiver.stages.parts import PART_TYPE, Parts, release
from archiver.store import Store, payload_of_slice


@dataclass(frozen=True, slots=True)
class Found:
    """Octets that were found again: in a file of their own; ``origin`` says where, for people."""

    digest: str
    path: Path
    length: int
    content_type: str
    origin: str

    @classmethod
    def message(cls, digest: str, path: Path, length: int, origin: str) -> "Found":
        """The raw octets of a message."""
        return cls(digest, path, length, RAW_TYPE, origin)

    def payload(self) -> Payload:
        """The octets on their way into the store."""
        return payload_of_slice(self.path, 0, self.length, self.digest)


class Recovery:
    """Looks for octets.

    Args:
        store: where they were.
        names: what else lies there.
        directory: for files of what is found; whoever takes it removes it.
    """

    def __init__(self, store: Store, names: Names, directory: Path) -> None:
        self._store = store
        self._names = names
        self._directory = directory

    def in_store(self, damaged: Sequence[Damaged]) -> Found | None:
        """An older version of damaged objects, or another object, of their octets.

        Args:
            damaged: objects that should have the same octets, one at least.
        """
        named = damaged[0].named
        kind = RAW_TYPE if named.kind is Kind.RAW else PART_TYPE
        for one in damaged:
            if (version := one.sound_version) is None:
                continue
            chunks = self._store.read(one.named.locator.key, version_id=version)
            if (path := self._kept(chunks, named.digest)) is not None:
                origin = f"version {version}"
                return Found(named.digest, path, named.locator.length, kind, origin)
        for other in self._names.elsewhere(named.digest):
            chunks = self._store.read(other.locator.key)
            if (path := self._kept(chunks, named.digest)) is not None:
                return Found(named.digest, path, named.locator.length, kind, other.locator.key)
        return None

    def in_segment(self, segment: Path, offset: int, length: int, digest: str) -> Found | None:
        """A message that is still in the spool."""
        if not segment.exists():
            return None
        with payload_of_slice(segment, offset, length, digest).open() as stream:
            path = self._kept(iter(lambda: stream.read(1 << 20), b""), digest)
        return None if path is None else Found.message(digest, path, length, "the spool")

    def file(self) -> Path:
        """A file that is not there yet."""
        return self._directory / token_hex(8)

    def parts(self, message: str, key: str, wanted: set[str], now: float) -> list[Found]:
        """Parts, decoded anew from a message in the store.

        Args:
            message: its digest.
            key: of its raw octets.
            wanted: the digests of the parts.
            now: the time, in seconds since the epoch.
        """
        path = self._kept(self._store.read(key), message)
        if path is None:
            return []
        found: list[Found] = []

        def take(part: Part, payload: Payload) -> None:
            try:
                if part.digest in wanted:
                    found.append(self._part(part, payload))
            finally:
                release(payload)

        try:
            with path.open("rb") as stream:
                size = path.stat().st_size
                sink = Parts(self._directory, take)
                read_mail(stream, digest=message, header_digest="", size=size, sink=sink, now=now)
        finally:
            path.unlink(missing_ok=True)
        return list({one.digest: one for one in found}.values())

    def _part(self, part: Part, payload: Payload) -> Found:
        path = self.file()
        with payload.open() as octets, _written(path) as out:
            while chunk := octets.read(1 << 20):
                out.write(chunk)
        return Found(part.digest, path, part.size, part.type or PART_TYPE, "its message")

    def _kept(self, chunks: Iterable[bytes], digest: str) -> Path | None:
        """Keeps octets in a file if they are the ones looked for."""
        path, hashed = self.file(), hashlib.sha256()
        try:
            with _written(path) as out:
                for chunk in chunks:
                    hashed.update(chunk)
                    out.write(chunk)
        except StoreError:
            path.unlink(missing_ok=True)
            return None
        if hashed.hexdigest() != digest:
            path.unlink()
            return None
        return path


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("xb") as out:
            yield out
    except OSError as error:
        path.unlink(missing_ok=True)
        raise LocalDiskError(
            f"cannot write {path}: {error.strerror}",
            hint="free space there, or let TMPDIR name another directory",
        ) from error
