import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_helpers import (
    NAME,
    NOW,
    Mail,
    Run,
    archive_all,
    mail,
    new_ledger,
    owner,
    stages,
    store,
    visit,
)

from archiver.format import ManifestHead, manifest_key, part_key, read_manifest
from archiver.ledger import Ledger, copies, landing, manifests
from archiver.ledger.accounts import holder, writer
from archiver.model import Copy, Kind, Locator, Proof

A, B = mail("a", "first"), mail("b", "second")
PART = "ab" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with an account that was never fetched."""
    with new_ledger(tmp_path) as made:
        yield made


def landed(ledger: Ledger, *box: Mail) -> str:
    """Fetches a mailbox into one batch and gives its name."""
    run = Run(ledger)
    run.visit(list(box))
    return run.batches[0]


def part(batch: str, proof: Proof | None) -> Copy:
    """A copy of the part, put under this batch's prefix."""
    return Copy(Kind.PART, PART, Locator(part_key(NAME, "2026-05-28", batch, PART), 5), proof)


def put_part(ledger: Ledger, batch: str, proof: Proof | None) -> None:
    """Records that the first message of a batch has the part."""
    digest = landing.load(ledger, batch).messages[0].digest
    copies.record_upload(
        ledger, owner(ledger), batch, copies=[part(batch, proof)], parts={digest: [PART]}, now=NOW
    )


def test_proof_is_never_lost(ledger: Ledger) -> None:
    """A proven copy is not replaced by another one, whatever proof that has."""
    first, second = landed(ledger, A), landed(ledger, A, B)
    put_part(ledger, first, Proof.LISTED)
    proven = copies.find(ledger, owner(ledger), Kind.PART, PART)
    assert proven == part(first, Proof.LISTED)
    for proof in (None, Proof.READ):
        put_part(ledger, second, proof)
        assert copies.find(ledger, owner(ledger), Kind.PART, PART) == proven
    copies.forget(ledger, owner(ledger), first, [part(first, None)])
    assert copies.find(ledger, owner(ledger), Kind.PART, PART) == proven


def test_unproven_copy_moves(ledger: Ledger) -> None:
    """A copy without a proof gives way to one that was put later."""
    first, second = landed(ledger, A), landed(ledger, A, B)
    put_part(ledger, first, None)
    assert copies.find(ledger, owner(ledger), Kind.PART, PART, proven=True) is None
    put_part(ledger, second, Proof.CHECKSUM)
    found = copies.find(ledger, owner(ledger), Kind.PART, PART, proven=True)
    assert found == part(second, Proof.CHECKSUM)
    assert copies.of_batch(ledger, first) == []
    assert copies.of_batch(ledger, second) == [found]


def test_missing_copies_are_uploaded_again(ledger: Ledger) -> None:
    """Copies that are not there are forgotten, and their batch counts as not uploaded."""
    name = landed(ledger, A)
    store(ledger, name, proof=None)
    (unproven,) = copies.of_batch(ledger, name, unproven=True)
    copies.forget(ledger, owner(ledger), name, [unproven])
    assert not landing.is_uploaded(ledger, name)
    assert copies.of_batch(ledger, name) == []


def test_proofs_are_recorded(ledger: Ledger) -> None:
    """What verification saw makes a batch proven."""
    name = landed(ledger, A)
    store(ledger, name, proof=None)
    account, batch = owner(ledger), landing.load(ledger, name)
    assert not manifests.is_proven(ledger, account, batch)
    proven = [replace(copy, proof=Proof.READ) for copy in copies.of_batch(ledger, name)]
    copies.record_proofs(ledger, account, proven, NOW)
    assert manifests.is_proven(ledger, account, batch)
    assert copies.of_batch(ledger, name, unproven=True) == []


def test_a_part_without_proof_holds_its_manifest(ledger: Ledger) -> None:
    """A batch is proven only when every part that its manifest names is."""
    name = landed(ledger, A)
    put_part(ledger, name, None)
    digest = landing.load(ledger, name).messages[0].digest
    run_copies = [
        Copy(Kind.RAW, digest, Locator("mail/x", len(A.octets)), Proof.LISTED),
    ]
    copies.record_upload(ledger, owner(ledger), name, copies=run_copies, parts={}, now=NOW)
    batch = landing.load(ledger, name)
    assert manifests.parts_named(ledger, owner(ledger), batch) == [PART]
    assert not manifests.is_proven(ledger, owner(ledger), batch)
    copies.record_proofs(ledger, owner(ledger), [part(name, Proof.LISTED)], NOW)
    assert manifests.is_proven(ledger, owner(ledger), batch)


def test_manifest_names_what_was_archived(ledger: Ledger) -> None:
    """A manifest tells of each message what someone needs who has the bucket and not us."""
    name = landed(ledger, A, Mail("twin", A.octets))
    put_part(ledger, name, Proof.LISTED)
    store(ledger, name)
    account, batch = owner(ledger), landing.load(ledger, name)
    made = manifests.draft(ledger, account, batch, NOW)
    head, (described, archived, linked) = read_manifest(made.octets)
    assert (described["kind"], described["host"]) == ("account", "pop.example.com")
    assert head == ManifestHead(NAME, writer(ledger), 1, None, int(NOW))
    assert made.key == manifest_key(NAME, writer(ledger), 1)
    assert made.digest == hashlib.sha256(made.octets).hexdigest()
    assert manifests.segment_of(ledger, made) == batch.segment
    message = batch.messages[0]
    assert archived["kind"] == "archived"
    assert (archived["digest"], archived["uidl"]) == (message.digest, "a")
    assert archived["raw"]["key"].endswith(f"/{name}/{message.digest}.eml")
    assert archived["proof"] == "listed"
    assert [one["digest"] for one in archived["parts"]] == [PART]
    assert [one["proof"] for one in archived["parts"]] == ["listed"]
    assert archived["batch"] == f"{batch.day}/{name}"
    assert archived["source"]["host"] == "pop.example.com"
    assert linked == {
        "kind": "linked",
        "uidl": "twin",
        "listed_size": len(A.octets),
        "digest": message.digest,
        "batch": f"{batch.day}/{name}",
        "archived_at": "2026-05-28T20:26:40Z",
    }


def test_draft_is_repeated_octet_for_octet(ledger: Ledger, tmp_path: Path) -> None:
    """What a crash left drafted is found again with the same octets, key and digest."""
    name = landed(ledger, A)
    store(ledger, name)
    account = owner(ledger)
    made = manifests.draft(ledger, account, landing.load(ledger, name), NOW)
    with Ledger.open(tmp_path / "ledger.db") as reopened:
        assert manifests.unproven(reopened, account) == made
        assert manifests.head(reopened, account) is None
    assert stages(ledger) == {"a": "spooled"}
    manifests.seal(ledger, made, NOW)
    assert manifests.unproven(ledger, account) is None
    assert manifests.head(ledger, account) == made.digest
    assert stages(ledger) == {"a": "archived"}
    assert landing.is_archived(ledger, name)


def test_manifests_are_chained(ledger: Ledger) -> None:
    """Each manifest names the stored octets of the one before."""
    made = []
    for box in ([A], [A, B]):
        name = landed(ledger, *box)
        store(ledger, name)
        made.append(manifests.draft(ledger, owner(ledger), landing.load(ledger, name), NOW))
        manifests.seal(ledger, made[-1], NOW)
    head, _ = read_manifest(made[1].octets)
    assert (head.sequence, head.previous) == (2, made[0].digest)


def test_chain_moves(ledger: Ledger) -> None:
    """Where another writer took our place a new chain begins, and the batch is drafted again."""
    visit(ledger, A)
    archive_all(ledger)
    name = landed(ledger, A, B)
    store(ledger, name)
    account, batch = owner(ledger), landing.load(ledger, name)
    lost, old = manifests.draft(ledger, account, batch, NOW), (writer(ledger), holder(ledger))
    manifests.move_chain(ledger, lost)
    assert writer(ledger) != old[0]
    assert holder(ledger) == old[1], "our own lease would be another's"
    assert manifests.unproven(ledger, account) is None
    head, records = read_manifest(manifests.draft(ledger, account, batch, NOW).octets)
    assert head == ManifestHead(NAME, writer(ledger), 1, None, int(NOW))
    assert [record["uidl"] for record in records] == ["b"]


def test_empty_batch_is_closed(ledger: Ledger) -> None:
    """A batch whose every message was set aside needs no manifest."""
    name = landed(ledger, A)
    aside = landing.Draft("kept-1", "2026-05-28", "kept/me/1.seg", 1)
    landing.set_aside(ledger, landing.load(ledger, name).messages, aside, "broken", NOW)
    manifests.close_empty(ledger, name, NOW)
    assert landing.is_archived(ledger, name)
    assert landing.pending(ledger, owner(ledger), tries=5) == ["kept-1"]
    assert stages(ledger) == {"a": "spooled"}
