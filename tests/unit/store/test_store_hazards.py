"""What a store might do with mail by itself: told by a real Ceph, unless a test says otherwise."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from archiver.config import StoreSettings
from archiver.errors import StoreError
from archiver.store import Hazard, hazards, s3_client, s3_examination
from infra.fixtures import Bucket

DAYS = {"Expiration": {"Days": 30}}


@pytest.fixture
def client(ceph_aws: Bucket) -> Iterator[Any]:
    """A client beside the question."""
    made = boto3.client("s3")
    yield made
    made.close()


def asked(bucket: Bucket) -> tuple[Hazard, ...]:
    """The hazards of an archive below ``archive/`` of a bucket."""
    return hazards(StoreSettings(f"s3://{bucket.name}/archive"))


def rule(prefix: str, status: str = "Enabled", **parts: Any) -> dict[str, Any]:
    """A lifecycle rule."""
    return {"ID": "old", "Status": status, "Filter": {"Prefix": prefix}, **(parts or DAYS)}


def set_rules(client: Any, bucket: Bucket, *rules: dict[str, Any]) -> None:
    """Gives the bucket these rules."""
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name, LifecycleConfiguration={"Rules": list(rules)}
    )


@pytest.mark.parametrize("url", ["memory://x", "/srv/archive", "file:///srv/archive"])
def test_stores_without_rules(url: str) -> None:
    """A directory does nothing by itself, and is not even looked at."""
    assert hazards(StoreSettings(url)) == ()


@pytest.mark.parametrize("prefix", ["", "archive/", "archive/mail/someone/", "archive/manifests/"])
def test_a_rule_over_the_archive(client: Any, ceph_aws: Bucket, prefix: str) -> None:
    """A rule that deletes some of the archive is named, with when and what to do."""
    set_rules(client, ceph_aws, rule(prefix))
    (found,) = asked(ceph_aws)
    assert found.line == "the rule 'old' deletes mail after 30 days"
    assert "take the rule away" in found.hint


def test_rules_that_leave_mail_alone(client: Any, ceph_aws: Bucket) -> None:
    """No rules, and rules for other objects, for ``state/``, or switched off, are no hazards."""
    assert asked(ceph_aws) == ()
    set_rules(
        client,
        ceph_aws,
        {**rule("archives/"), "ID": "a"},
        {**rule("archive/state/"), "ID": "b"},
        {**rule("archive/", "Disabled"), "ID": "c"},
        {**rule("archive/", NoncurrentVersionExpiration={"NoncurrentDays": 1}), "ID": "d"},
    )
    assert asked(ceph_aws) == ()


def test_several_rules(client: Any, ceph_aws: Bucket) -> None:
    """Each rule over the archive is a hazard of its own."""
    names = ("archive/mail/a/", "archive/mail/b/", "other/")
    set_rules(client, ceph_aws, *({**rule(name), "ID": name} for name in names))
    first, second = asked(ceph_aws)
    assert "rule 'archive/mail/a/' " in first.line
    assert "rule 'archive/mail/b/' " in second.line


def test_rules_that_may_not_be_read(client: Any, ceph_aws: Bucket) -> None:
    """Rules that are kept from us may be hazards, so that is one; the permission is named."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetLifecycleConfiguration",
        "Resource": f"arn:aws:s3:::{ceph_aws.name}",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=ceph_aws.name, Policy=json.dumps(policy))
    (found,) = asked(ceph_aws)
    assert f"s3://{ceph_aws.name}/archive" in found.line
    assert "is not known" in found.line
    assert "s3:GetLifecycleConfiguration" in found.hint


def answering(aws: pytest.MonkeyPatch, answer: dict[str, Any] | tuple[str, int]) -> None:
    """Has the next question answered as a server might (made up)."""
    real = s3_client.make_client

    def make(*arguments: Any) -> Any:
        client = real(*arguments)
        stub = Stubber(client)
        name = "get_bucket_lifecycle_configuration"
        if isinstance(answer, tuple):
            stub.add_client_error(name, answer[0], http_status_code=answer[1])
        else:
            stub.add_response(name, answer)
        stub.activate()
        return client

    aws.setattr(s3_examination, "make_client", make)


def test_cold_storage(aws: pytest.MonkeyPatch) -> None:
    """Mail that is moved to where it cannot be read at once (made up here) is a hazard."""
    moves = rule("", Transitions=[{"Days": 90, "StorageClass": "DEEP_ARCHIVE"}])
    answering(aws, {"Rules": [moves]})
    (found,) = hazards(StoreSettings("s3://mail"))
    assert found.line == "the rule 'old' moves mail to DEEP_ARCHIVE after 90 days"
    assert "restored" in found.hint


@pytest.mark.parametrize(
    ("code", "status"), [("NotImplemented", 501), ("MethodNotAllowed", 405), ("", 501)]
)
def test_servers_that_do_not_know_the_question(
    aws: pytest.MonkeyPatch, code: str, status: int
) -> None:
    """A server that cannot be asked (made up here) may delete all the same."""
    answering(aws, (code, status))
    (found,) = hazards(StoreSettings("s3://mail"))
    assert "does not know GetLifecycleConfiguration" in found.line
    assert found.hint


def test_a_server_without_rules(aws: pytest.MonkeyPatch) -> None:
    """A server that says it has no rules (made up here) has no hazards."""
    answering(aws, ("NoSuchLifecycleConfiguration", 404))
    assert hazards(StoreSettings("s3://mail")) == ()


def test_a_store_that_cannot_be_asked(ceph_aws: Bucket, aws: pytest.MonkeyPatch) -> None:
    """A missing bucket and a server that is busy (made up here) are errors, and no hazards."""
    with pytest.raises(StoreError, match="no bucket"):
        hazards(StoreSettings(f"s3://{ceph_aws.name}-none"))
    answering(aws, ("SlowDown", 503))
    with pytest.raises(StoreError, match="too busy"):
        hazards(StoreSettings("s3://mail"))


def test_the_question_can_be_named_without_boto3() -> None:
    """The main process hears of hazards without importing what asks for them."""
    code = (
        "import sys; from archiver.store import Hazard; from archiver.workers import Hazards;"
        "assert not {'boto3', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
