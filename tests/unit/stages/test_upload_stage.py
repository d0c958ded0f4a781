import hashlib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from archiver.errors import IntegrityError, KeyTaken, LocalDiskError, StoreError
from archiver.extract import Extractor
from archiver.format import MessageHash, batch_prefix, part_key, raw_key
from archiver.model import Batch, Kind, Mail, Payload, Proof, SpooledMessage, UnreadMessage
from archiver.stages.index import read_unread
from archiver.stages.upload import Uploaded, upload
from archiver.stages.verify import verify
from archiver.store import Capabilities, Stat, Store, payload_of
from archiver.store.memory import MemoryStore
from infra.faulty_store import Fault, FaultyStore, puts

DAY, NAME, ACCOUNT = "2026-01-02", "b1", "me"
PREFIX = batch_prefix(ACCOUNT, DAY, NAME)
SMALL_PART = b"small part"
LARGE_PART = bytes(range(256)) * 8192


def message(word: str, *parts: bytes) -> bytes:
    """A message with these attachments."""
    made = EmailMessage()
    made["Message-ID"] = f"<{word}@example.com>"
    made["Subject"] = word
    made.set_content(f"text of {word}\n")
    for number, part in enumerate(parts):
        made.add_attachment(part, "application", "pdf", filename=f"{number}.pdf")
    return made.as_bytes().replace(b"\n", b"\r\n")


def sha(octets: bytes) -> str:
    """The digest of octets."""
    return hashlib.sha256(octets).hexdigest()


def batch_of(directory: Path, *messages: bytes) -> Batch:
    """A batch in the spool."""
    spooled, offset = [], 0
    for row, octets in enumerate(messages):
        hashed = MessageHash()
        hashed.update(octets)
        found = hashed.result()
        spooled.append(
            SpooledMessage(
                row, f"u{row}", None, found.digest, found.header_digest, offset, len(octets), 1e9
            )
        )
        offset += len(octets)
    (directory / "x.seg").write_bytes(b"".join(messages))
    return Batch(NAME, ACCOUNT, DAY, "x.seg", tuple(spooled))


def put(
    batch: Batch,
    directory: Path,
    store: Store,
    *,
    claim: Callable[[str], bool] = lambda digest: True,
    header_only: frozenset[str] = frozenset(),
) -> tuple[Uploaded, list[Mail]]:
    """Uploads a batch; gives what came of it and what was read."""
    read: list[Mail] = []
    done = upload(
        batch,
        directory / batch.segment,
        store,
        claim=claim,
        read=read.append,
        header_only=header_only,
    )
    return done, read


def held(store: Store) -> dict[str, bytes]:
    """Every object of a store."""
    return {stat.key: b"".join(store.read(stat.key)) for stat in store.list("")}


def test_messages_and_parts(tmp_path: Path) -> None:
    """Raw octets and decoded parts lie under the keys of the format, with all that is known."""
    first, second = message("one", SMALL_PART), message("two")
    batch, store = batch_of(tmp_path, first, second), MemoryStore()
    done, read = put(batch, tmp_path, store)
    assert held(store) == {
        raw_key(ACCOUNT, DAY, NAME, sha(first)): first,
        raw_key(ACCOUNT, DAY, NAME, sha(second)): second,
        part_key(ACCOUNT, DAY, NAME, sha(SMALL_PART)): SMALL_PART,
    }
    assert done.parts == {sha(first): (sha(SMALL_PART),), sha(second): ()}
    assert done.failed == {}
    assert {(copy.kind, copy.digest) for copy in done.copies} == {
        (Kind.RAW, sha(first)),
        (Kind.RAW, sha(second)),
        (Kind.PART, sha(SMALL_PART)),
    }
    assert all(copy.proof is None and copy.locator.etag for copy in done.copies)
    assert [mail.subject for mail in read] == ["one", "two"]


def test_parts_once(tmp_path: Path) -> None:
    """A part is put only where the claim is granted, and named by its message in any case."""
    first, second = message("one", SMALL_PART), message("two", SMALL_PART)
    asked: list[str] = []

    def claim(digest: str) -> bool:
        asked.append(digest)
        return len(asked) == 1

    store = FaultyStore(MemoryStore(), {}, puts)
    done, _ = put(batch_of(tmp_path, first, second), tmp_path, store, claim=claim)
    assert asked == [sha(SMALL_PART)] * 2
    assert len(store.calls) == 3
    assert done.parts == {sha(first): (sha(SMALL_PART),), sha(second): (sha(SMALL_PART),)}


def test_large_part(tmp_path: Path) -> None:
    """A large part goes through a temporary file, which is gone when it is stored."""
    batch, store = batch_of(tmp_path, message("one", LARGE_PART)), MemoryStore()
    seen: list[int] = []

    def claim(digest: str) -> bool:
        seen.append(len(list(tmp_path.glob("part-*.tmp"))))
        return True

    put(batch, tmp_path, store, claim=claim)
    assert seen == [1]
    assert held(store)[part_key(ACCOUNT, DAY, NAME, sha(LARGE_PART))] == LARGE_PART
    assert list(tmp_path.iterdir()) == [tmp_path / "x.seg"]


def test_large_part_of_somebody_else(tmp_path: Path) -> None:
    """A large part that another batch puts leaves no file behind."""
    batch = batch_of(tmp_path, message("one", LARGE_PART))
    put(batch, tmp_path, MemoryStore(), claim=lambda digest: False)
    assert list(tmp_path.iterdir()) == [tmp_path / "x.seg"]


def test_no_room_for_a_large_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room for a large part is said so in one line."""
    batch = batch_of(tmp_path, message("one", LARGE_PART))
    monkeypatch.setattr("secrets.token_hex", lambda length: "missing/directory")
    with pytest.raises(LocalDiskError, match="decoded part"):
        put(batch, tmp_path, MemoryStore())


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
def test_store_fails(tmp_path: Path, fault: Fault) -> None:
    """A store that fails ends the batch, and a second try stores all of it."""
    messages = [message(str(number), LARGE_PART + b"%d" % number) for number in range(4)]
    batch, inner = batch_of(tmp_path, *messages), MemoryStore()
    with pytest.raises(StoreError):
        put(batch, tmp_path, FaultyStore(inner, {3: fault}, puts))
    assert list(tmp_path.iterdir()) == [tmp_path / "x.seg"]
    done, _ = put(batch, tmp_path, inner)
    assert len(done.copies) == len(held(inner)) == 8


class Taken(MemoryStore):
    """A store in which a message's key is taken by other octets, and one that acknowledges them."""

    bad = ""
    lies = False

    def put(self, key: str, payload: Payload, *, content_type: str) -> Stat:
        """As always, but for one object."""
        if self.bad not in key:
            return super().put(key, payload, content_type=content_type)
        if self.lies:
            return Stat(key, payload.length, md5="0" * 32)
        raise KeyTaken("other octets")


@pytest.mark.parametrize("lies", [False, True])
def test_one_message_fails(tmp_path: Path, lies: bool) -> None:
    """A message that cannot be stored fails alone, with the reason."""
    first, second = message("one"), message("two")
    store = Taken()
    store.bad, store.lies = sha(first), lies
    done, _ = put(batch_of(tmp_path, first, second), tmp_path, store)
    assert done.failed.keys() == {sha(first)}
    assert "other octets" in done.failed[sha(first)]
    assert [copy.digest for copy in done.copies] == [sha(second)]


def test_a_part_fails_all_that_have_it(tmp_path: Path) -> None:
    """Where a part cannot be stored, every message of the batch that has it fails, no other."""
    one, two = message("one", SMALL_PART), message("two", SMALL_PART)
    store = Taken()
    store.bad = sha(SMALL_PART)
    grants = iter((True, False))
    batch = batch_of(tmp_path, one, message("three"), two)
    done, _ = put(batch, tmp_path, store, claim=lambda digest: next(grants))
    assert done.failed.keys() == {sha(one), sha(two)}


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_octets_changed_in_the_spool(tmp_path: Path, size: int) -> None:
    """A message whose octets rotted in the spool fails alone and is not stored."""
    first, second = message("one"), b"Subject: two\r\n\r\n" + b"x" * size
    batch = batch_of(tmp_path, first, second)
    (tmp_path / "x.seg").write_bytes(first + second[:-1] + b"y")
    done, _ = put(batch, tmp_path, MemoryStore())
    assert done.failed.keys() == {sha(second)}


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_segment_cut_short(tmp_path: Path, size: int) -> None:
    """A message whose octets are cut short in the spool fails alone and is not stored."""
    first, second = message("one"), b"Subject: two\r\n\r\n" + b"x" * size
    batch = batch_of(tmp_path, first, second)
    (tmp_path / "x.seg").write_bytes(first + second[:-1])
    store = MemoryStore()
    done, _ = put(batch, tmp_path, store)
    assert done.failed.keys() == {sha(second)}
    assert list(held(store)) == [raw_key(ACCOUNT, DAY, NAME, sha(first))]


def test_header_only(tmp_path: Path) -> None:
    """A message that broke a reader before is stored all the same, with its header fields read."""
    octets = message("one", SMALL_PART)
    batch, store = batch_of(tmp_path, octets), MemoryStore()
    done, (mail,) = put(batch, tmp_path, store, header_only=frozenset({sha(octets)}))
    assert held(store) == {raw_key(ACCOUNT, DAY, NAME, sha(octets)): octets}
    assert done.parts == {sha(octets): ()}
    assert (mail.subject, mail.text, mail.defects) == ("one", "", ("body-not-read",))


CAPABILITIES = {
    Proof.LISTED: Capabilities(conditional=True, md5_etag=True, checksum=True),
    Proof.CHECKSUM: Capabilities(conditional=True, md5_etag=False, checksum=True),
    Proof.READ: Capabilities(conditional=True, md5_etag=False, checksum=False),
}


class Plain(MemoryStore):
    """A store that names of an object no more than its capabilities say."""

    def list(self, prefix: str):  # type: ignore[no-untyped-def]  # the words of the base class
        """Without MD5 where the ETag is none."""
        for stat in super().list(prefix):
            md5 = stat.md5 if self.capabilities and self.capabilities.md5_etag else None
            yield Stat(stat.key, stat.size, stat.etag if md5 else "opaque", md5)


@pytest.mark.parametrize("proof", Proof)
def test_proofs(tmp_path: Path, proof: Proof) -> None:
    """Each store proves what it can: by its listing, by its checksums, or by being read."""
    store = Plain(capabilities=CAPABILITIES[proof])
    done, _ = put(batch_of(tmp_path, message("one", SMALL_PART)), tmp_path, store)
    verified = verify(PREFIX, done.copies, store)
    assert [copy.proof for copy in verified.proven] == [proof, proof]
    assert verified.missing == ()


@pytest.mark.parametrize("proof", Proof)
@pytest.mark.parametrize("fault", [Fault.LOST, Fault.ROTTEN])
def test_no_proof(tmp_path: Path, proof: Proof, fault: Fault) -> None:
    """What the store lost or holds with other octets is missing, however it is looked at."""
    inner = Plain(capabilities=CAPABILITIES[proof])
    done, _ = put(
        batch_of(tmp_path, message("one")), tmp_path, FaultyStore(inner, {1: fault}, puts)
    )
    verified = verify(PREFIX, done.copies, inner)
    assert (verified.proven, verified.missing) == ((), done.copies)


def test_cut_short_in_the_store(tmp_path: Path) -> None:
    """An object of another size is missing."""
    octets = message("one")
    done, _ = put(batch_of(tmp_path, octets), tmp_path, MemoryStore())
    other = MemoryStore()
    other.put(done.copies[0].locator.key, payload_of(octets[:-1]), content_type="x/y")
    assert verify(PREFIX, done.copies, other).missing == done.copies


def test_nothing_to_verify() -> None:
    """Nothing is asked where there is nothing to prove."""

    class Closed(MemoryStore):
        def list(self, prefix: str):  # type: ignore[no-untyped-def]  # it is not to be called
            """Fails."""
            raise AssertionError

    assert verify(PREFIX, (), Closed()).proven == ()


def unread(octets: bytes, segment: str, offset: int = 0) -> UnreadMessage:
    """A message that the index lacks."""
    digest = sha(octets)
    key = raw_key(ACCOUNT, DAY, NAME, digest)
    return UnreadMessage(ACCOUNT, digest, digest, len(octets), 1e9, key, segment, offset)


@pytest.mark.parametrize("segment", ["x.seg", "gone.seg", ""])
def test_read_from_spool_or_store(tmp_path: Path, segment: str) -> None:
    """A message is read from the spool while it is there, and from the store when it is not."""
    octets = message("one")
    (tmp_path / "x.seg").write_bytes(b"before" + octets)
    store = MemoryStore()
    if segment != "x.seg":
        put(batch_of(tmp_path, octets), tmp_path, store)
    entry, location = read_unread(unread(octets, segment, 6), tmp_path, store, Extractor(tmp_path))
    assert (entry.digest.hex(), entry.subject) == (sha(octets), "one")
    assert (location.account, location.key) == (ACCOUNT, raw_key(ACCOUNT, DAY, NAME, sha(octets)))


def test_index_refuses_other_octets(tmp_path: Path) -> None:
    """What the store holds is read for the index only when it is what was archived."""
    octets, store = message("one"), MemoryStore()
    wanted = unread(octets, "")
    store.put(wanted.key, payload_of(message("two")), content_type="x/y")
    with pytest.raises(IntegrityError, match="not the message"):
        read_unread(wanted, tmp_path, store, Extractor(tmp_path))


def test_index_without_object(tmp_path: Path) -> None:
    """A message that is nowhere is the store's failure."""
    with pytest.raises(StoreError):
        read_unread(unread(message("one"), ""), tmp_path, MemoryStore(), Extractor(tmp_path))
