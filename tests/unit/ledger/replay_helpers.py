"""What a ledger's manifests told, and the ledger that they give back; no test of its own."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ledger_dump import dump
from ledger_helpers import NAME, NOW, STORE, archive_all, owner

from archiver.format import ChainHead, StoredCheckpoint, read_manifest
from archiver.ledger import Ledger, checkpoints, events, manifests
from archiver.ledger.replay import Replay


@contextmanager
def listening() -> Iterator[list[manifests.Manifest]]:
    """Every manifest that is sealed meanwhile, in their order."""
    made: list[manifests.Manifest] = []
    seal = manifests.seal

    def sealed(ledger: Ledger, manifest: manifests.Manifest, now: float) -> None:
        made.append(manifest)
        seal(ledger, manifest, now)

    with patch.object(manifests, "seal", sealed):
        yield made


def chronicle(ledger: Ledger) -> None:
    """Has manifests name every event that waits."""
    archive_all(ledger)
    events.describe(ledger, owner(ledger))
    while events.waiting(ledger, owner(ledger)):
        manifests.seal(ledger, manifests.draft(ledger, owner(ledger), None, NOW), NOW)


def replayed(path: Path, told: list[manifests.Manifest], **changed: Any) -> dict[str, Any]:
    """What the ledger made from these manifests knows."""
    with Ledger.open(path) as fresh:
        with Replay(fresh, STORE) as replay:
            account = replay.account(NAME)
            for manifest in told:
                account.apply(read_manifest(manifest.octets)[1], manifest.key)
            head, _ = read_manifest(told[-1].octets)
            heads = [(head.writer, 0, ChainHead(head.sequence, told[-1].digest))]
            assert account.finish(heads, NOW) == 0
        assert not events.waiting(fresh, owner(fresh))
        events.describe(fresh, owner(fresh))
        assert not events.waiting(fresh, owner(fresh))
        schema = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        with Ledger.open(path.with_name("empty.db")) as empty:
            assert [*fresh.rows(schema)] == [*empty.rows(schema)]
        return dump(fresh, **changed)


def same(ledger: Ledger, told: list[manifests.Manifest], path: Path) -> None:
    """Asserts that manifests alone give what the ledger knows, and that a checkpoint does."""
    chronicle(ledger)
    lost = dump(ledger)
    assert lost["messages"]
    assert replayed(path / "fresh.db", told) == lost
    assert restored(ledger, path) == lost


def restored(ledger: Ledger, path: Path) -> dict[str, Any]:
    """What the ledger made from a checkpoint knows."""
    written = checkpoints.write(ledger, owner(ledger), path, NOW)
    octets = written.path.read_bytes()
    assert (written.length, written.digest) == (len(octets), hashlib.sha256(octets).hexdigest())
    checkpoint = StoredCheckpoint([octets])
    with Ledger.open(path / "restored.db") as fresh:
        with Replay(fresh, STORE) as replay:
            account = replay.account(NAME)
            assert [*account.restate(checkpoint, "a checkpoint")]
            covers = checkpoint.head.covers
            account.finish([(writer, 0, covers[writer]) for writer in covers], NOW)
        return dump(fresh)
