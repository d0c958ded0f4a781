"""Single values of records, taken from JSON that anybody may have written.

Each function raises ValueError for what a ledger could not keep, and that says which field it was;
the reader of the record says which record.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_DIGEST = re.compile("[0-9a-f]{64}")
_LARGEST = 1 << 63


def time_text(seconds: float) -> str:
    """A time in UTC, in whole seconds (RFC 3339 section 5.6)."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def text_in(record: Mapping[str, Any], name: str) -> str:
    """A text that can be written as UTF-8."""
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name} is no text") from None
    return value


def optional_text_in(record: Mapping[str, Any], name: str) -> str | None:
    """A text, or None; also where the field is missing, which older writers did not know."""
    return None if record.get(name) is None else text_in(record, name)


def count_in(record: Mapping[str, Any], name: str) -> int:
    """A whole number, not negative."""
    value = record.get(name)
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError(f"{name} is no number")
    return value


def optional_count_in(record: Mapping[str, Any], name: str) -> int | None:
    """A whole number that is not negative, or None; also where the field is missing."""
    return None if record.get(name) is None else count_in(record, name)


def digest_in(record: Mapping[str, Any], name: str) -> str:
    """A SHA-256 in lower-case hex."""
    value = record.get(name)
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(f"{name} is no digest")
    return value


def optional_digest_in(record: Mapping[str, Any], name: str) -> str | None:
    """A digest, or None; also where the field is missing."""
    return None if record.get(name) is None else digest_in(record, name)


def flag_in(record: Mapping[str, Any], name: str) -> bool | None:
    """True, False or None for not known; also where the field is missing."""
    value = record.get(name)
    if value is not None and type(value) is not bool:
        raise ValueError(f"{name} is neither true nor false")
    return value


def time_in(record: Mapping[str, Any], name: str) -> int | None:
    """A time in seconds since the epoch, or None; also where the field is missing."""
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name} is no time")
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{name} is no time") from None
    if found.tzinfo is None:
        raise ValueError(f"{name} has no time zone")
    return int(found.timestamp())


def objects_in(record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of JSON objects."""
    value = record.get(name)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError(f"{name} is no list of objects")
    return value


def object_in(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A JSON object."""
    value = record.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object")
    return value


def texts_in(record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts; empty where the field is missing."""
    value = record.get(name) or []
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list of texts")
    return tuple(text_in({name: each}, name) for each in value)
