"""Checkpoints: when one is written, and what a crash on the way leaves."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from archiving_helpers import NAME, Bench, Time, message
from ledger_dump import dump

from archiver.config import StoreSettings
from archiver.errors import StoreError
from archiver.format import (
    StoredCheckpoint,
    manifest_prefix,
    parse_manifest_key,
    parse_record,
    read_manifest,
)
from archiver.format.records import Archived, CheckpointAt
from archiver.ledger import Ledger, checkpoints
from archiver.ledger.accounts import account, open_account, renew_writer, writer
from archiver.state import Spool, StatePaths
from archiver.stopping import Stop
from archiver.store.memory import MemoryStore
from archiver.verbs.rebuild import Wanted, rebuild
from archiver.workers import PutFile

URL = "memory://checkpoints"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """An account with two manifests, which is as long as a chain may become here."""
    monkeypatch.setattr(checkpoints, "EVERY", 2)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        open_account(ledger, NAME, store_url=URL, host="h")
        store = MemoryStore("checkpoints")
        store._objects.clear()
        made = Bench(ledger, Spool(tmp_path / "spool", 1 << 20), store)
        for word in ("one", "two"):
            made.archivist().archive(made.land(message(word, b"shared part")))
        yield made


def chronicle(bench: Bench) -> None:
    """Ends a run."""
    bench.archivist().chronicle(account(bench.ledger, 1))


def stored(bench: Bench) -> list[str]:
    """The keys of all checkpoints."""
    keys = bench.objects(manifest_prefix(NAME))
    return [key for key in keys if (found := parse_manifest_key(key)) and found.checkpoint]


def named(bench: Bench) -> list[CheckpointAt]:
    """Every checkpoint that a manifest names."""
    keys = [key for key in bench.objects(manifest_prefix(NAME)) if key not in stored(bench)]
    records = [read_manifest(b"".join(bench.store.read(key)))[1] for key in keys]
    said = [parse_record(one) for some in records for one in some]
    return [one for one in said if isinstance(one, CheckpointAt)]


def test_written_and_named(bench: Bench) -> None:
    """A chain that became long gets a checkpoint of all that it says, and names it."""
    owner = account(bench.ledger, 1)
    assert checkpoints.due(bench.ledger, owner)
    chronicle(bench)
    (key,) = stored(bench)
    (said,) = named(bench)
    checkpoint = StoredCheckpoint(bench.store.read(key))
    records = [parse_record(record) for record in checkpoint]
    assert said == CheckpointAt(2, checkpoint.digest, key)
    assert (checkpoint.head.sequence, [*checkpoint.head.covers]) == (2, [writer(bench.ledger)])
    assert len([one for one in records if isinstance(one, Archived)]) == 2
    assert not checkpoints.due(bench.ledger, owner)
    assert not [*bench.ledger.path.parent.glob("checkpoint*")]
    before = bench.objects("")
    chronicle(bench)
    assert bench.objects("") == before


def test_again_when_the_chain_has_grown(bench: Bench) -> None:
    """The next one comes after as many manifests again; a new chain counts from its beginning."""
    owner = account(bench.ledger, 1)
    chronicle(bench)
    bench.archivist().archive(bench.land(message("three")))
    chronicle(bench)
    assert [one.sequence for one in named(bench)] == [2, 4]
    renew_writer(bench.ledger)
    assert not checkpoints.due(bench.ledger, owner)
    bench.archivist().archive(bench.land(message("four")))
    assert not checkpoints.due(bench.ledger, owner)
    bench.archivist().archive(bench.land(message("five")))
    chronicle(bench)
    assert len(stored(bench)) == 3
    (covers,) = [
        checkpoint.head.covers
        for key in stored(bench)
        if (checkpoint := StoredCheckpoint(bench.store.read(key))).head.writer
        == writer(bench.ledger)
    ]
    assert sorted(link.sequence for link in covers.values()) == [2, 5]


def test_store_refuses(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that cannot be stored is written by the next run; the chain is whole."""
    run = bench.worker.run

    def refuse(task: Any, **served: Any) -> Any:
        if isinstance(task, PutFile):
            raise StoreError("full")
        return run(task, **served)

    with monkeypatch.context() as patched:
        patched.setattr(bench.worker, "run", refuse)
        with pytest.raises(StoreError):
            chronicle(bench)
    assert not named(bench)
    chronicle(bench)
    assert len(stored(bench)) == len(named(bench)) == 1


@pytest.mark.parametrize("patience", [0, 2])
def test_asked_to_end(bench: Bench, patience: int) -> None:
    """A run that is asked to end writes no checkpoint, and leaves the chain whole."""
    looks = count()
    archivist = replace(bench.archivist(), stopping=lambda: next(looks) >= patience)
    archivist.chronicle(account(bench.ledger, 1))
    assert next(looks) > patience
    assert not stored(bench)
    assert not [*bench.ledger.path.parent.glob("checkpoint*")]
    chronicle(bench)
    assert len(stored(bench)) == len(named(bench)) == 1


@pytest.mark.parametrize("step", ["note", "after note"])
def test_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A run that is killed before or after it noted a checkpoint ends in one that is named."""
    note = checkpoints.note

    def killed(*given: Any) -> None:
        if step == "after note":
            note(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "note", killed)
        with pytest.raises(KeyboardInterrupt):
            chronicle(bench)
    assert (len(stored(bench)), len(named(bench))) == (1, 0)
    chronicle(bench)
    assert len(named(bench)) == 1
    assert named(bench)[0].key in stored(bench)
    assert not [*bench.ledger.path.parent.glob("checkpoint*")]


def test_the_same_ledger_with_and_without(bench: Bench, tmp_path: Path) -> None:
    """A rebuild gives the ledger that was lost, from a checkpoint and from the chain alone."""
    bench.archivist().archive(bench.land(message("three", b"shared part")))
    chronicle(bench)
    bench.archivist().archive(bench.land(message("four"), message("five", b"a part")))
    chronicle(bench)
    lost = dump(bench.ledger)
    keys = stored(bench)
    for name, checkpoint, manifests in (("with", keys[-1], 1), ("without", None, 6)):
        paths = StatePaths(tmp_path / name)
        (done,) = rebuild(
            StoreSettings(URL),
            paths,
            Wanted(),
            reporter=bench.quiet,
            clock=Time(),
            stop=Stop(),
        ).accounts
        assert (done.checkpoint, done.manifests) == (checkpoint, manifests)
        with Ledger.open(paths.ledger) as ledger:
            assert dump(ledger) == lost
        for key in keys:
            bench.store._objects.pop(key, None)
