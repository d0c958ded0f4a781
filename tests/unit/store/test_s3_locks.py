"""Locks that are made to last longer: by a real Ceph, unless a test says otherwise."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from s3_helpers import ONE, TYPE, UNGUARDED, opened

from archiver.errors import StoreError
from archiver.store import ObjectMissing, Store
from archiver.store.memory import MemoryStore
from infra.fixtures import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = 86_400.0


@pytest.fixture
def client(ceph_aws: Bucket) -> Iterator["S3Client"]:
    """A client beside the store."""
    made = boto3.client("s3")
    yield made
    made.close()


@pytest.fixture
def locking(ceph_aws: Bucket) -> str:
    """A bucket that can lock."""
    name = f"{ceph_aws.name}-locked"
    ceph_aws.server.make_bucket(name, object_lock=True)
    return name


def store(bucket: str, days: int | None, mode: str | None = "GOVERNANCE") -> Store:
    """A store that locks for so many days."""
    return opened(f"s3://{bucket}/x", lock_mode=mode if days else None, lock_days=days)


def days_left(client: "S3Client", bucket: str, **version: Any) -> float | None:
    """How many days an object is still locked."""
    found = client.head_object(Bucket=bucket, Key="x/mail/a", **version)
    until = found.get("ObjectLockRetainUntilDate")
    return None if until is None else (until - datetime.now(UTC)).total_seconds() / DAY


def is_about(days: float | None, wanted: int) -> bool:
    """Whether a lock lasts so long, give or take what the test itself takes."""
    return days is not None and math.isclose(days, wanted, abs_tol=0.05)


def test_a_lock_that_ends_too_early(client: "S3Client", locking: str) -> None:
    """It lasts as long as a new one afterwards; one that lasts longer is left alone."""
    with store(locking, 2) as short, store(locking, 5) as long:
        short.put("mail/a", ONE, content_type=TYPE)
        assert not short.relock("mail/a")
        assert is_about(days_left(client, locking), 2)
        assert long.relock("mail/a")
        assert is_about(days_left(client, locking), 5)
        assert not short.relock("mail/a")
        assert is_about(days_left(client, locking), 5)


def test_an_object_without_a_lock(client: "S3Client", locking: str) -> None:
    """What was stored before locks were asked for is locked when it is named again."""
    with store(locking, None) as free, store(locking, 3) as locked:
        free.put("mail/a", ONE, content_type=TYPE)
        free.relock("mail/a")
        assert days_left(client, locking) is None
        locked.relock("mail/a")
        assert is_about(days_left(client, locking), 3)
        assert client.head_object(Bucket=locking, Key="x/mail/a")["ObjectLockMode"] == "GOVERNANCE"


def test_the_mode_stays(client: "S3Client", locking: str) -> None:
    """A lock that nobody may lift stays one that nobody may lift."""
    with store(locking, 1, "COMPLIANCE") as strict, store(locking, 3) as mild:
        strict.put("mail/a", ONE, content_type=TYPE)
        mild.relock("mail/a")
        assert is_about(days_left(client, locking), 3)
        assert client.head_object(Bucket=locking, Key="x/mail/a")["ObjectLockMode"] == "COMPLIANCE"


def test_the_version_that_was_stored(client: "S3Client", locking: str) -> None:
    """The version that the archive names is locked, whatever was written over it."""
    with store(locking, 1) as short, store(locking, 4) as long:
        version = short.put("mail/a", ONE, content_type=TYPE).version_id
        client.put_object(Bucket=locking, Key="x/mail/a", Body=b"over it")
        long.relock("mail/a", version)
        assert is_about(days_left(client, locking, VersionId=version), 4)
        assert days_left(client, locking) is None


def test_nothing_there(ceph_aws: Bucket, locking: str) -> None:
    """An object that is gone is told from one that cannot be locked."""
    with store(locking, 1) as locked, pytest.raises(ObjectMissing):
        locked.relock("mail/a")
    with store(ceph_aws.name, None) as free:
        free.put("mail/a", ONE, content_type=TYPE)
    with store(ceph_aws.name, 1) as refused, pytest.raises(StoreError) as caught:
        refused.relock("mail/a")
    assert not isinstance(caught.value, ObjectMissing)


def test_stores_that_lock_nothing() -> None:
    """Where nothing is locked nothing is asked."""
    assert not MemoryStore().relock("mail/a")
    with opened("s3://nowhere", UNGUARDED) as free:
        assert not free.relock("mail/a")
