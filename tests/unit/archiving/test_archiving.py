"""A batch's way to ARCHIVED, with a worker that does its tasks in this process or as told."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archiving_helpers import NAME, NOW, Bench, message

from archiver.archiving import Chains, Deferred, Steps
from archiver.errors import IntegrityError, KeyTaken, StoreError
from archiver.format import manifest_key, read_manifest
from archiver.ledger import Ledger, events, landing, manifests
from archiver.ledger.accounts import account, distrust, open_account, writer
from archiver.ledger.versions import problems
from archiver.state import Spool
from archiver.store import payload_of
from archiver.store.memory import MemoryStore
from infra.faulty_store import Fault, FaultyStore, puts


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An account whose messages are to be archived."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        open_account(ledger, NAME, store_url="memory://x", host="h")
        yield Bench(ledger, Spool(tmp_path / "spool", 1 << 20))


def sha(octets: bytes) -> str:
    """The digest of octets."""
    return hashlib.sha256(octets).hexdigest()


def test_to_archived(bench: Bench) -> None:
    """A batch ends ARCHIVED, named by a proven manifest, and its segment is gone."""
    first, second = message("one", b"part"), message("two")
    name = bench.land(first, second)
    done = bench.archivist().archive(name)
    assert (done.uploaded, done.archived, done.octets) == (2, 2, len(first) + len(second))
    assert bench.stages() == ["archived", "archived"]
    assert [[one["digest"] for one in each] for each in bench.manifests()] == [
        [sha(first), sha(second)]
    ]
    assert bench.spool.used == 0
    assert len(bench.objects()) == 3
    assert landing.pending(bench.ledger, account(bench.ledger, 1), tries=5) == []


def test_steps_alone(bench: Bench) -> None:
    """Upload and verify take a batch the same way one after the other."""
    name = bench.land(message("one"))
    assert bench.archivist(Steps(upload=False)).archive(name).archived == 0
    upload_only = bench.archivist(Steps(verify=False))
    assert upload_only.archive(name).uploaded == 1
    assert upload_only.archive(name).uploaded == 0
    assert bench.stages() == ["spooled"]
    assert bench.manifests() == []
    assert bench.archivist(Steps(upload=False)).archive(name).archived == 1
    assert bench.stages() == ["archived"]


def test_part_of_an_earlier_batch(bench: Bench) -> None:
    """A part that the account has in the store is not put again, but named where it lies."""
    bench.archivist().archive(bench.land(message("one", b"part")))
    bench.archivist().archive(bench.land(message("two", b"part")))
    assert sum("/parts/" in key for key in bench.objects()) == 1
    first, second = (records[0]["parts"] for records in bench.manifests())
    assert first == second


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
def test_store_fails(bench: Bench, fault: Fault) -> None:
    """A store that fails leaves a batch where it is, and the next run takes it on."""
    name = bench.land(message("one"), message("two"))
    bench.worker.store = FaultyStore(bench.store, {2: fault}, puts)
    with pytest.raises(StoreError):
        bench.archivist().archive(name)
    assert bench.stages() == ["spooled", "spooled"]
    bench.worker.store = bench.store
    bench.archivist().archive(name)
    assert bench.stages() == ["archived", "archived"]


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.ROTTEN])
def test_store_lies(bench: Bench, fault: Fault) -> None:
    """A store that acknowledged what it does not hold stops the batch before any manifest."""
    name = bench.land(message("one"), message("two"))
    bench.worker.store = FaultyStore(bench.store, {1: fault}, puts)
    with pytest.raises(IntegrityError, match="does not hold"):
        bench.archivist().archive(name)
    assert bench.manifests() == []
    assert bench.stages() == ["spooled", "spooled"]
    assert bench.spool.used > 0


def test_lost_between_upload_and_verify(bench: Bench) -> None:
    """What was uploaded and is gone when it is verified is uploaded again."""
    name = bench.land(message("one"))
    bench.worker.store = FaultyStore(bench.store, {1: Fault.LOST}, puts)
    bench.archivist(Steps(verify=False)).archive(name)
    with pytest.raises(IntegrityError, match="all that was uploaded"):
        bench.archivist(Steps(upload=False)).archive(name)
    assert bench.archivist().archive(name).archived == 1
    assert bench.stages() == ["archived"]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_deadly_message(bench: Bench, count: int) -> None:
    """A message of which workers die is found by halving; only its header is read, then."""
    messages = [message(str(number), b"part %d" % number) for number in range(count)]
    name = bench.land(*messages)
    bench.worker.deadly = {sha(messages[-1]): 1}
    bench.archivist().archive(name)
    assert bench.stages() == ["archived"] * count
    (records,) = bench.manifests()
    assert [len(one["parts"]) for one in records] == [1] * (count - 1) + [0]
    assert any("only its header is read" in note for note in bench.quiet.notes)


def test_two_deadly_messages(bench: Bench) -> None:
    """Several deadly messages in one batch are each found."""
    messages = [message(str(number), b"part") for number in range(6)]
    name = bench.land(*messages)
    bench.worker.deadly = {sha(messages[0]): 1, sha(messages[3]): 1}
    bench.archivist().archive(name)
    assert bench.stages() == ["archived"] * 6


def test_always_deadly_message(bench: Bench) -> None:
    """A message of which workers die even by its header stops the batch, which stays."""
    octets = message("one")
    name = bench.land(octets)
    bench.worker.deadly = {sha(octets): 2}
    with pytest.raises(IntegrityError, match="with its header alone"):
        bench.archivist().archive(name)
    assert bench.stages() == ["spooled"]


class Refusing(MemoryStore):
    """A store in which keys with these words are taken."""

    bad: tuple[str, ...] = ()

    def put(self, key: str, payload: Any, *, content_type: str) -> Any:
        """As always, but for some."""
        if any(word in key for word in self.bad):
            raise KeyTaken("other octets lie there")
        return super().put(key, payload, content_type=content_type)


def test_set_aside(bench: Bench) -> None:
    """A message that cannot be stored waits in a batch of its own, and the others are archived."""
    good, bad = message("good"), message("bad")
    bench.worker.store = bench.store = store = Refusing()
    store.bad = (sha(bad),)
    name = bench.land(good, bad)
    assert bench.archivist().archive(name).archived == 1
    assert bench.stages() == ["archived", "spooled"]
    (problem,) = problems(bench.ledger)
    assert (problem.digest, problem.tries) == (sha(bad), 1)
    assert "other octets" in problem.reason
    assert bench.spool.used == 0
    store.bad = ()
    (kept,) = landing.pending(bench.ledger, account(bench.ledger, 1), tries=5)
    bench.archivist().archive(kept)
    assert bench.stages() == ["archived", "archived"]
    assert problems(bench.ledger) == []


def test_batch_of_one_that_is_set_aside(bench: Bench) -> None:
    """A batch whose only message is set aside is closed without a manifest."""
    octets = message("bad")
    bench.worker.store = bench.store = store = Refusing()
    store.bad = (sha(octets),)
    name = bench.land(octets)
    bench.archivist().archive(name)
    assert landing.is_archived(bench.ledger, name)
    assert bench.manifests() == []
    assert len(list(bench.spool.root.rglob("*.seg"))) == 1


def test_part_whose_batch_failed(bench: Bench) -> None:
    """A batch that waits for a part which another one failed to put puts it itself in the end."""
    bench.worker.store = bench.store = store = Refusing()
    store.bad = ("/parts/",)
    first, second = bench.land(message("one", b"part")), bench.land(message("two", b"part"))
    assert bench.claims.grant(NAME, sha(b"part"), first)
    bench.archivist(Steps(verify=False)).archive(second)
    bench.claims.drop(first)
    with pytest.raises(Deferred):
        bench.archivist().archive(second)
    store.bad = ()
    bench.archivist().archive(second)
    bench.archivist().archive(first)
    assert bench.stages() == ["archived", "archived"]


def test_draft_of_a_crash(bench: Bench) -> None:
    """What a crash left drafted is put with the same octets before anything follows it."""
    first, second = bench.land(message("one")), bench.land(message("two"))
    bench.archivist(Steps(verify=False)).archive(first)
    prove = bench.archivist()
    batch = landing.load(bench.ledger, first)
    owner = account(bench.ledger, 1)
    assert prove._prove(batch, owner)
    draft = manifests.draft(bench.ledger, owner, batch, NOW)
    bench.archivist().archive(second)
    assert bench.stages() == ["archived", "archived"]
    assert b"".join(bench.store.read(draft.key)) == draft.octets
    bench.archivist().archive(first)
    assert len(bench.manifests()) == 2
    assert bench.spool.used == 0


@pytest.mark.parametrize("drafted", [False, True])
def test_another_writer(bench: Bench, drafted: bool) -> None:
    """Where foreign octets took our place in the chain, a new chain begins."""
    name = bench.land(message("one"))
    own, owner = writer(bench.ledger), account(bench.ledger, 1)
    if drafted:
        bench.archivist(Steps(verify=False)).archive(name)
        batch = landing.load(bench.ledger, name)
        assert bench.archivist()._prove(batch, owner)
        manifests.draft(bench.ledger, owner, batch, NOW)
    taken = manifest_key(NAME, own, 1)
    bench.store.put(taken, payload_of(b"theirs"), content_type="x/y")
    bench.archivist().archive(name)
    assert bench.stages() == ["archived"]
    assert writer(bench.ledger) != own
    assert b"".join(bench.store.read(taken)) == b"theirs"
    assert bench.store.head(manifest_key(NAME, writer(bench.ledger), 1)) is not None


def test_chains_are_apart() -> None:
    """The manifests of one account follow one another; those of two do not wait."""
    chains = Chains()
    assert chains("a") is chains("a")
    assert chains("a") is not chains("b")


def test_chronicle(bench: Bench) -> None:
    """Events without a batch come into a manifest of their own, and only once."""
    bench.archivist().archive(bench.land(message("a")))
    distrust(bench.ledger, account(bench.ledger, 1), "it lies")
    events.describe(bench.ledger, account(bench.ledger, 1))
    bench.archivist().chronicle(account(bench.ledger, 1))
    keys = bench.objects("manifests/")
    bench.archivist().chronicle(account(bench.ledger, 1))
    assert keys == bench.objects("manifests/")
    (*_, last) = (read_manifest(b"".join(bench.store.read(key)))[1] for key in keys)
    assert [one["kind"] for one in last] == ["account"]
