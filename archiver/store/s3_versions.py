"""What a bucket that keeps versions holds of each object, from the pages of ListObjectVersions.

The S3 API reference has versions and delete markers follow one another by key, the newest first;
boto3 hands them out in two lists, which are put together again here.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from archiver.store.contract import Version

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BEFORE_VERSIONING = "null"
"""The version id of what was written while the bucket kept no versions."""


def list_versions(client: "S3Client", bucket: str, prefix: str, cut: int) -> Iterator[Version]:
    """Every version under a prefix, a page of up to 1,000 at a time.

    Args:
        client: whose requests they are.
        bucket: where.
        prefix: of the keys in the bucket.
        cut: how many characters of each key are the store's prefix, not part of its key.

    Raises:
        BotoCoreError: the bucket cannot be reached.
        ClientError: it refuses, or does not know the question.
    """
    marker: dict[str, Any] = {}
    while True:
        page = client.list_object_versions(Bucket=bucket, Prefix=prefix, **marker)
        found = [_version(entry, cut, is_marker=False) for entry in page.get("Versions", ())]
        found += [_version(entry, cut, is_marker=True) for entry in page.get("DeleteMarkers", ())]
        yield from sorted(found, key=_place)
        if not page.get("IsTruncated") or not page.get("NextKeyMarker"):
            return
        marker = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            marker["VersionIdMarker"] = page["NextVersionIdMarker"]


def _version(entry: Mapping[str, Any], cut: int, *, is_marker: bool) -> Version:
    version_id, is_latest = entry.get("VersionId"), bool(entry.get("IsLatest"))
    needs_none = is_latest and version_id == _BEFORE_VERSIONING
    return Version(
        entry["Key"][cut:],
        None if needs_none else version_id,
        entry.get("Size", 0),
        entry.get("ETag", "").strip('"') or None,
        is_latest=is_latest,
        is_delete_marker=is_marker,
        modified=entry["LastModified"].timestamp(),
    )


def _place(version: Version) -> tuple[bytes, bool, float]:
    assert version.modified is not None
    return version.key.encode(), not version.is_latest, -version.modified
