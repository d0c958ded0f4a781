"""Stores that hold archives, made without a mailbox; no test of its own."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archiver.format import (
    FORMAT_KEY,
    ManifestHead,
    Sign,
    format_document,
    locator_json,
    manifest_key,
    manifest_octets,
    raw_key,
    time_text,
)
from archiver.ledger import Ledger
from archiver.ledger.naming import Named, Names
from archiver.model import Locator
from archiver.store import Store, payload_of
from archiver.store.memory import MemoryStore
from archiver.verbs.audit import Audited, Finding, Wanted, audit

NAME = "me@example.com"
DAY = "2026-05-28"
NOW = 1_780_000_000.0


def sha(octets: bytes) -> str:
    """The digest of octets."""
    return hashlib.sha256(octets).hexdigest()


def put(store: Store, key: str, octets: bytes) -> None:
    """Stores octets where nothing is."""
    store.put(key, payload_of(octets), content_type="x/y")


def archived(digest: str, locator: Locator, uidl: str = "1") -> dict[str, Any]:
    """The record of a message without parts."""
    return {
        "kind": "archived",
        "digest": digest,
        "header_digest": digest,
        "size": locator.length,
        "uidl": uidl,
        "listed_size": locator.length,
        "source": {"protocol": "pop3", "host": "h", "utf8": False, "anomalies": []},
        "raw": locator_json(locator),
        "proof": "read",
        "parts": [],
        "fetched_at": time_text(NOW),
        "archived_at": time_text(NOW),
        "batch": None,
    }


@dataclass
class Archive:
    """An archive in memory, and audits of it; ``objects`` are those of the store, to be damaged."""

    store: MemoryStore = field(default_factory=MemoryStore)
    account: str = NAME
    digests: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """It says of itself what it is."""
        if self.store.head(FORMAT_KEY) is None:
            put(self.store, FORMAT_KEY, format_document())

    @property
    def objects(self) -> dict[str, bytes]:
        """What is stored, by key."""
        return self.store._objects

    def message(self, octets: bytes, batch: str = "b") -> tuple[str, dict[str, Any]]:
        """Stores a message; its key, and the record that names it."""
        digest = sha(octets)
        key = raw_key(self.account, DAY, batch, digest)
        put(self.store, key, octets)
        stat = self.store.head(key)
        assert stat is not None
        return key, archived(digest, Locator(key, len(octets), etag=stat.etag))

    def link(self, *records: Mapping[str, Any], writer: str = "w", sign: Sign | None = None) -> str:
        """Adds a manifest to a chain; its key."""
        digests = self.digests.setdefault(writer, [])
        head = ManifestHead(
            self.account, writer, len(digests) + 1, digests[-1] if digests else None, int(NOW)
        )
        octets = manifest_octets(head, records, sign)
        digests.append(sha(octets))
        key = manifest_key(self.account, writer, head.sequence)
        put(self.store, key, octets)
        return key

    def audit(
        self,
        scratch: Path,
        wanted: Wanted | None = None,
        ledger: Ledger | None = None,
        store: Store | None = None,
    ) -> "Said":
        """Audits it, as another store shows it where one is given."""
        said = Said()
        scratch.mkdir(exist_ok=True)
        (scratch / "names.db").unlink(missing_ok=True)
        with Names(scratch / "names.db") as names:
            said.audited = audit(
                store or self.store,
                ledger,
                names,
                wanted or Wanted(),
                tell=said.tell,
                watch=said,
                now=NOW,
            )
        return said


@dataclass
class Said:
    """What an audit said."""

    findings: list[Finding] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    audited: Audited | None = None

    def tell(self, finding: Finding, named: Named | None) -> None:
        """Takes a finding."""
        self.findings.append(finding)
        if named is not None:
            self.named.append(named)

    def progress(self, stage: str, done: int, total: int | None, octets: int) -> None:
        """Takes how far it has come."""
        self.stages.append(stage)
        assert total is None or done <= total

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Kind and key of every finding."""
        return [(str(one.kind), one.key) for one in self.findings]
