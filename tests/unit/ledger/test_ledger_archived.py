"""Messages are found in the ledger by the beginning of their digest, with where they lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_helpers import DAY, NAME, NOW, archive_all, fingerprint, mail, new_ledger, owner, visit

from archiver.format import raw_key
from archiver.ledger import Ledger, copies
from archiver.ledger.archived import archived
from archiver.ledger.moving import Move, move
from archiver.model import Copy, Kind, Locator, Proof

BOX = [mail(str(number), f"word{number}") for number in range(40)]
DIGESTS = sorted(fingerprint(one.octets).digest for one in BOX)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger whose messages are in the spool."""
    with new_ledger(tmp_path) as made:
        visit(made, *BOX)
        yield made


def test_prefixes(ledger: Ledger) -> None:
    """A prefix of any length, odd ones too, finds the digests that begin with it, in order."""
    for length in (1, 2, 3, 7, 64):
        prefix = DIGESTS[5][:length]
        expected = [digest for digest in DIGESTS if digest.startswith(prefix)]
        assert [one.digest for one in archived(ledger, prefix, 99)] == expected
    assert [one.digest for one in archived(ledger, "", 3)] == DIGESTS[:3]
    assert archived(ledger, "0" * 63, 3) == []


def test_places(ledger: Ledger) -> None:
    """A message has no key while it is in the spool, then its own, and the new one once moved."""
    (found,) = archived(ledger, DIGESTS[0], 9)
    size = next(len(one.octets) for one in BOX if fingerprint(one.octets).digest == found.digest)
    assert (found.account, found.key, found.size) == (NAME, None, size)
    archive_all(ledger)
    (found,) = archived(ledger, DIGESTS[0], 9)
    copy = copies.find(ledger, owner(ledger), Kind.RAW, found.digest)
    assert copy is not None
    assert found.key == copy.locator.key
    moved = raw_key(NAME, DAY, "again", found.digest)
    again = Copy(Kind.RAW, found.digest, Locator(moved, size, etag="e"), Proof.READ)
    move(ledger, owner(ledger), "again", DAY, [Move(again, found.key)], NOW)
    assert [one.key for one in archived(ledger, DIGESTS[0], 9)] == [moved]
