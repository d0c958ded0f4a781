"""An archive of manifests alone, and a state directory to rebuild from it; no test of its own."""

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger_dump import dump

from archiver.chains import Break
from archiver.config import StoreSettings
from archiver.format import (
    ChainHead,
    CheckpointHead,
    ManifestHead,
    archived_json,
    checkpoint_key,
    checkpoint_line,
    checkpoint_record,
    format_document,
    line_of,
    manifest_key,
    manifest_octets,
    raw_key,
)
from archiver.format.records import Archived, BatchName
from archiver.ledger import Ledger
from archiver.model import Locator, Proof
from archiver.state import StatePaths
from archiver.stopping import Stop
from archiver.verbs.rebuild import Rebuilt, Wanted, rebuild

NAME = "me@example.com"
DAY = "2026-05-28"
NOW = 1_780_000_000.0
Said = dict[str, Any]


class Time:
    """A clock that stands still."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return NOW

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Does not wait."""


class Heard:
    """What a person was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, account: str, text: str) -> None:
        """A line worth a person's attention."""
        self.notes.append(text)

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None: ...

    def waiting(self, account: str, seconds: float) -> None: ...


def archived(word: str, batch: str, account: str = NAME) -> Said:
    """A message of these octets, archived with a batch; its UIDL is the word."""
    digest = hashlib.sha256(word.encode()).hexdigest()
    return archived_json(
        Archived(
            uidl=word,
            digest=digest,
            header_digest=digest,
            size=len(word),
            listed_size=len(word),
            host="pop.example.com",
            utf8=None,
            anomalies=(),
            raw=Locator(raw_key(account, DAY, batch, digest), len(word)),
            proof=Proof.LISTED,
            parts=(),
            fetched_at=5,
            archived_at=9,
            batch=BatchName(DAY, batch),
        )
    )


@dataclass
class Archive:
    """A directory with chains of manifests."""

    root: Path
    heads: dict[str, ChainHead] = field(default_factory=dict)
    account: str = NAME

    def __post_init__(self) -> None:
        self.write("format.json", format_document())

    def path(self, key: str) -> Path:
        """Where an object is."""
        return self.root / key

    def write(self, key: str, octets: bytes) -> None:
        """Puts an object there."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)

    def manifest(self, *records: Said, writer: str = "w", at: int = 100) -> str:
        """Adds a manifest to a chain, and gives its key."""
        before = self.heads.get(writer)
        sequence = 1 if before is None else before.sequence + 1
        previous = None if before is None else before.digest
        octets = manifest_octets(
            ManifestHead(self.account, writer, sequence, previous, at), records
        )
        self.heads[writer] = ChainHead(sequence, hashlib.sha256(octets).hexdigest())
        key = manifest_key(self.account, writer, sequence)
        self.write(key, octets)
        return key

    def checkpoint(
        self, *records: Said, writer: str = "w", at: int = 100, named: bool = True
    ) -> str:
        """Adds a checkpoint of these records behind the last manifest of a chain."""
        head = CheckpointHead(
            self.account, writer, self.heads[writer].sequence, dict(self.heads), at
        )
        lines = [checkpoint_line(head), *(line_of(record) for record in records)]
        octets = gzip.compress(b"".join(lines))
        digest = hashlib.sha256(octets).hexdigest()
        key = checkpoint_key(self.account, writer, head.sequence, digest)
        self.write(key, octets)
        if named:
            self.manifest(checkpoint_record(head.sequence, digest, key), writer=writer, at=at)
        return key


class Place:
    """A state directory."""

    def __init__(self, root: Path) -> None:
        self.paths = StatePaths(root)
        self.heard = Heard()
        self.stop = Stop()

    def rebuild(self, archive: Archive, *names: str, **wanted: bool) -> Rebuilt:
        """Rebuilds from an archive."""
        return rebuild(
            StoreSettings(str(archive.root)),
            self.paths,
            Wanted(names, **wanted),
            reporter=self.heard,
            clock=Time(),
            stop=self.stop,
        )

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """What the ledger knows."""
        with Ledger.open(self.paths.ledger) as ledger:
            return dump(ledger)

    def uidls(self) -> list[str]:
        """The UIDLs that the ledger knows."""
        return sorted(row[1] for row in self.dump()["messages"])

    def files(self) -> list[str]:
        """Every file of the state directory, but locks."""
        found = (path for path in self.paths.root.rglob("*") if path.is_file())
        names = sorted(str(path.relative_to(self.paths.root)) for path in found)
        return [name for name in names if not name.endswith(".lock")]


def places(breaks: Sequence[Break]) -> list[tuple[str, int]]:
    """Where chains are broken."""
    return [(each.writer, each.sequence) for each in breaks]
