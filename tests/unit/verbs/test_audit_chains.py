"""Audits of chains: each fault is named where it is, and told apart from what makes it good."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_helpers import NAME, NOW, Archive, put, sha

from archiver.errors import UnknownFormat, UsageError
from archiver.format import (
    ChainHead,
    CheckpointHead,
    ManifestHead,
    checkpoint_key,
    checkpoint_line,
    line_of,
    manifest_key,
    manifest_octets,
)
from archiver.ledger import Ledger
from archiver.ledger.accounts import open_account
from archiver.signing import SigningKey
from archiver.verbs.audit import Demands, Wanted


@pytest.fixture
def archive() -> Archive:
    """An archive of three messages, each in a manifest of its own."""
    made = Archive()
    for n in range(3):
        _, record = made.message(b"message %d" % n)
        made.link(record)
    return made


@pytest.fixture
def ledger(tmp_path: Path, archive: Archive) -> Iterator[Ledger]:
    """The ledger that wrote them."""
    with Ledger.open(tmp_path / "ledger.db") as made:
        open_account(made, NAME, store_url=archive.store.url, host="h")
        with made.write() as db:
            for n, digest in enumerate(archive.digests["w"], 1):
                db.execute(
                    "INSERT INTO manifests (account_id, store_id, writer, sequence, digest,"
                    " drafted_at, proven_at) VALUES (1, 1, 'w', ?, ?, 0, 0)",
                    (n, bytes.fromhex(digest)),
                )
        yield made


def key(sequence: int, writer: str = "w") -> str:
    """The key of a manifest."""
    return manifest_key(NAME, writer, sequence)


def test_whole(archive: Archive, ledger: Ledger, tmp_path: Path) -> None:
    """A sound archive has no findings, and the audit says what it has looked at."""
    said = archive.audit(tmp_path / "x", ledger=ledger)
    assert said.findings == []
    assert said.audited is not None
    assert (said.audited.chains.manifests, said.audited.objects.objects) == (3, 3)
    assert said.audited.heads == [(NAME, "w", ChainHead(3, archive.digests["w"][2]))]
    assert said.audited.damage == 0
    assert set(said.stages) == {"manifests", "objects"}


def test_gap(archive: Archive, ledger: Ledger, tmp_path: Path) -> None:
    """Missing links are one finding, and what they named is no longer called left over."""
    del archive.objects[key(1)], archive.objects[key(2)]
    said = archive.audit(tmp_path / "x", ledger=ledger)
    assert [kind for kind, _ in said.kinds] == ["manifest-missing", "unexplained"]
    assert said.kinds[0][1] == key(1)
    assert "1 behind it are missing" in said.findings[0].what
    assert dict(said.findings[0].facts) == {"writer": "w", "sequence": 1, "count": 2}


def test_end(archive: Archive, ledger: Ledger, tmp_path: Path) -> None:
    """Only the ledger, or a head that a person kept, shows that the end of a chain is missing."""
    head = archive.digests["w"][2]
    del archive.objects[key(3)]
    assert [kind for kind, _ in archive.audit(tmp_path / "x").kinds] == ["unnamed"]
    wanted = Wanted(demands=Demands(heads=frozenset({head})))
    assert ("head-missing", "manifests/") in archive.audit(tmp_path / "x", wanted).kinds
    assert archive.audit(tmp_path / "x", ledger=ledger).kinds[0] == ("manifest-missing", key(3))
    del archive.objects[key(2)], archive.objects[key(1)]
    said = archive.audit(tmp_path / "x", ledger=ledger)
    assert said.kinds[0] == ("manifest-missing", key(1))
    assert "and 2 behind it are missing" in said.findings[0].what


def test_replayed_and_swapped(archive: Archive, ledger: Ledger, tmp_path: Path) -> None:
    """A manifest in the place of another one is named where it lies, each of a swapped pair too."""
    objects = archive.objects
    objects[key(3)] = objects[key(1)]
    assert archive.audit(tmp_path / "x").kinds[0] == ("manifest-misplaced", key(3))
    objects[key(1)], objects[key(2)] = objects[key(2)], objects[key(1)]
    kinds = archive.audit(tmp_path / "x", ledger=ledger).kinds
    assert [(kind, place) for kind, place in kinds if kind != "unexplained"] == [
        ("manifest-misplaced", key(1)),
        ("manifest-misplaced", key(2)),
        ("manifest-misplaced", key(3)),
    ]


def test_forged(archive: Archive, ledger: Ledger, tmp_path: Path) -> None:
    """A link that another good one replaced breaks the chain, and the ledger tells which it is."""
    archive.objects[key(2)] = manifest_octets(
        ManifestHead(NAME, "w", 2, archive.digests["w"][0]), []
    )
    assert archive.audit(tmp_path / "x").kinds[0] == ("chain-broken", key(3))
    kinds = archive.audit(tmp_path / "x", ledger=ledger).kinds
    assert [kind for kind, _ in kinds] == ["manifest-replaced", "unexplained"]
    assert kinds[0][1] == key(2)
    # One that does not even follow the link before it is not told twice.
    archive.objects[key(2)] = manifest_octets(ManifestHead(NAME, "w", 2, "ab" * 32), [])
    kinds = archive.audit(tmp_path / "x", ledger=ledger).kinds
    assert [kind for kind, _ in kinds] == ["manifest-replaced", "unexplained"]


def test_which_of_two_was_replaced(archive: Archive, tmp_path: Path) -> None:
    """Where links that hold stand on one side of a break, the other side is what was replaced."""
    for _ in range(3):
        archive.link()
    objects, digests = archive.objects, archive.digests["w"]
    kept = dict(objects)
    # One octet of its envelope that neither decoding nor a checksum notices.
    objects[key(3)] = kept[key(3)][:9] + b"\x07" + kept[key(3)][10:]
    assert archive.audit(tmp_path / "x").kinds == [("manifest-replaced", key(3))]
    objects[key(3)] = manifest_octets(ManifestHead(NAME, "w", 3, "ab" * 32), [])
    kinds = archive.audit(tmp_path / "x").kinds
    assert [kind for kind, _ in kinds] == ["manifest-replaced", "unexplained"]
    assert kinds[0][1] == key(3)
    objects[key(3)] = kept[key(3)]
    # At an end of a chain nothing tells which of the two it was, and both are named.
    objects[key(6)] = manifest_octets(ManifestHead(NAME, "w", 6, digests[0]), [])
    said = archive.audit(tmp_path / "x")
    assert said.kinds == [("chain-broken", key(6))]
    assert key(5) in said.findings[0].what
    # Two that follow each other and nobody else.
    forged = manifest_octets(ManifestHead(NAME, "w", 3, "ab" * 32), [])
    objects.update(kept)
    objects[key(3)] = forged
    objects[key(4)] = manifest_octets(ManifestHead(NAME, "w", 4, sha(forged)), [])
    found = [place for kind, place in archive.audit(tmp_path / "x").kinds if "manifest" in kind]
    assert found == [key(2), key(4)]


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_cut_off(archive: Archive, tmp_path: Path, cut: int) -> None:
    """A truncated manifest is damaged, and names nothing, whatever could still be read of it."""
    archive.objects[key(2)] = archive.objects[key(2)][:-cut]
    kinds = archive.audit(tmp_path / "x").kinds
    assert [kind for kind, _ in kinds] == ["manifest-damaged", "unexplained"]
    assert kinds[0][1] == key(2)


def test_names_of_another_account(archive: Archive, tmp_path: Path) -> None:
    """A manifest that names another account's objects is damaged."""
    other = Archive(archive.store, "other")
    _, record = other.message(b"of another one", "z")
    place = archive.link(record)
    kinds = archive.audit(tmp_path / "x").kinds
    assert kinds[0] == ("manifest-damaged", place)


def test_newer_format(archive: Archive, tmp_path: Path) -> None:
    """A manifest of a newer version ends the audit: it may mean what this one cannot judge."""
    archive.objects[key(2)] = gzip.compress(line_of({"format": 1, "requires": ["more"]}))
    with pytest.raises(UnknownFormat):
        archive.audit(tmp_path / "x")


def test_accounts(archive: Archive, tmp_path: Path) -> None:
    """An audit looks at the accounts that it is given, or at all, and knows no others."""
    other = Archive(archive.store, "a+b@example.com")
    lost, record = other.message(b"of another one", "z")
    other.link(record)
    del archive.objects[lost]
    chosen = archive.audit(tmp_path / "x", Wanted(accounts=(NAME.upper(),)))
    assert (chosen.kinds, chosen.audited and chosen.audited.accounts) == ([], (NAME,))
    everything = archive.audit(tmp_path / "x")
    assert everything.kinds == [("missing", lost)]
    assert everything.findings[0].account == "a+b@example.com"
    with pytest.raises(UsageError, match="nobody"):
        archive.audit(tmp_path / "x", Wanted(accounts=("nobody",)))


def checkpoint(archive: Archive, upto: int, *records: dict[str, object]) -> dict[str, object]:
    """Writes a checkpoint that restates these records; the record that names it."""
    link = ChainHead(upto, archive.digests["w"][upto - 1])
    head = CheckpointHead(NAME, "w", upto, {"w": link}, int(NOW))
    octets = gzip.compress(checkpoint_line(head) + b"".join(map(line_of, records)), mtime=0)
    digest = hashlib.sha256(octets).hexdigest()
    place = checkpoint_key(NAME, "w", upto, digest)
    put(archive.store, place, octets)
    return {"kind": "checkpoint", "sequence": upto, "digest": digest, "key": place}


def test_restated(archive: Archive, tmp_path: Path) -> None:
    """A lost link is made good by a sound checkpoint behind it, which a link names."""
    archive.objects.clear()
    archive = Archive()
    messages = [archive.message(b"message %d" % n)[1] for n in range(3)]
    for record in messages:
        archive.link(record)
    named = checkpoint(archive, 3, *messages)
    del archive.objects[key(2)]
    kinds = [kind for kind, _ in archive.audit(tmp_path / "x").kinds]
    assert kinds == ["checkpoint-unnamed", "manifest-missing", "unexplained"]
    archive.link(named)
    said = archive.audit(tmp_path / "x")
    assert said.kinds == [("restated", key(2))]
    assert said.audited is not None
    assert said.audited.chains.checkpoints == 1
    assert said.audited.objects.objects == 3

    place = str(named["key"])
    archive.objects[place] += b"x"
    kinds = [kind for kind, _ in archive.audit(tmp_path / "x").kinds]
    assert kinds == ["manifest-missing", "checkpoint-damaged", "unexplained"]
    del archive.objects[place]
    kinds = [kind for kind, _ in archive.audit(tmp_path / "x").kinds]
    assert kinds == ["manifest-missing", "checkpoint-missing", "unexplained"]


def test_moved(archive: Archive, tmp_path: Path) -> None:
    """An object that was given up for a sound one need not be there, and the new one must."""
    digest = sha(b"message 1")
    old = next(place for place in archive.objects if digest in place)
    new, record = archive.message(b"message 1", "c")
    moved = {"kind": "moved", "what": "raw", "digest": digest, "locator": record["raw"]}
    del archive.objects[old]
    archive.link({**moved, "proof": "read", "at": None, "from": old})
    said = archive.audit(tmp_path / "x")
    assert said.findings == []
    assert said.audited is not None
    assert said.audited.objects.objects == 3
    archive.objects[old] = b"message x"
    said = archive.audit(tmp_path / "x")
    assert (said.findings, said.audited and said.audited.objects.moved) == ([], 1)
    del archive.objects[new]
    assert archive.audit(tmp_path / "x").kinds == [("missing", new)]


def test_who_vouches(tmp_path: Path) -> None:
    """A trusted signature vouches for all links before it, as far as the chain holds."""
    mine, other = SigningKey.make(), SigningKey.make()
    archive = Archive()
    for sign in (None, mine.sign, None, other.sign, mine.sign, None, other.sign):
        archive.link(sign=sign)
    archive.link(writer="z", sign=mine.sign)
    assert archive.audit(tmp_path / "x").kinds == []
    trusted = Wanted(demands=Demands(keys=frozenset({mine.public})))
    said = archive.audit(tmp_path / "x", trusted)
    assert said.kinds == [("unsigned", key(6)), ("signer-unknown", key(4))]
    assert "and 1 behind it" in said.findings[0].what
    assert said.audited is not None
    assert said.audited.chains.keys == {mine.public: 3, other.public: 2}
    both = Wanted(demands=Demands(keys=frozenset({mine.public, other.public})))
    assert archive.audit(tmp_path / "x", both).kinds == []

    del archive.objects[key(3)]
    assert archive.audit(tmp_path / "x", trusted).kinds[0] == ("manifest-missing", key(3))
    del archive.objects[key(5)]
    kinds = archive.audit(tmp_path / "x", trusted).kinds
    assert ("unsigned", key(4)) in kinds


def test_a_checkpoint_that_nobody_vouches_for(tmp_path: Path) -> None:
    """With trusted keys, a checkpoint makes nothing good unless a vouched link names it."""
    mine = SigningKey.make()
    archive = Archive()
    for _ in range(3):
        archive.link(sign=mine.sign)
    del archive.objects[key(2)]
    archive.link(checkpoint(archive, 3))
    trusted = Wanted(demands=Demands(keys=frozenset({mine.public})))
    assert archive.audit(tmp_path / "x").kinds == [("restated", key(2))]
    kinds = [kind for kind, _ in archive.audit(tmp_path / "x", trusted).kinds]
    assert kinds == ["checkpoint-unnamed", "manifest-missing", "unsigned"]
    archive.link(sign=mine.sign)
    assert archive.audit(tmp_path / "x", trusted).kinds == [("restated", key(2))]


def test_records_behind_a_signature(tmp_path: Path) -> None:
    """What is added behind a signature is not covered by it, and is told."""
    mine = SigningKey.make()
    archive = Archive()
    place = archive.link(sign=mine.sign)
    lines = gzip.decompress(archive.objects[place])
    for more in (line_of({"kind": "more"}), lines.splitlines(keepends=True)[-1]):
        archive.objects[place] = gzip.compress(lines + more)
        assert archive.audit(tmp_path / "x").kinds == [("signature-bad", place)]
    archive.objects[place] = gzip.compress(lines.replace(b'"previous":null', b'"previous": null'))
    assert archive.audit(tmp_path / "x").kinds == [("signature-bad", place)]
