import json
from datetime import UTC, datetime
from typing import Any

import pytest

from archiver.store.rules import LifecycleRule, Lock, denies_deletion, lifecycle_rules, lock_of

DAYS = {"Expiration": {"Days": 30}}
ARN = "arn:aws:s3:::bucket/archive/mail/x"


def rule(**parts: Any) -> dict[str, Any]:
    """A rule that is switched on."""
    return {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, **parts}


def found(*rules: dict[str, Any], **tags: str) -> tuple[LifecycleRule, ...]:
    """What these rules do to an archive below ``archive/``."""
    return lifecycle_rules(rules, "archive/", tags)


@pytest.mark.parametrize(
    "prefix", ["", "a", "archive", "archive/", "archive/mail/someone/", "archive/format.json"]
)
def test_a_rule_over_mail(prefix: str) -> None:
    """A rule whose prefix holds some of the archive takes mail away, old way and new."""
    taken = (LifecycleRule("r", prefix, "after 30 days", ""),)
    assert found(rule(Filter={"Prefix": prefix}, **DAYS)) == taken
    old = {"ID": "r", "Status": "Enabled", "Prefix": prefix, **DAYS}
    assert found(old) == taken
    both = {"And": {"Prefix": prefix, "Tags": [{"Key": "kind", "Value": "mail"}]}}
    assert found(rule(Filter=both, **DAYS), kind="mail") == taken


@pytest.mark.parametrize(
    "harmless",
    [
        rule(Filter={"Prefix": "archive/state/"}, **DAYS),
        rule(Filter={"Prefix": "other/"}, **DAYS),
        rule(Status="Disabled", **DAYS),
        rule(Filter={"Tag": {"Key": "kind", "Value": "log"}}, **DAYS),
        rule(NoncurrentVersionExpiration={"NoncurrentDays": 1}),
        rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}),
        rule(Expiration={"ExpiredObjectDeleteMarker": True}),
        rule(Transitions=[{"Days": 1, "StorageClass": "STANDARD_IA"}]),
    ],
)
def test_a_rule_that_takes_no_mail(harmless: dict[str, Any]) -> None:
    """Rules for other objects, for old versions, or for another class take nothing away."""
    assert found(harmless, kind="mail") == ()


def test_when_a_rule_expires_and_moves() -> None:
    """Dates and cold classes are put into words."""
    day = datetime(2030, 1, 2, tzinfo=UTC)
    (one,) = found(rule(Expiration={"Date": day}))
    assert one.expires == "on 2030-01-02"
    (two,) = found(rule(Transitions=[{"Days": 90, "StorageClass": "DEEP_ARCHIVE"}]))
    assert (two.expires, two.cold) == ("", "DEEP_ARCHIVE after 90 days")
    (three,) = found(rule(Transitions=[{"Date": "2030-01-02T00:00", "StorageClass": "GLACIER"}]))
    assert three.cold == "GLACIER on 2030-01-02"


def test_locks() -> None:
    """No lock, a lock without a default, and defaults in days and years."""
    assert lock_of({}) is None
    assert lock_of({"ObjectLockEnabled": "Enabled"}) == Lock()
    for period, days in (({"Days": 3}, 3), ({"Years": 2}, 730)):
        default = {"DefaultRetention": {"Mode": "COMPLIANCE", **period}}
        locked = lock_of({"ObjectLockEnabled": "Enabled", "Rule": default})
        assert locked == Lock("COMPLIANCE", days)


def policy(**parts: Any) -> str:
    """A policy of one statement that forbids everybody to delete mail."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject*",
        "Resource": "arn:aws:s3:::bucket/archive/mail/*",
        **parts,
    }
    return json.dumps({"Statement": [statement]})


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"Principal": {"AWS": "*"}},
        {"Action": ["s3:PutObject", "s3:*"], "Resource": ["*"]},
        {"Action": ["s3:deleteobject", "s3:DeleteObjectVersion"]},
    ],
)
def test_a_policy_that_forbids_deletion(parts: dict[str, Any]) -> None:
    """A denial to everybody, of both ways to delete, for mail, counts."""
    assert denies_deletion(policy(**parts), ARN)


@pytest.mark.parametrize(
    "parts",
    [
        {"Effect": "Allow"},
        {"Principal": {"AWS": "arn:aws:iam::1:user/someone"}},
        {"Action": "s3:DeleteObject"},
        {"Action": None},
        {"Resource": "arn:aws:s3:::bucket/archive/state/*"},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ],
)
def test_a_policy_that_does_not(parts: dict[str, Any]) -> None:
    """A denial to some, of some, elsewhere or under conditions does not."""
    assert not denies_deletion(policy(**parts), ARN)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"Statement": ["x", 1]}', "[" * 99_999])
def test_a_policy_that_cannot_be_read(text: str) -> None:
    """What cannot be read forbids nothing that we know of."""
    assert not denies_deletion(text, ARN)
