"""Object Lock of an object that is named again: it must last as long as that of a new one.

An object that was stored once is not stored again, so its lock would end while mail that needs it
is still locked. S3 API reference: HeadObject and PutObjectRetention; a lock can be made longer at
any time, and its mode is left as it is.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Mode = Literal["GOVERNANCE", "COMPLIANCE"]

_WORTH_IT = timedelta(days=1)
"""A lock that ends no more than this too early is left alone: else each batch would ask again."""


def extend_lock(client: "S3Client", place: dict[str, Any], mode: Mode, days: int) -> bool:
    """Has the lock of an object last for so many days from now, if it ends before; whether it did.

    Args:
        client: whose requests they are.
        place: names the object: ``Bucket``, ``Key`` and, where there are versions, ``VersionId``.
        mode: of the lock, where the object has none yet.
        days: that a new object is locked for.

    Raises:
        BotoCoreError: the bucket cannot be reached.
        ClientError: it refuses, or there is no such object.
    """
    wanted = datetime.now(UTC) + timedelta(days=days)
    there = client.head_object(**place)
    until = there.get("ObjectLockRetainUntilDate")
    if until is not None and until >= wanted - _WORTH_IT:
        return False
    retention: Any = {"Mode": there.get("ObjectLockMode", mode), "RetainUntilDate": wanted}
    client.put_object_retention(**place, Retention=retention)
    return True
