import hashlib
import io
from pathlib import Path

import pytest

from archiver.errors import MessageError
from archiver.store import payload_of, payload_of_slice
from archiver.store.payload import SMALL, checked_body, open_slice


def test_slice_is_a_window(tmp_path: Path) -> None:
    """Positions count from the slice's beginning, and nothing beyond it is read."""
    file = tmp_path / "file"
    file.write_bytes(b"..0123456789..")
    with open_slice(file, 2, 10) as stream:
        assert stream.read(3) == b"012"
        assert stream.tell() == 3
        assert stream.seek(-2, io.SEEK_END) == 8
        assert stream.read() == b"89"
        assert stream.read() == b""
        assert stream.seek(0) == 0
        assert stream.seek(4, io.SEEK_CUR) == 4
        assert stream.read() == b"456789"
        assert stream.seek(50) == 50
        assert stream.read(1) == b""
        with pytest.raises(ValueError, match="before"):
            stream.seek(-1)


def test_payload_opens_again_and_again(tmp_path: Path) -> None:
    """Each opening starts at the first octet, as a retry needs it."""
    file = tmp_path / "file"
    file.write_bytes(b"..octets..")
    digest = hashlib.sha256(b"octets").hexdigest()
    for payload in (payload_of(b"octets"), payload_of_slice(file, 2, 6, digest)):
        for _ in range(2):
            with payload.open() as stream:
                assert stream.read() == b"octets"
        assert payload.length == 6
        assert payload.sha256 == digest
        assert payload.md5 == hashlib.md5(b"octets").digest()


def test_small_bodies_are_held_and_large_ones_are_not(tmp_path: Path) -> None:
    """The border is exact, and both sides of it are checked."""
    for length in (SMALL, SMALL + 1):
        octets = bytes(length)
        body = checked_body(payload_of(octets))
        assert body == (octets if length == SMALL else None)


def test_slice_beyond_the_file(tmp_path: Path) -> None:
    """A slice that the file does not hold, or no file at all, concerns that message only."""
    file = tmp_path / "file"
    file.write_bytes(b"short")
    with pytest.raises(MessageError, match="ends before"):
        payload_of_slice(file, 3, 10, "")
    with pytest.raises(MessageError, match="cannot be read"):
        payload_of_slice(tmp_path / "absent", 0, 1, "")


def test_octets_that_changed_since(tmp_path: Path) -> None:
    """Octets that are not those that were hashed are found before they are stored."""
    file = tmp_path / "file"
    file.write_bytes(b"changed")
    payload = payload_of_slice(file, 0, 7, hashlib.sha256(b"as they were").hexdigest())
    with pytest.raises(MessageError, match="changed"):
        checked_body(payload)
