"""From what a person wrote about a store to the store itself.

Settings are plain values that travel to worker processes; a store never does. The S3 client is
imported only for ``s3://``: it costs half a second and 50 MB.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from archiver.config import StoreSettings
from archiver.errors import StoreError, UsageError
from archiver.store.contract import Capabilities, Store, check_key

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_FORMS = "give s3://bucket/prefix or a directory"
_ENCRYPTION = (None, "AES256", "aws:kms")
_LOCK_MODES = (None, "GOVERNANCE", "COMPLIANCE")


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A bucket and the prefix in it, without slashes around; empty for the whole bucket."""

    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """An absolute path."""

    path: Path


@dataclass(frozen=True, slots=True)
class MemoryPlace:
    """The name that stores in this process share."""

    name: str


def place_of(url: str) -> BucketPlace | DirectoryPlace | MemoryPlace:
    """What a store's URL, or a path in its stead, names.

    Raises:
        UsageError: it names nothing that can be a store.
    """
    match = _SCHEME.fullmatch(url)
    if match is None:
        if not url or "\0" in url:
            raise UsageError("the store has no name", hint=_FORMS)
        return DirectoryPlace(Path(os.path.normpath(Path(url).expanduser().absolute())))
    scheme, rest = match[1].lower(), match[2]
    if scheme == "s3":
        return _bucket(url, rest)
    if scheme == "file":
        path = unquote(rest)
        if not path.startswith("/") or "\0" in path:
            raise UsageError(f"{url} is no absolute path", hint="write file:///path, or the path")
        return DirectoryPlace(Path(os.path.normpath(path)))
    if scheme == "memory":
        return MemoryPlace(rest)
    raise UsageError(f"{url} is no store that this program knows", hint=_FORMS)


def canonical_url(url: str) -> str:
    """The one way to write what ``url``, or a path in its stead, names; no two stores share it.

    Raises:
        UsageError: it names nothing that can be a store.
    """
    place = place_of(url)
    if isinstance(place, BucketPlace):
        return f"s3://{place.bucket}/{place.prefix}".rstrip("/")
    if isinstance(place, DirectoryPlace):
        return place.path.as_uri()
    return f"memory://{place.name}"


def open_store(
    settings: StoreSettings, *, capabilities: Capabilities | None = None, connections: int = 8
) -> Store:
    """Opens a store; nothing is asked of it yet.

    Args:
        settings: where it is and how to write there.
        capabilities: what ``probe`` found earlier; without them the first ``put`` probes.
        connections: how many threads will use it at once.

    Raises:
        UsageError: the settings do not name a store, or contradict each other.
        StoreError: there are no credentials, or no such profile or CA file.
    """
    place = place_of(settings.url)
    if isinstance(place, BucketPlace):
        _check_options(settings)
        from archiver.store.s3 import open_bucket

        return open_bucket(settings, place.bucket, place.prefix, capabilities, connections)
    if isinstance(place, DirectoryPlace):
        from archiver.store.directory import DirectoryStore

        return DirectoryStore(place.path, capabilities)
    from archiver.store.memory import MemoryStore

    return MemoryStore(place.name, capabilities)


def _bucket(url: str, rest: str) -> BucketPlace:
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket or ":" in bucket:
        raise UsageError(
            "a store's URL holds no credentials and no port",
            hint="credentials come from the AWS environment or a profile; a host is an endpoint",
        )
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{url} does not name a bucket", hint="write s3://bucket/prefix")
    prefix = prefix.strip("/")
    if prefix:
        try:
            check_key(prefix)
        except StoreError:
            raise UsageError(
                f"the prefix of {url} has an empty segment, or one of dots",
                hint="write s3://bucket/one/two",
            ) from None
    return BucketPlace(bucket, prefix)


def _check_options(settings: StoreSettings) -> None:
    if settings.sse not in _ENCRYPTION:
        raise UsageError(f"sse is {settings.sse!r}", hint="it can be AES256 or aws:kms")
    if settings.kms_key is not None and settings.sse != "aws:kms":
        raise UsageError("a KMS key is given, but sse is not aws:kms", hint='set sse = "aws:kms"')
    if settings.lock_mode not in _LOCK_MODES:
        raise UsageError(
            f"the lock mode is {settings.lock_mode!r}", hint="it can be GOVERNANCE or COMPLIANCE"
        )
    if (settings.lock_mode is None) != (settings.lock_days is None):
        raise UsageError("an object lock has both a mode and days", hint="set both, or neither")
    if settings.lock_days is not None and settings.lock_days < 1:
        raise UsageError(f"{settings.lock_days} lock days", hint="an object lock lasts 1 or more")
