"""Manifests and checkpoints, written and read."""

import gzip
import hashlib
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from archiver.errors import IntegrityError, UnknownFormat
from archiver.format import (
    ChainHead,
    CheckpointHead,
    ManifestHead,
    StoredCheckpoint,
    StoredManifest,
    checkpoint_line,
    line_of,
    locator_json,
    manifest_octets,
    read_manifest,
)
from archiver.model import Locator

HEAD = ManifestHead("me@x.org", "w", 2, "ab" * 32, at=1_780_000_000)
RECORDS: list[dict[str, Any]] = [
    {"kind": "archived", "uidl": "ü\n"},
    {"kind": "later", "new": [None, 1.5, {"a": True}]},
]


def test_manifest_round_trip() -> None:
    """A manifest reads back as it was written, with kinds and fields that nobody knows yet."""
    assert read_manifest(manifest_octets(HEAD, RECORDS)) == (HEAD, RECORDS)


def test_manifest_is_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same head and records give the same octets at any time."""
    first = manifest_octets(HEAD, RECORDS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert manifest_octets(HEAD, iter(RECORDS)) == first


def test_manifest_in_plain_sight() -> None:
    """A manifest is lines of JSON under gzip, and its first line says what it requires."""
    first, *lines = gzip.decompress(manifest_octets(HEAD, RECORDS)).splitlines()
    assert json.loads(first) == {
        "format": 1,
        "account": "me@x.org",
        "writer": "w",
        "sequence": 2,
        "previous": "ab" * 32,
        "at": "2026-05-28T20:26:40Z",
        "requires": [],
    }
    assert len(lines) == 2


def lines(*documents: object) -> bytes:
    """A manifest of these lines."""
    return gzip.compress(b"".join(json.dumps(each).encode() + b"\n" for each in documents))


FIRST = {"format": 1, "account": "a", "writer": "w", "sequence": 1, "previous": None}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"plain text",
        gzip.compress(b""),
        gzip.compress(b"{}"),
        gzip.compress(b"\xff\n"),
        gzip.compress(b"[" * 100_000),
        manifest_octets(HEAD, RECORDS)[:-9],
        manifest_octets(HEAD, RECORDS)[:20] + b"\xff" * 30,
        lines([1]),
        lines(FIRST),
        lines({**FIRST, "requires": []}, 5),
        lines({**FIRST, "requires": []}, "text"),
        lines({**FIRST, "requires": []}, {"no": "kind"}),
        lines({**FIRST, "requires": []}, {"kind": 5}),
        lines({**FIRST, "requires": [], "account": None}),
        lines({**FIRST, "requires": [], "account": "\ud800"}),
        lines({**FIRST, "requires": [], "sequence": True}),
        lines({**FIRST, "requires": [], "sequence": 1 << 63}),
        lines({**FIRST, "requires": [], "previous": "abc"}),
        lines({**FIRST, "requires": [], "at": "yesterday"}),
        lines({**FIRST, "requires": [], "at": "2026-01-02T03:04:05"}),
        lines({**FIRST, "requires": [], "format": "1"}),
        manifest_octets(HEAD, RECORDS) + b"more",
        manifest_octets(HEAD, RECORDS) * 2,
        manifest_octets(HEAD, [])[:-1] + b"\xff",
    ],
    ids=range(25),
)
def test_damaged_manifest(octets: bytes) -> None:
    """Octets that are no manifest raise the one error for that."""
    with pytest.raises(IntegrityError, match="cannot be decoded"):
        read_manifest(octets)


@pytest.mark.parametrize("change", [{"format": 2}, {"requires": ["encryption"]}])
def test_unknown_requirement(change: dict[str, object]) -> None:
    """A manifest that requires what we lack is refused."""
    with pytest.raises(UnknownFormat, match="requires"):
        read_manifest(lines({**FIRST, "requires": [], **change}))


def test_unknown_field() -> None:
    """A field that we do not know is no reason to refuse a manifest, and is kept in its record."""
    octets = lines({**FIRST, "requires": [], "later": 1}, {"kind": "archived", "later": 2})
    assert read_manifest(octets) == (
        ManifestHead("a", "w", 1, None),
        [{"kind": "archived", "later": 2}],
    )


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_manifest_in_pieces(size: int) -> None:
    """A manifest reads alike however its octets arrive, and tells their digest at its end."""
    octets = manifest_octets(HEAD, RECORDS * 50)
    pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
    manifest = StoredManifest(iter(pieces))
    assert (manifest.head, manifest.digest) == (HEAD, "")
    assert list(manifest) == RECORDS * 50
    assert manifest.digest == hashlib.sha256(octets).hexdigest()


def test_last_line_without_end() -> None:
    """A line that ends with the file is a line."""
    octets = gzip.compress(json.dumps({**FIRST, "requires": []}).encode())
    assert read_manifest(octets)[0].account == "a"


def folded(piece: bytes, count: int) -> Iterator[bytes]:
    """The first line of a manifest, and then ``count`` pieces, under gzip."""
    fold = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield fold.compress(line_of({**FIRST, "requires": []}))
    for _ in range(count):
        yield fold.compress(piece)
    yield fold.flush()


def test_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte under a megabyte costs one error, and little memory."""
    manifest = StoredManifest(folded(bytes(1 << 20), 1 << 10))
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="line of more than"):
            list(manifest)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20


def test_many_lines_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What unfolds to more than its stored size explains is refused, however short its lines."""
    monkeypatch.setattr("archiver.format.stored._FREE", 1 << 20)
    manifest = StoredManifest(folded(b'{"kind":"x"}\n' * 100_000, 10))
    with pytest.raises(IntegrityError, match="unfolds to more"):
        list(manifest)


CHECKPOINT = CheckpointHead(
    "me@x.org", "w", 2, {"w": ChainHead(2, "ab" * 32), "v": ChainHead(9, "cd" * 32)}, 1_780_000_000
)


def test_checkpoint_round_trip() -> None:
    """A checkpoint reads back as it was written, with the chains that it covers."""
    octets = gzip.compress(checkpoint_line(CHECKPOINT) + line_of(RECORDS[0]))
    checkpoint = StoredCheckpoint([octets])
    assert checkpoint.head == CHECKPOINT
    assert list(checkpoint) == RECORDS[:1]
    assert checkpoint.digest == hashlib.sha256(octets).hexdigest()


@pytest.mark.parametrize(
    "change", [{"covers": None}, {"covers": {"w": 1}}, {"covers": {"w": {"sequence": 1}}}]
)
def test_damaged_checkpoint(change: dict[str, object]) -> None:
    """A checkpoint that does not say what it covers is refused."""
    first = {**json.loads(checkpoint_line(CHECKPOINT)), **change}
    with pytest.raises(IntegrityError, match="in its first line"):
        StoredCheckpoint([gzip.compress(line_of(first))])


def test_locator() -> None:
    """A locator is written with every field, so that readers need no defaults."""
    assert locator_json(Locator("k", 5, etag="e")) == {
        "key": "k",
        "offset": 0,
        "length": 5,
        "codec": "identity",
        "enc": None,
        "etag": "e",
        "version_id": None,
    }
