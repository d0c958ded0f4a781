"""What only S3 can do wrong or well: against a real Ceph, unless a test says otherwise."""

import hashlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import ANY, Stubber
from broken_way import BrokenWay
from s3_helpers import GUARDED, ONE, TYPE, UNGUARDED, opened, port_of

from archiver.errors import KeyTaken, StoreError
from archiver.store import Capabilities, payload_of
from archiver.store import s3 as s3_module
from archiver.store.s3_requests import stat_of
from infra.fixtures import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DIGEST = "0123456789abcdef0123456789abcdef"
PUT_FIELDS = "Bucket Key Body ChecksumAlgorithm ChecksumSHA256 ContentLength ContentMD5 ContentType"
ANY_PUT = dict.fromkeys(PUT_FIELDS.split(), ANY)


@pytest.fixture
def client(ceph_aws: Bucket) -> Iterator["S3Client"]:
    """A client beside the store."""
    with_environment = boto3.client("s3")
    yield with_environment
    with_environment.close()


def test_probe_tells_what_ceph_gives(ceph_aws: Bucket) -> None:
    """This Ceph guards writes, has MD5 ETags, and keeps no checksums."""
    with opened(f"s3://{ceph_aws.name}", None) as store:
        assert store.probe() == GUARDED


def test_probe_leaves_no_version(ceph_aws: Bucket, client: "S3Client") -> None:
    """Where a bucket keeps versions the probe removes those, too, and no marker stays."""
    client.put_bucket_versioning(
        Bucket=ceph_aws.name, VersioningConfiguration={"Status": "Enabled"}
    )
    with opened(f"s3://{ceph_aws.name}/p", None) as store:
        store.probe()
        stat = store.put("a", ONE, content_type=TYPE)
    left = client.list_object_versions(Bucket=ceph_aws.name)
    assert [version["Key"] for version in left["Versions"]] == ["p/a"]
    assert stat.version_id == left["Versions"][0]["VersionId"]
    assert "DeleteMarkers" not in left


def test_lost_answer_to_an_exchange(ceph_aws: Bucket) -> None:
    """An exchange that took place and whose answer was lost is tried again, and is success."""
    with (
        BrokenWay(port_of(ceph_aws), lambda octets: octets.startswith(b"PUT ")) as way,
        opened(f"s3://{ceph_aws.name}", endpoint=way.url) as store,
    ):
        stat = store.exchange("state/a", b"one", expected=None)
        assert way.cuts == 0
        assert stat is not None and stat.etag == ONE.md5.hex()
        assert store.exchange("state/a", b"two", expected=None) is None


def test_unguarded_store_is_asked_first(ceph_aws: Bucket) -> None:
    """Where a server ignores the condition, what is there is looked at before anything is sent."""
    with opened(f"s3://{ceph_aws.name}", UNGUARDED) as store:
        store.put("a", ONE, content_type=TYPE)
        assert store.put("a", ONE, content_type=TYPE).size == 3
        with pytest.raises(KeyTaken):
            store.put("a", payload_of(b"two"), content_type=TYPE)
        assert b"".join(store.read("a")) == b"one"


def test_lost_answer_to_a_write(ceph_aws: Bucket) -> None:
    """A write that took place and whose answer was lost is tried again, and is success."""
    with (
        BrokenWay(port_of(ceph_aws), lambda octets: octets.startswith(b"PUT ")) as way,
        opened(f"s3://{ceph_aws.name}", endpoint=way.url) as store,
    ):
        stat = store.put("a", ONE, content_type=TYPE)
        assert way.cuts == 0
        assert stat.md5 == ONE.md5.hex()
        assert b"".join(store.read("a")) == b"one"


def test_options_reach_the_objects(ceph_aws: Bucket, client: "S3Client") -> None:
    """Lock, hold, tags, class and encryption are on what is archived, and not on ``state/``."""
    name = f"{ceph_aws.name}-locked"
    ceph_aws.server.make_bucket(name, object_lock=True)
    with opened(
        f"s3://{name}",
        None,
        storage_class="STANDARD",
        sse="aws:kms",
        kms_key=ceph_aws.server.kms_key,
        lock_mode="GOVERNANCE",
        lock_days=3,
        legal_hold=True,
        tags=(("kind", "mail & more"),),
    ) as store:
        store.put("mail/a", ONE, content_type=TYPE)
        store.replace("state/a", b"x")
        assert b"".join(store.read("mail/a")) == b"one"
    found = client.head_object(Bucket=name, Key="mail/a")
    assert found["ContentType"] == TYPE
    assert found["ServerSideEncryption"] == "aws:kms"
    assert found["SSEKMSKeyId"] == ceph_aws.server.kms_key
    assert found["ObjectLockMode"] == "GOVERNANCE"
    assert found["ObjectLockLegalHoldStatus"] == "ON"
    locked = found["ObjectLockRetainUntilDate"] - found["LastModified"]
    assert math.isclose(locked.total_seconds(), 3 * 86400, abs_tol=60)
    tags = client.get_object_tagging(Bucket=name, Key="mail/a")["TagSet"]
    assert tags == [{"Key": "kind", "Value": "mail & more"}]
    free = client.head_object(Bucket=name, Key="state/a")
    assert free["ServerSideEncryption"] == "aws:kms"
    assert set(free).isdisjoint(("ObjectLockMode", "ObjectLockLegalHoldStatus"))
    assert client.get_object_tagging(Bucket=name, Key="state/a")["TagSet"] == []


def test_lock_without_a_locking_bucket(ceph_aws: Bucket) -> None:
    """A lock that the bucket cannot give is an error, not an unlocked object."""
    with (
        opened(f"s3://{ceph_aws.name}", lock_mode="GOVERNANCE", lock_days=1) as store,
        pytest.raises(StoreError),
    ):
        store.put("a", ONE, content_type=TYPE)


def test_prefix_is_kept_to(ceph_aws: Bucket) -> None:
    """Two archives in one bucket do not see each other, even if one's name begins the other's."""
    with opened(f"s3://{ceph_aws.name}/one") as one, opened(f"s3://{ceph_aws.name}/one-two") as two:
        two.put("a", ONE, content_type=TYPE)
        assert list(one.list("")) == []
        one.put("b", ONE, content_type=TYPE)
        assert [stat.key for stat in one.list("")] == ["b"]
    with opened(f"s3://{ceph_aws.name}") as whole:
        assert [stat.key for stat in whole.list("")] == ["one-two/a", "one/b"]


def test_conflict_is_tried_again(aws: pytest.MonkeyPatch) -> None:
    """A 409 for a write that met another (AWS; made up here) is tried again until it is settled."""
    aws.setattr(s3_module, "_PAUSES", (0.0, 0.001, 0.001))
    with opened("s3://mail") as store, Stubber(store._client) as stub:
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        stub.add_client_error("head_object", "404", http_status_code=404)
        stub.add_response("list_objects_v2", {})
        stub.add_response("put_object", {"ETag": f'"{ONE.md5.hex()}"'})
        assert store.put("a", ONE, content_type=TYPE).md5 == ONE.md5.hex()
        stub.assert_no_pending_responses()


def test_endless_conflict_is_given_up(aws: pytest.MonkeyPatch) -> None:
    """A key that is always being written and never there (made up here) is given up."""
    aws.setattr(s3_module, "_PAUSES", (0.0, 0.001))
    with opened("s3://mail") as store, Stubber(store._client) as stub:
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        stub.add_client_error("head_object", "404", http_status_code=404)
        stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
        stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stub.add_client_error("head_object", "404", http_status_code=404)
        with pytest.raises(StoreError, match="somebody else"):
            store.put("a", ONE, content_type=TYPE)


@pytest.mark.parametrize("answer", ["overwrites", "not offered"])
def test_probe_of_a_store_that_does_not_guard(aws: pytest.MonkeyPatch, answer: str) -> None:
    """A server that overwrites (rclone), or knows no condition (made up here), is told apart."""
    first, second = payload_of(b"first\n"), payload_of(b"second\n")
    with opened("s3://mail", None) as store, Stubber(store._client) as stub:
        stub.add_response("put_object", {})
        there = second if answer == "overwrites" else first
        if answer == "overwrites":
            stub.add_response("put_object", {})
        else:
            stub.add_client_error("put_object", "NotImplemented", http_status_code=501)
        stub.add_response("head_object", {"ContentLength": 1, "ETag": f'"{there.md5.hex()}"'})
        for _ in range(2 if answer == "overwrites" else 1):
            stub.add_response("delete_object", {})
        assert store.probe() == UNGUARDED
        stub.assert_no_pending_responses()


def test_probe_where_every_object_is_locked(aws: pytest.MonkeyPatch) -> None:
    """Where a version may not be removed (made up here) at least its name is."""
    with opened("s3://mail", None) as store, Stubber(store._client) as stub:
        stub.add_response("put_object", {"VersionId": "1"})
        stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stub.add_response("head_object", {"ContentLength": 1, "ETag": f'"{DIGEST}"'})
        stub.add_response("put_object", {"VersionId": "2"})
        for _ in range(2):
            stub.add_client_error("delete_object", "AccessDenied", http_status_code=403)
            stub.add_response("delete_object", {})
        assert store.probe() == Capabilities(True, False, False, exchange=False)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("answer", ["heeded", "not offered", "always refused"])
def test_probe_for_exchanges(aws: pytest.MonkeyPatch, answer: str) -> None:
    """A server (made up here) guards exchanges if it tells a wrong ETag from the right one."""
    with opened("s3://mail", None) as store, Stubber(store._client) as stub:
        stub.add_response("put_object", {})
        stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stub.add_response("head_object", {"ContentLength": 1, "ETag": f'"{DIGEST}"'})
        if answer == "not offered":
            stub.add_client_error("put_object", "NotImplemented", http_status_code=501)
        else:
            stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        if answer == "heeded":
            stub.add_response("put_object", {}, {**ANY_PUT, "IfMatch": f'"{DIGEST}"'})
            stub.add_response("delete_object", {})
        elif answer == "always refused":
            stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stub.add_response("delete_object", {})
        assert store.probe().exchange is (answer == "heeded")
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("answer", "capabilities", "md5", "sha256"),
    [
        ({"ETag": f'"{DIGEST}"'}, None, DIGEST, None),
        ({"ETag": f'"{DIGEST}-2"'}, None, None, None),
        ({"ETag": f'"{DIGEST}"', "ServerSideEncryption": "aws:kms"}, None, None, None),
        ({"ETag": f'"{DIGEST}"', "ServerSideEncryption": "AES256"}, None, DIGEST, None),
        ({"ETag": f'"{DIGEST}"', "SSECustomerAlgorithm": "AES256"}, None, None, None),
        ({"ETag": f'"{DIGEST}"'}, Capabilities(True, False, False), None, None),
        ({}, None, None, None),
        (
            {"ChecksumSHA256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},
            None,
            None,
            hashlib.sha256(b"hello").hexdigest(),
        ),
        ({"ChecksumSHA256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=-2"}, None, None, None),
        ({"ChecksumSHA256": "c2hvcnQ="}, None, None, None),
    ],
)
def test_digests_that_an_answer_gives(
    answer: dict[str, str], capabilities: Capabilities | None, md5: str | None, sha256: str | None
) -> None:
    """Only a plain MD5 counts as one, and only the digest of the whole object as its SHA-256."""
    stat = stat_of("a", 5, answer, capabilities)
    assert (stat.md5, stat.sha256) == (md5, sha256)
