"""What is said in the store of a copy of the ledger."""

import json
from datetime import date
from typing import Any

import pytest

from archiver.errors import UnknownFormat
from archiver.format import (
    Snapshot,
    SnapshotKey,
    WriterHead,
    describe_snapshot,
    description_key,
    parse_snapshot_key,
    read_description,
    snapshot_key,
)

DAY = date(2026, 7, 15)
KEY = SnapshotKey("w1", DAY, describes=True)
ONE = Snapshot(
    writer="w1",
    day=DAY,
    made_at="2026-07-15T10:00:00Z",
    program="0.1.0",
    migrations=("m001_first_tables", "m002_logins"),
    size=4096,
    sha256="ab" * 32,
    heads={"me@example.com": WriterHead("w1", 7, "cd" * 32), "ü": WriterHead("w0", 1, "ef" * 32)},
)


def changed(**fields: Any) -> bytes:
    """A description in which some fields are others."""
    document = json.loads(describe_snapshot(ONE)) | fields
    return json.dumps({name: value for name, value in document.items() if value != "-"}).encode()


def test_keys() -> None:
    """A copy and its description lie side by side, below the only place that is overwritten."""
    assert snapshot_key("w1", DAY) == "state/ledger/w1/2026-07-15.db.gz"
    assert description_key("w1", DAY) == "state/ledger/w1/2026-07-15.json"
    assert parse_snapshot_key(snapshot_key("w1", DAY)) == SnapshotKey("w1", DAY, describes=False)
    assert parse_snapshot_key(description_key("w1", DAY)) == KEY


@pytest.mark.parametrize(
    "key",
    [
        "state/ledger/w1/2026-07-32.json",
        "state/ledger/w1/2026-07-15.db",
        "state/ledger/2026-07-15.json",
        "state/ledger/w1/x/2026-07-15.json",
        "state/lease",
        "",
    ],
)
def test_other_keys(key: str) -> None:
    """What is no key of a copy is told apart."""
    assert parse_snapshot_key(key) is None


def test_described() -> None:
    """A description says the same when it is read; what a later version adds does no harm."""
    assert read_description(KEY, describe_snapshot(ONE)) == ONE
    assert read_description(KEY, changed(later=[1])) == ONE
    document = json.loads(describe_snapshot(ONE))
    assert document["format"] == 1
    assert document["heads"]["me@example.com"] == {
        "writer": "w1",
        "sequence": 7,
        "digest": "cd" * 32,
    }


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        changed(made_at=7),
        changed(program=None),
        changed(migrations="m001"),
        changed(migrations=[1]),
        changed(size=-1),
        changed(size="4096"),
        changed(sha256="AB" * 32),
        changed(sha256="-"),
        changed(heads=[]),
        changed(heads={"me": 1}),
        changed(heads={"me": {"writer": "w", "sequence": 1}}),
    ],
    ids=range(15),
)
def test_no_description(octets: bytes) -> None:
    """Octets that describe no copy are refused, whoever wrote them."""
    with pytest.raises(ValueError, match=r"."):
        read_description(KEY, octets)


def test_another_format() -> None:
    """A description of a later format is refused as such."""
    with pytest.raises(UnknownFormat):
        read_description(KEY, changed(format=2))
