"""What a bucket says of itself: a real Ceph, unless a test says otherwise."""

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from archiver.config import StoreSettings
from archiver.errors import StoreError, UsageError
from archiver.store.rules import LifecycleRule, Lock
from archiver.store.s3_examination import BucketExamination
from infra.fixtures import Bucket


@pytest.fixture
def client(bucket: Bucket, aws: pytest.MonkeyPatch) -> Any:
    """A client beside the examination."""
    for name, value in bucket.environment.items():
        aws.setenv(name, value)
    made = boto3.client("s3")
    yield made
    made.close()


def examination(bucket: str, **settings: Any) -> BucketExamination:
    """An examination of the prefix ``archive`` of a bucket."""
    return BucketExamination(StoreSettings(f"s3://{bucket}/archive", **settings))


def test_a_bucket_as_it_is_made(client: Any, bucket: Bucket) -> None:
    """A bucket without any settings has nothing to tell."""
    with examination(bucket.name) as made:
        assert made.credentials() == "env"
        reached = made.reach()
        assert (reached.endpoint, reached.region) == (bucket.endpoint_url, "default")
        assert reached.ahead is not None and abs(reached.ahead) < 5
        assert reached.refused is None
        assert (made.versioning(), made.lock(), made.lifecycle()) == ("", None, ())
        assert (made.encryption(), made.denies_deletion()) == ("", False)


def test_a_bucket_with_rules(client: Any, bucket: Bucket) -> None:
    """Versioning, lifecycle and policy are what was set."""
    name = bucket.name
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    rule = {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"Prefix": "archive/mail/"},
        "Expiration": {"Days": 30},
    }
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        "Resource": f"arn:aws:s3:::{name}/archive/mail/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    with examination(name) as made:
        assert made.versioning() == "Enabled"
        assert made.lifecycle() == (LifecycleRule("old", "archive/mail/", "after 30 days", ""),)
        assert made.denies_deletion()


def test_a_bucket_with_a_lock(client: Any, bucket: Bucket) -> None:
    """Object Lock with a default retention is seen as such."""
    name = f"{bucket.name}-locked"
    bucket.server.make_bucket(name, object_lock=True)
    with examination(name) as made:
        assert made.lock() == Lock()
        default = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
        client.put_object_lock_configuration(
            Bucket=name,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": default},
        )
        assert made.lock() == Lock("GOVERNANCE", 3)


def test_a_bucket_that_is_not_there(client: Any, bucket: Bucket) -> None:
    """A missing bucket is told from one that does not let us in."""
    with examination(f"{bucket.name}-none") as made, pytest.raises(StoreError, match="no bucket"):
        made.reach()


def test_a_bucket_that_does_not_let_us_list(client: Any, bucket: Bucket) -> None:
    """A refused listing still shows that the bucket is there, and what the clock says."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{bucket.name}",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    with examination(bucket.name) as made:
        reached = made.reach()
    assert reached.refused is not None
    assert "s3:ListBucket" in reached.refused.hint
    assert reached.ahead is not None


def test_no_credentials(aws: pytest.MonkeyPatch) -> None:
    """Where no credentials are found that is said before anything is asked."""
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    with examination("mail") as made, pytest.raises(StoreError, match="no credentials"):
        made.credentials()


def test_credentials_in_part(aws: pytest.MonkeyPatch) -> None:
    """A key without its secret is told from no key."""
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="incomplete"):
        examination("mail")


def test_a_ca_file_that_is_not_there(aws: pytest.MonkeyPatch) -> None:
    """Settings that cannot be used are named at once."""
    with pytest.raises(UsageError, match="no file none"):
        examination("mail", ca_file="none")


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("NotImplemented", 501, "does not know GetBucketVersioning"),
        ("MethodNotAllowed", 405, "does not know GetBucketVersioning"),
        ("AccessDenied", 403, "does not let us see the settings"),
    ],
)
def test_questions_that_are_not_answered(
    code: str, status: int, words: str, aws: pytest.MonkeyPatch
) -> None:
    """A server that does not know a question (made up here), or forbids it, is told apart."""
    with examination("mail") as made, Stubber(made._client) as stub:
        stub.add_client_error("get_bucket_versioning", code, http_status_code=status)
        with pytest.raises(StoreError, match=words):
            made.versioning()


@pytest.mark.parametrize(
    ("date", "ahead"), [("Thu, 01 Jan 1970 00:00:00 GMT", -100_000), ("soon", None), (None, None)]
)
def test_clocks(date: str | None, ahead: float | None, aws: pytest.MonkeyPatch) -> None:
    """A clock that is wrong is measured, and one that cannot be read (made up here) is not."""
    headers = {} if date is None else {"date": date}
    answer = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": headers}}
    with examination("mail") as made, Stubber(made._client) as stub:
        stub.add_response("list_objects_v2", answer)
        found = made.reach().ahead
    assert found is None if ahead is None else found is not None and found < ahead


def test_default_encryption(aws: pytest.MonkeyPatch) -> None:
    """The kind of encryption that new objects get (made up here: this Ceph has none)."""
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    with examination("mail") as made, Stubber(made._client) as stub:
        stub.add_response(
            "get_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}
        )
        assert made.encryption() == "aws:kms"
