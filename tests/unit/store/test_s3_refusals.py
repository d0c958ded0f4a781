"""What a person is told when S3, or the way to it, refuses: by a real Ceph, unless it says not."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest
from botocore.exceptions import ClientError

from archiver.config import StoreSettings
from archiver.errors import StoreError, UsageError
from archiver.store import Capabilities, ObjectMissing, Store, open_store, payload_of, s3_client
from archiver.store.s3_errors import Doing, explain
from infra.fixtures import Bucket

GUARDED = Capabilities(conditional=True, md5_etag=True, checksum=False)


@pytest.fixture
def settings(bucket: Bucket, aws: pytest.MonkeyPatch) -> StoreSettings:
    """An empty bucket on the real server, without retries."""
    for name, value in bucket.environment.items():
        aws.setenv(name, value)
    aws.setattr(s3_client, "ATTEMPTS", 1)
    return StoreSettings(f"s3://{bucket.name}/archive")


@pytest.fixture
def opened(settings: StoreSettings) -> Iterator[Callable[..., Store]]:
    """Opens stores with some settings changed, and closes them afterwards."""
    stores: list[Store] = []

    def opening(**changes: Any) -> Store:
        changed = replace(settings, **changes)
        stores.append(open_store(changed, capabilities=GUARDED))
        return stores[-1]

    yield opening
    for store in stores:
        store.close()


def every_call(store: Store) -> dict[str, Callable[[], object]]:
    """Each way to ask something of a store."""
    return {
        "probe": store.probe,
        "put": lambda: store.put("a", payload_of(b"x"), content_type="text/plain"),
        "replace": lambda: store.replace("state/a", b"x"),
        "remove": lambda: store.remove("state/a"),
        "list": lambda: list(store.list("")),
        "head": lambda: store.head("a"),
        "read": lambda: list(store.read("a")),
    }


def refused(store: Store, words: str, hint: str, *calls: str) -> None:
    """Checks that these calls, or all, fail with these words in one line, and a hint."""
    for name, call in every_call(store).items():
        if calls and name not in calls:
            continue
        with pytest.raises(StoreError, match=words) as caught:
            call()
        assert hint in caught.value.hint, name
        assert "\n" not in caught.value.message
        assert not isinstance(caught.value, ObjectMissing)


def test_no_such_bucket(opened: Callable[..., Store]) -> None:
    """A missing bucket is never taken for a missing object."""
    refused(opened(url="s3://not-there/archive"), "there is no bucket not-there", "make the bucket")


def test_wrong_access_key(opened: Callable[..., Store], aws: pytest.MonkeyPatch) -> None:
    """The access key is named as what is wrong, also where the answer has no words (HEAD)."""
    aws.setenv("AWS_ACCESS_KEY_ID", "NOBODY")
    refused(opened(), "does not know the access key", "AWS_ACCESS_KEY_ID")


def test_wrong_secret(opened: Callable[..., Store], aws: pytest.MonkeyPatch) -> None:
    """The secret key is named as what is wrong, and not shown."""
    aws.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    refused(opened(), "does not accept the secret key", "AWS_SECRET_ACCESS_KEY")


def test_no_permission(
    opened: Callable[..., Store], bucket: Bucket, aws: pytest.MonkeyPatch
) -> None:
    """What was not allowed is named with its key, and the permission that is missing."""
    key = f"OTHER{bucket.name.upper()}"
    bucket.server.admin(
        "user",
        "create",
        f"--uid=other-{bucket.name}",
        "--display-name=Other",
        f"--access-key={key}",
        "--secret-key=secret",
    )
    aws.setenv("AWS_ACCESS_KEY_ID", key)
    aws.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = opened()
    refused(store, f"let us write s3://{bucket.name}/archive/a", "s3:PutObject", "put")
    refused(store, f"let us list s3://{bucket.name}/archive", "s3:ListBucket", "list")
    refused(store, f"let us read s3://{bucket.name}/archive/a", "s3:GetObject", "head", "read")


def test_clock(opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is an hour off is named as what is wrong."""
    real = datetime.now
    assert hasattr(botocore.auth, "get_current_datetime")
    monkeypatch.setattr(
        botocore.auth,
        "get_current_datetime",
        lambda remove_tzinfo=True: (real(UTC) - timedelta(hours=1)).replace(
            tzinfo=None if remove_tzinfo else UTC
        ),
    )
    refused(opened(), "clock", "set the clock")


def test_nothing_listens(opened: Callable[..., Store]) -> None:
    """A server that is down is told from one that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    refused(opened(endpoint=f"http://127.0.0.1:{port}"), "cannot be reached", "server runs")


def test_unknown_host(opened: Callable[..., Store]) -> None:
    """A host name that does not exist is named as what is wrong."""
    refused(opened(endpoint="http://s3.invalid"), "name in http://s3.invalid", "endpoint", "list")


def test_foreign_authority(opened: Callable[..., Store], bucket: Bucket) -> None:
    """A certificate of an authority that is not known points to the setting for it."""
    refused(opened(endpoint=bucket.tls_endpoint_url), "certificate", "ca_file", "put", "head")


def test_no_tls_there(opened: Callable[..., Store], bucket: Bucket) -> None:
    """TLS to a server that speaks none is named as what is wrong."""
    endpoint = bucket.endpoint_url.replace("http:", "https:")
    refused(opened(endpoint=endpoint), "TLS|secure connection", "", "put", "head")


def test_missing_authority_file(opened: Callable[..., Store], bucket: Bucket) -> None:
    """A CA file that is not there is found before anything is asked."""
    with pytest.raises(UsageError, match="/no/such/file"):
        opened(endpoint=bucket.tls_endpoint_url, ca_file="/no/such/file")


def test_quota(opened: Callable[..., Store], bucket: Bucket) -> None:
    """A used-up quota is told from a missing permission."""
    store = opened()
    admin, name = bucket.server.admin, f"--bucket={bucket.name}"
    store.put("first", payload_of(b"x"), content_type="text/plain")
    admin("quota", "set", "--quota-scope=bucket", "--uid=test", name, "--max-objects=1")
    admin("quota", "enable", "--quota-scope=bucket", "--uid=test", name)
    try:
        refused(store, "quota", "raise it", "put")
    finally:
        admin("quota", "disable", "--quota-scope=bucket", "--uid=test", name)


def test_no_answer(
    opened: Callable[..., Store], bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs is given up after the time-out."""
    monkeypatch.setattr(s3_client, "READ_SECONDS", 0.5)
    store = opened()
    bucket.server.freeze()
    try:
        refused(store, "does not answer in time", "try later", "put")
    finally:
        bucket.server.thaw()


def test_no_credentials(opened: Callable[..., Store], aws: pytest.MonkeyPatch) -> None:
    """Without credentials the person is told where they may come from."""
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="incomplete"):
        opened().head("a")
    aws.delenv("AWS_ACCESS_KEY_ID")
    refused(opened(), "no credentials", "AWS_ACCESS_KEY_ID")


def test_unusable_configuration(opened: Callable[..., Store]) -> None:
    """A profile or an endpoint that cannot be is an error of one line."""
    with pytest.raises(StoreError, match="profile"):
        opened(profile="nobody")
    with pytest.raises(UsageError, match="endpoint"):
        opened(endpoint="localhost:80")


def test_foreign_kms_key(opened: Callable[..., Store]) -> None:
    """What the server says about a case of its own is passed on."""
    store = opened(sse="aws:kms", kms_key="no-such-key")
    refused(store, "kms-keyid: no-such-key", "KMS key", "put")


@pytest.mark.parametrize(
    ("status", "code", "words", "hint"),
    [
        (301, "PermanentRedirect", "another region", "region"),
        (400, "AuthorizationHeaderMalformed", "another region", "region"),
        (400, "ExpiredToken", "session token", "sign in"),
        (403, "InvalidObjectState", "cold storage", "restore"),
        (400, "BadDigest", "did not arrive", "network"),
        (503, "SlowDown", "too busy", "later"),
        (503, "", "too busy", "later"),
        (500, "InternalError", "failed to write", "later"),
        (403, "", "does not let us write", "s3:PutObject"),
        (418, "Teapot", "418 Teapot .short and stout.", "documentation"),
    ],
)
def test_answers_that_this_ceph_does_not_give(
    status: int, code: str, words: str, hint: str
) -> None:
    """Answers of other servers (made up here) are explained as well, in one line."""
    error = ClientError(
        {
            "Error": {"Code": code, "Message": "short\nand stout"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "PutObject",
    )
    doing = Doing("write", "s3:PutObject", "s3://mail/a", "mail", "https://s3.example.com")
    explained = explain(error, doing)
    assert explained.exit_code == 6
    with pytest.raises(StoreError, match=words):
        raise explained
    assert hint in explained.hint
    assert "\n" not in explained.message
