"""What a bucket does with objects by itself: lifecycle rules, locks and policies, as plain values.

Pure functions over the answers of the S3 API reference: GetBucketLifecycleConfiguration,
GetObjectLockConfiguration and GetBucketPolicy. Only what concerns the mail of an archive counts: a
rule for ``state/`` alone, or for versions that are no longer current, takes no message away.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from archiver.format import FORMAT_KEY, MAIL_PREFIX

_DELETIONS = ("s3:DeleteObject", "s3:DeleteObjectVersion")
_KEPT = (MAIL_PREFIX, "manifests/", FORMAT_KEY)
_COLD = frozenset(("GLACIER", "DEEP_ARCHIVE"))


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """A rule that is switched on and concerns objects of the archive.

    Attributes:
        name: its id.
        prefix: of the keys that it is for.
        expires: when it removes objects, in words; empty if it does not.
        cold: the storage class, and when, if it moves objects to where they are not readable at
            once; empty if it does not.
    """

    name: str
    prefix: str
    expires: str
    cold: str


@dataclass(frozen=True, slots=True)
class Lock:
    """A bucket's Object Lock; ``mode`` and ``days`` are None where new objects get none of it."""

    mode: str | None = None
    days: int | None = None


def lifecycle_rules(
    rules: Iterable[Mapping[str, Any]], prefix: str, tags: Mapping[str, str]
) -> tuple[LifecycleRule, ...]:
    """The rules that remove objects of an archive, or make them unreadable for the time being.

    Args:
        rules: as the API gives them.
        prefix: where the archive lies in its bucket, with a slash at its end, or empty.
        tags: what its objects are tagged with; a rule for other tags does not concern them.
    """
    found = []
    for rule in rules:
        if rule.get("Status") != "Enabled" or not _concerns(rule, prefix, tags):
            continue
        expires, cold = _expiry(rule.get("Expiration", {})), _cold(rule.get("Transitions", ()))
        if expires or cold:
            found.append(LifecycleRule(rule.get("ID", ""), _prefix(rule), expires, cold))
    return tuple(found)


def lock_of(configuration: Mapping[str, Any]) -> Lock | None:
    """The lock that a configuration describes; None if it is not switched on."""
    if configuration.get("ObjectLockEnabled") != "Enabled":
        return None
    default = configuration.get("Rule", {}).get("DefaultRetention", {})
    days = default.get("Days") or default.get("Years", 0) * 365
    return Lock(default.get("Mode"), days or None)


def denies_deletion(policy: str, resource: str) -> bool:
    """Whether a bucket's policy forbids everybody to delete.

    Args:
        policy: its JSON; what cannot be read denies nothing that we know of.
        resource: the ARN of an object that is to stay.
    """
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return any(
        one.get("Effect") == "Deny"
        and not one.get("Condition")
        and one.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and any(fnmatchcase(resource, pattern) for pattern in _several(one.get("Resource")))
        and _forbids(_several(one.get("Action")))
        for one in _several(statements)
        if isinstance(one, Mapping)
    )


def _forbids(actions: list[Any]) -> bool:
    return all(
        any(fnmatchcase(deletion.lower(), str(action).lower()) for action in actions)
        for deletion in _DELETIONS
    )


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _concerns(rule: Mapping[str, Any], prefix: str, tags: Mapping[str, str]) -> bool:
    condition = rule.get("Filter", {})
    both = condition.get("And", {})
    wanted = [*both.get("Tags", ()), *([condition["Tag"]] if "Tag" in condition else ())]
    if any(tags.get(tag["Key"]) != tag["Value"] for tag in wanted):
        return False
    own = _prefix(rule)
    kept = (f"{prefix}{name}" for name in _KEPT)
    return any(key.startswith(own) or own.startswith(key) for key in kept)


def _prefix(rule: Mapping[str, Any]) -> str:
    condition = rule.get("Filter", {})
    both = condition.get("And", {})
    return str(condition.get("Prefix") or both.get("Prefix") or rule.get("Prefix") or "")


def _expiry(expiration: Mapping[str, Any]) -> str:
    if "Days" in expiration:
        return _after(expiration["Days"])
    return f"on {_day(expiration['Date'])}" if "Date" in expiration else ""


def _cold(transitions: Iterable[Mapping[str, Any]]) -> str:
    for one in transitions:
        if one.get("StorageClass") in _COLD:
            when = f"on {_day(one['Date'])}" if "Date" in one else _after(one.get("Days", 0))
            return f"{one['StorageClass']} {when}"
    return ""


def _after(days: int) -> str:
    return f"after {days} day{'' if days == 1 else 's'}"


def _day(date: datetime | str) -> str:
    return date.strftime("%Y-%m-%d") if isinstance(date, datetime) else str(date)[:10]
