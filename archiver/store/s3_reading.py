"""Reading an object from a bucket: each octet once, up to its end or with an error.

A transfer that breaks goes on where it stopped, as long as the object is still the same. What ends
early must not pass for a whole object: the answer has to say beforehand how far it goes.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from archiver.errors import StoreError
from archiver.store.contract import CHUNK
from archiver.store.s3_client import ATTEMPTS
from archiver.store.s3_errors import BEYOND_END, TAKEN, Doing, code_of, explain

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_PARTIAL_CONTENT = 206
_EXTENT = re.compile(r"bytes (\d+)-(\d+)/(\d+)")  # RFC 9110 section 14.4


def read_object(
    client: "S3Client",
    name: str,
    doing: Doing,
    offset: int,
    end: int | None,
    version_id: str | None = None,
) -> Iterator[bytes]:
    """The octets of an object in chunks.

    Args:
        client: whose requests they are.
        name: the object's key, with the prefix.
        doing: for messages; names the bucket.
        offset: of the first octet.
        end: of the octet behind the last; None for all there are.
        version_id: which version; None for the newest.

    Raises:
        StoreError: it cannot be read to its end, or became another object meanwhile.
    """
    etag: str | None = None
    failures = 0
    while end is None or offset < end:
        answer = _ask(client, name, doing, (offset, end), etag, version_id)
        if answer is None:
            return
        body, etag = answer["Body"], answer.get("ETag")
        try:
            # Not "as body", which would be the stream below it, that does not miss what is cut off.
            with body:
                _check_extent(answer, doing, offset, end)
                while chunk := body.read(CHUNK):
                    yield chunk
                    offset += len(chunk)
                    failures = 0
            return
        except BotoCoreError as error:
            failures += 1
            if failures == ATTEMPTS:
                raise explain(error, doing) from error


def _ask(
    client: "S3Client",
    name: str,
    doing: Doing,
    extent: tuple[int, int | None],
    etag: str | None,
    version_id: str | None,
) -> "GetObjectOutputTypeDef | None":
    """The object from some octet on, None where it ends before."""
    offset, end = extent
    extra: dict[str, Any] = {}
    if offset or end is not None:
        extra["Range"] = f"bytes={offset}-{'' if end is None else end - 1}"
    if etag is not None:
        extra["IfMatch"] = etag
    if version_id is not None:
        extra["VersionId"] = version_id
    try:
        return client.get_object(Bucket=doing.bucket, Key=name, **extra)
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and code_of(error) in BEYOND_END:
            return None
        if isinstance(error, ClientError) and code_of(error) in TAKEN:
            raise StoreError(f"{doing.url} changed while it was read") from error
        raise explain(error, doing) from error


def _check_extent(
    answer: "GetObjectOutputTypeDef", doing: Doing, offset: int, end: int | None
) -> None:
    """Refuses an answer that gives less than was asked for, or does not say how much it gives.

    That as much comes as was said is seen to by botocore, and by HTTP's chunks.
    """
    metadata = answer["ResponseMetadata"]
    in_part = metadata["HTTPStatusCode"] == _PARTIAL_CONTENT
    if (offset or end is not None) and not in_part:
        raise StoreError(f"{doing.endpoint} does not give parts of objects")
    chunked = "transfer-encoding" in metadata.get("HTTPHeaders", {})
    said = _EXTENT.fullmatch(answer.get("ContentRange", ""))
    if said is not None:
        first, last, size = map(int, said.groups())
        whole = first == offset and last + 1 == min(size, size if end is None else end)
    else:
        whole = chunked or "ContentLength" in answer
    if not whole:
        raise StoreError(
            f"{doing.endpoint} gives {doing.url} only in part",
            hint="look at the server, and at proxies on the way to it",
        )
