"""What a message is like, whatever a server does with the ends of its lines."""

import re
from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from archiver.verbs.restore.likeness import Liking, likeness

PIECES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\0", b"bc", b"\x80"]), max_size=30
)


def stored_by_dovecot(octets: bytes) -> bytes:
    """What a maildir of Dovecot gives back, as was seen."""
    plain = re.sub(rb"\r\n", b"\n", octets)
    return re.sub(rb"(?<!\r)\n", b"\r\n", plain).replace(b"\0", b"\x80")


@given(PIECES)
def test_a_stored_message_is_met_again(pieces: list[bytes]) -> None:
    """What comes back is like what was sent, and so long as was expected."""
    sent = b"".join(pieces)
    back = re.sub(rb"\r+\n", b"\r\n", stored_by_dovecot(sent))
    mine, theirs = likeness(BytesIO(sent)), likeness(BytesIO(back))
    assert mine.digest == theirs.digest
    assert len(back) in mine.sizes
    assert len(sent) in mine.sizes
    assert mine.binary == (b"\0" in sent)


@given(PIECES, st.integers(1, 5))
def test_pieces_make_no_difference(pieces: list[bytes], size: int) -> None:
    """However the octets are cut, the likeness is the same."""
    octets = b"".join(pieces)
    liking = Liking()
    for start in range(0, len(octets), size):
        liking.take(octets[start : start + size])
    assert liking.result() == likeness(BytesIO(octets))


def test_other_messages_are_not_alike() -> None:
    """One octet more or less within a line, or another line, makes another message."""
    first = likeness(BytesIO(b"Subject: a\r\n\r\nb\r\n"))
    assert likeness(BytesIO(b"Subject: a\n\nb")).digest == first.digest
    for other in (
        b"Subject: a\r\n\r\nb \r\n",
        b"Subject: a\r\n\r\n\r\nb\r\n",
        b"Subject: a\r\nb\r\n",
    ):
        assert likeness(BytesIO(other)).digest != first.digest
