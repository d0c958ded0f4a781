"""The newest usable checkpoint of an account: named by the chain behind it, whole, and ours.

What is wrong with a checkpoint is never more than a note: the manifests say the same.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from archiver.chains import Chain, ChainReader
from archiver.errors import IntegrityError, UnknownFormat
from archiver.format import (
    CheckpointHead,
    StoredCheckpoint,
    parse_manifest_key,
    parse_record,
)
from archiver.format.records import CheckpointAt
from archiver.store import ObjectMissing, Store

_CHUNK = 1 << 20
_LOOKED_AT = 16
"""So many manifests behind a checkpoint may name it: the next one does, unless a run was killed."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A checkpoint that the chain names, with the digest that its octets must have."""

    key: str
    digest: str
    head: CheckpointHead

    def left(self, chains: Sequence[Chain]) -> int:
        """How many manifests are still to be read behind it."""
        covers = self.head.covers
        return sum(
            chain.count(covers[chain.writer].sequence if chain.writer in covers else 0)
            for chain in chains
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint that was fetched and is whole."""

    key: str
    checkpoint: StoredCheckpoint


class Checkpoints:
    """The checkpoints of an account.

    Args:
        store: the store.
        chains: the account's chains.
        note: hears why one is passed over.
    """

    def __init__(self, store: Store, chains: Sequence[Chain], note: Callable[[str], None]) -> None:
        self._store = store
        self._chains = chains
        self._note = note

    def open(self, directory: Path) -> Iterator[Opened]:
        """Fetches checkpoints, the one that leaves the least to read first.

        Args:
            directory: where one lies while it is read; nothing stays there.

        Raises:
            UnknownFormat: a newer version wrote one of them.
            StoreError: the store cannot be reached or refuses.
        """
        waiting = [self._named(chain) for chain in self._chains if chain.checkpoints]
        found = [(candidate, rest) for rest in waiting if (candidate := next(rest, None))]
        while found:
            best = min(found, key=lambda pair: pair[0].left(self._chains))
            found.remove(best)
            candidate, rest = best
            with TemporaryFile(dir=directory) as file:
                if self._fetch(candidate, file):
                    chunks = iter(lambda: file.read(_CHUNK), b"")
                    yield Opened(candidate.key, StoredCheckpoint(chunks, candidate.key))
            older = next(rest, None)
            if older is not None:
                found.append((older, rest))

    def _named(self, chain: Chain) -> Iterator[Candidate]:
        """The checkpoints of a chain that the manifests behind them name, the newest first."""
        for key in reversed(chain.checkpoints):
            head = self._head(key)
            digest = None if head is None else self._digest(chain, key, head)
            if head is None or digest is None:
                self._note(f"checkpoint {key} is passed over: the chain does not name it")
            else:
                yield Candidate(key, digest, head)

    def _head(self, key: str) -> CheckpointHead | None:
        own = parse_manifest_key(key)
        assert own is not None
        try:
            head = StoredCheckpoint(self._store.read(key), key).head
        except UnknownFormat:
            raise
        except (IntegrityError, ObjectMissing):
            return None
        place = (head.account, head.writer, head.sequence)
        link = head.covers.get(head.writer)
        if place != (own.account, own.writer, own.sequence) or link is None:
            return None
        return head if link.sequence == head.sequence else None

    def _digest(self, chain: Chain, key: str, head: CheckpointHead) -> str | None:
        """The digest by which a manifest behind a checkpoint names it."""
        with ChainReader(self._store, lambda broken: None) as reader:
            links = reader.links(chain, head.covers[head.writer])
            for link in islice(links, _LOOKED_AT):
                with suppress(IntegrityError):
                    for record in link.manifest:
                        if record["kind"] == "checkpoint" and record.get("key") == key:
                            said = parse_record(record)
                            assert isinstance(said, CheckpointAt)
                            return said.digest
        return None

    def _fetch(self, candidate: Candidate, file: BinaryIO) -> bool:
        hashed = hashlib.sha256()
        try:
            for chunk in self._store.read(candidate.key):
                hashed.update(chunk)
                file.write(chunk)
        except ObjectMissing:
            return False
        if hashed.hexdigest() != candidate.digest:
            self._note(f"checkpoint {candidate.key} is passed over: its octets are not those named")
            return False
        file.seek(0)
        return True
