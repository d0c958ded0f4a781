"""Names, manifests and fingerprints of store format 1."""

import gzip
import hashlib
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import IntegrityError
from archiver.format import (
    ManifestHead,
    MessageHash,
    account_segment,
    batch_prefix,
    check_format,
    format_document,
    locator_json,
    manifest_key,
    manifest_octets,
    part_key,
    raw_key,
    read_manifest,
)
from archiver.model import Fingerprint, Locator
from archiver.store.contract import check_key

PIECES = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"Received: x", b""]), max_size=12)


def fingerprint(octets: bytes, cuts: list[int]) -> Fingerprint:
    """Feeds the octets in pieces cut at the given places."""
    message = MessageHash()
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        message.update(octets[start:end])
    return message.result()


@given(pieces=PIECES, cuts=st.lists(st.integers(0, 200), max_size=6))
def test_fingerprint_does_not_depend_on_chunks(pieces: list[bytes], cuts: list[int]) -> None:
    """The header digest covers what stands before the first empty line, however it arrives."""
    octets = b"".join(pieces)
    end = (b"\r\n" + octets).find(b"\r\n\r\n")
    header = octets if end < 0 else octets[:end]
    found = fingerprint(octets, cuts)
    assert found.digest == hashlib.sha256(octets).hexdigest()
    assert found.header_digest == hashlib.sha256(header).hexdigest()
    assert found.size == len(octets)


@pytest.mark.parametrize(
    ("header", "identifiable"),
    [
        (b"Message-ID: <a@b>\r\n\r\nx", True),
        (b"MESSAGE-id:\r\n\r\n", True),
        (b"Subject: x\r\nReceived: from x", True),
        (b"Subject: Message-ID: x\r\n\r\n", False),
        (b"X-Received: x\r\n\r\n", False),
        (b"Subject: x\r\n\r\nReceived: in the body", False),
        (b"", False),
    ],
)
def test_identifiable(header: bytes, identifiable: bool) -> None:
    """A header identifies a message when it has a Message-ID or a Received field."""
    assert fingerprint(header, []).identifiable is identifiable


def test_top_gives_the_same_header_digest() -> None:
    """What ``TOP n 0`` answers has the header digest of the whole message."""
    header = b"Message-ID: <a@b>\r\nSubject: x\r\n\r\n"
    whole = fingerprint(header + b"body\r\n\r\nmore\r\n", [])
    assert fingerprint(header, []).header_digest == whole.header_digest


@pytest.mark.parametrize(
    ("account", "segment"),
    [
        ("Me@Example.com", "me@example.com"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "%2E%2E%2E"),
        ("..a", "..a"),
        ("ü", "%C3%BC"),
        ("a b%2Fc", "a%20b%252fc"),
        ("a\n\0?#", "a%0A%00%3F%23"),
    ],
)
def test_account_segments(account: str, segment: str) -> None:
    """An account of any name is one segment of a key, and never one that leads elsewhere."""
    assert account_segment(account) == segment
    check_key(raw_key(account, "2026-01-02", "b", "d"))


@given(one=st.text(min_size=1, max_size=6), other=st.text(min_size=1, max_size=6))
def test_account_segments_are_distinct(one: str, other: str) -> None:
    """Two accounts share a segment only when their names differ in case alone."""
    one, other = (name.encode("utf-8", "replace").decode() for name in (one, other))
    assert (account_segment(one) == account_segment(other)) is (one.lower() == other.lower())


def test_keys() -> None:
    """Keys are those of store format 1, which outlives this version."""
    assert raw_key("me@x.org", "2026-01-02", "b1", "d1") == "mail/me@x.org/2026/01/02/b1/d1.eml"
    assert part_key("me@x.org", "2026-01-02", "b1", "d1") == (
        "mail/me@x.org/2026/01/02/b1/parts/d1"
    )
    assert batch_prefix("me@x.org", "2026-01-02", "b1") == "mail/me@x.org/2026/01/02/b1/"
    assert manifest_key("me@x.org", "w", 12) == "manifests/me@x.org/w/000000000012.jsonl.gz"


HEAD = ManifestHead("me@x.org", "w", 2, "ab" * 32)
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
    ],
    ids=range(12),
)
def test_damaged_manifest(octets: bytes) -> None:
    """Octets that are no manifest raise the one error for that."""
    with pytest.raises(IntegrityError, match="cannot be decoded"):
        read_manifest(octets)


@pytest.mark.parametrize("change", [{"format": 2}, {"requires": ["encryption"]}])
def test_unknown_requirement(change: dict[str, object]) -> None:
    """A manifest that requires what we lack is refused."""
    with pytest.raises(IntegrityError, match="requires"):
        read_manifest(lines({**FIRST, "requires": [], **change}))


def test_unknown_field() -> None:
    """A field that we do not know is no reason to refuse a manifest, and is kept in its record."""
    octets = lines({**FIRST, "requires": [], "later": 1}, {"kind": "archived", "later": 2})
    assert read_manifest(octets) == (
        ManifestHead("a", "w", 1, None),
        [{"kind": "archived", "later": 2}],
    )


def test_format_document() -> None:
    """Our own format document is accepted, also with fields of a later version."""
    check_format(format_document())
    check_format(json.dumps({**json.loads(format_document()), "later": 1}).encode())


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"format": 1, "requires": 5}',
        b'{"format": 1, "requires": ["encryption"]}',
        b'{"format": 2, "requires": []}',
    ],
    ids=range(8),
)
def test_other_format(octets: bytes) -> None:
    """A store that is no archive, or one that this version cannot read, is refused."""
    with pytest.raises(IntegrityError) as caught:
        check_format(octets)
    assert caught.value.hint


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
