"""What identifies a message, however its octets arrive."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.format import MessageHash
from archiver.model import Fingerprint

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
