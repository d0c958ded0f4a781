import hashlib
import resource
from pathlib import Path

import pytest

from archiver.config import StoreSettings
from archiver.errors import IntegrityError, LocalDiskError
from archiver.index import Location
from archiver.ledger.unread import Spooled
from archiver.state import StatePaths
from archiver.verbs.stored import Source, StoredMessages, stored_messages

OCTETS = b"From: a@example.com\r\n\r\nbody \xff\r\n"
DIGEST = hashlib.sha256(OCTETS).hexdigest()


def read(tmp_path: Path, *keys: str, spooled: tuple[Spooled, ...] = ()) -> bytes:
    """The octets of a message that lies there."""
    paths = StatePaths(tmp_path / "state")
    places = tuple(Location("me", key, 0, len(OCTETS)) for key in keys)
    source = Source(DIGEST, len(OCTETS), spooled, places)
    with stored_messages(StoreSettings(url=str(tmp_path / "store")), paths) as stored:
        assert isinstance(stored, StoredMessages)
        with stored.read(source) as stream:
            return stream.read()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A directory that is a store."""
    place = tmp_path / "store" / "mail"
    place.mkdir(parents=True)
    (tmp_path / "state").mkdir()
    return place


def test_from_the_store(tmp_path: Path, store: Path) -> None:
    """What lies in the store comes as it is."""
    (store / "good").write_bytes(OCTETS)
    assert read(tmp_path, "mail/good") == OCTETS


def test_from_another_place(tmp_path: Path, store: Path) -> None:
    """Where one account's object is missing and another's is damaged, the third's is given."""
    (store / "bad").write_bytes(OCTETS[:-1] + b"X")
    (store / "good").write_bytes(OCTETS)
    assert read(tmp_path, "mail/none", "mail/bad", "mail/good") == OCTETS


def test_from_the_spool(tmp_path: Path, store: Path) -> None:
    """What has not left the spool comes from there, and the store is not needed."""
    (tmp_path / "state" / "spool").mkdir()
    (tmp_path / "state" / "spool" / "segment").write_bytes(b"other" + OCTETS + b"more")
    assert read(tmp_path, "mail/none", spooled=(Spooled("segment", 5),)) == OCTETS


def test_gone_from_the_spool(tmp_path: Path, store: Path) -> None:
    """What has just left the spool comes from the store."""
    (store / "good").write_bytes(OCTETS)
    assert read(tmp_path, "mail/good", spooled=(Spooled("segment", 5),)) == OCTETS


@pytest.mark.parametrize("octets", [None, OCTETS[:-1], b""])
def test_damage_does_not_go_out(tmp_path: Path, store: Path, octets: bytes | None) -> None:
    """Octets that are not those that were archived are an error, which names the object."""
    if octets is not None:
        (store / "bad").write_bytes(octets)
    with pytest.raises(IntegrityError, match="mail/bad") as error:
        read(tmp_path, "mail/bad")
    assert error.value.exit_code == 7
    assert DIGEST in error.value.message


def test_no_room_for_a_copy(tmp_path: Path, store: Path) -> None:
    """Where a large message cannot be copied aside, that is said, and nothing goes out."""
    octets = b"x" * (9 << 20)
    (store / "large").write_bytes(octets)
    paths, place = StatePaths(tmp_path / "state"), Location("me", "mail/large", 0, len(octets))
    source = Source(hashlib.sha256(octets).hexdigest(), len(octets), (), (place,))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with stored_messages(StoreSettings(url=str(tmp_path / "store")), paths) as stored:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6 << 20, before[1]))
        try:
            with pytest.raises(LocalDiskError, match="no temporary copy"), stored.read(source):
                pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
