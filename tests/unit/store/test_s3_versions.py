"""What a bucket tells of versions: a real Ceph, unless a test says otherwise."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber
from s3_helpers import ONE, TYPE, opened

from archiver.errors import StoreError
from archiver.store import ObjectMissing
from infra.fixtures import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def client(ceph_aws: Bucket) -> Iterator["S3Client"]:
    """A client beside the store."""
    with_environment = boto3.client("s3")
    yield with_environment
    with_environment.close()


def test_versions_of_a_bucket_that_keeps_them(ceph_aws: Bucket, client: "S3Client") -> None:
    """Every version and delete marker is told, the newest of each key first."""
    name = ceph_aws.name
    with opened(f"s3://{name}/p") as store:
        store.put("a", ONE, content_type=TYPE)
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        client.put_object(Bucket=name, Key="other/a", Body=b"x")
        second = store.replace("state/b", b"1")
        third = store.replace("state/b", b"22")
        store.remove("state/b")
        client.delete_object(Bucket=name, Key="p/a")
        found = list(store.versions(""))
        assert list(store.list("")) == []
        assert [(one.key, one.size, one.is_delete_marker) for one in found] == [
            ("a", 0, True),
            ("a", 3, False),
            ("state/b", 0, True),
            ("state/b", 2, False),
            ("state/b", 1, False),
        ]
        assert [one.is_latest for one in found] == [True, False, True, False, False]
        ids = [one.version_id for one in found]
        assert ids[3:] == [third.version_id, second.version_id]
        assert ids[1] == "null"
        assert len(set(ids)) == 5
        assert found[1].etag == ONE.md5.hex()
        # What is hidden or written over can be read by its version, and other versions not.
        assert b"".join(store.read("a", version_id="null")) == b"one"
        assert b"".join(store.read("state/b", version_id=second.version_id)) == b"1"
        assert b"".join(store.read("state/b", offset=1, version_id=third.version_id)) == b"2"
        with pytest.raises(ObjectMissing):
            list(store.read("a"))
        with pytest.raises(ObjectMissing):
            list(store.read("a", version_id=second.version_id))
        # Whoever takes the delete marker away has the object back.
        client.delete_object(Bucket=name, Key="p/a", VersionId=str(ids[0]))
        (back,) = store.versions("a")
        assert (back.version_id, back.is_latest) == (None, True)
        assert b"".join(store.read("a")) == b"one"


def test_versions_go_beyond_a_page(ceph_aws: Bucket, client: "S3Client") -> None:
    """More versions of one key than the 1,000 of a page are told, each once and in order."""
    client.put_bucket_versioning(
        Bucket=ceph_aws.name, VersioningConfiguration={"Status": "Enabled"}
    )
    with opened(f"s3://{ceph_aws.name}/p") as store:
        written = [store.replace("state/a", b"%d" % n).version_id for n in range(1005)]
        store.replace("state/b", b"x")
        found = list(store.versions("state/"))
    assert [one.version_id for one in found[:-1]] == written[::-1]
    assert [one.is_latest for one in found] == [True, *[False] * 1004, True]


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 501), ("MethodNotAllowed", 405)])
def test_server_that_knows_no_versions(aws: pytest.MonkeyPatch, code: str, status: int) -> None:
    """A server that does not know the question (made up here) keeps no versions."""
    with opened("s3://mail") as store, Stubber(store._client) as stub:
        stub.add_client_error("list_object_versions", code, http_status_code=status)
        stub.add_response("list_objects_v2", {"Contents": [{"Key": "a", "Size": 3}]})
        (found,) = store.versions("")
    assert (found.key, found.size, found.version_id, found.is_latest) == ("a", 3, None, True)


def test_versions_that_may_not_be_seen(aws: pytest.MonkeyPatch) -> None:
    """A refusal (made up here) names the permission that is missing."""
    with opened("s3://mail") as store, Stubber(store._client) as stub:
        stub.add_client_error("list_object_versions", "AccessDenied", http_status_code=403)
        with pytest.raises(StoreError, match="list the versions of") as caught:
            list(store.versions(""))
    assert "s3:ListBucketVersions" in caught.value.hint
