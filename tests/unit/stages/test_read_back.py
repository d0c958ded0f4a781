"""Copies read back from real stores: what a listing shows, and even HEAD, may be gone."""

from pathlib import Path

import pytest

from archiver.config import StoreSettings
from archiver.model import Copy, Kind, Locator, Proof
from archiver.stages.read_back import read_back
from archiver.store import Store, open_store, payload_of
from infra.fixtures import Bucket


def put(store: Store, octets: bytes) -> Copy:
    """Octets under a key of their own."""
    payload = payload_of(octets)
    key = f"mail/me/{payload.sha256}.eml"
    store.put(key, payload, content_type="message/rfc822")
    return Copy(Kind.RAW, payload.sha256, Locator(key, len(octets)))


def test_octets_that_are_there(tmp_path: Path) -> None:
    """A copy that gives its octets is proven by them."""
    store = open_store(StoreSettings(url=str(tmp_path / "archive")))
    copies = [put(store, b"one"), put(store, b"two")]
    found = read_back(copies, store, checksum=False)
    assert [(copy.digest, copy.proof) for copy in found.proven] == [
        (copy.digest, Proof.READ) for copy in copies
    ]
    assert found.failed == ()


@pytest.mark.parametrize(
    ("octets", "reason"),
    [(b"two", "other octets"), (b"on", "has 2 octets in the store in place of 3")],
)
def test_octets_that_are_others(tmp_path: Path, octets: bytes, reason: str) -> None:
    """Rotten octets and lost ones are no proof, whatever they were before."""
    root = tmp_path / "archive"
    store = open_store(StoreSettings(url=str(root)))
    copy = put(store, b"one")
    (root / copy.locator.key).write_bytes(octets)
    ((failed, said),) = read_back([copy], store, checksum=True).failed
    assert failed is copy
    assert reason in said


def test_head_shows_what_get_does_not_give(
    ceph_aws: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object whose data were lost behind a real gateway is no proof, though HEAD shows it."""
    # The gateway goes silent where it misses data.
    monkeypatch.setattr("archiver.store.s3_client.READ_SECONDS", 2)
    store = open_store(StoreSettings(url=f"s3://{ceph_aws.name}/x"))
    large, small = put(store, b"x" * (5 << 20)), put(store, b"small")
    ceph_aws.server.lose_data(ceph_aws.name, f"x/{large.locator.key}", beyond_head=True)
    stat = store.head(large.locator.key)
    assert stat is not None
    assert stat.size == 5 << 20
    found = read_back([large, small], store, checksum=False)
    assert [copy.digest for copy in found.proven] == [small.digest]
    ((failed, said),) = found.failed
    assert (failed, said) == (large, "cannot be read from the store")
    store.close()
