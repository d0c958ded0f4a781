"""An S3-compatible bucket and prefix as a store; boto3 is known to the ``s3`` modules alone.

Every PUT says beforehand how long the octets are and what their MD5 and SHA-256 are: servers that
check either refuse damaged octets, and none has to read a streamed trailer, which older servers
answer with 411. ``If-None-Match: *`` keeps a write from overwriting where the server heeds it,
which ``probe`` finds out. A retry of botocore's may find its own first write, which ``look``
recognises.
"""

import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from archiver.config import StoreSettings
from archiver.errors import KeyTaken, StoreError
from archiver.format import STATE_PREFIX
from archiver.model import Payload
from archiver.store.contract import (
    Capabilities,
    Stat,
    Store,
    Version,
    check_key,
    check_range,
    check_state_key,
)
from archiver.store.payload import checked_body, payload_of
from archiver.store.presence import look
from archiver.store.s3_client import make_client
from archiver.store.s3_errors import (
    ABSENT,
    CONFLICT,
    FORBIDDEN,
    NOT_OFFERED,
    TAKEN,
    UNKNOWN,
    Doing,
    code_of,
    explain,
    status_of,
)
from archiver.store.s3_locks import extend_lock
from archiver.store.s3_reading import read_object
from archiver.store.s3_requests import PutShape, expecting, stat_of
from archiver.store.s3_versions import list_versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8)  # seconds before a write that met another is tried again
_OCTETS = "application/octet-stream"
_UNCONDITIONAL: Mapping[str, Any] = {}
_NO_ETAG = "0" * 32
_NOT_FOUND = 404
_PERMISSIONS = {
    "write": "s3:PutObject",
    "read": "s3:GetObject (and s3:ListBucket, which tells absent from forbidden)",
    "remove": "s3:DeleteObject",
    "lock": "s3:GetObject, s3:GetObjectRetention and s3:PutObjectRetention",
    "list": "s3:ListBucket",
    "list the versions of": "s3:ListBucketVersions",
}


def open_bucket(
    settings: StoreSettings,
    bucket: str,
    prefix: str,
    capabilities: Capabilities | None,
    connections: int,
) -> "S3Store":
    """Makes a client as boto3 finds its configuration, and a store of it.

    Raises:
        StoreError: the configuration found is unusable.
        UsageError: a setting is.
    """
    url = f"s3://{bucket}/{prefix}".rstrip("/")
    client = make_client(settings, bucket, url, connections)
    return S3Store(client, bucket, prefix, settings, capabilities)


def _refused(error: ClientError) -> bool:
    """False for the answer to a condition that does not hold; any other is an error."""
    if code_of(error) in TAKEN:
        return False
    raise error


class S3Store(Store):
    """Objects in a bucket; see ``open_bucket``."""

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        prefix: str,
        settings: StoreSettings,
        capabilities: Capabilities | None,
    ) -> None:
        """Asks nothing of the bucket yet."""
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self.capabilities = capabilities
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._shape = PutShape(bucket, settings)
        self._probing = threading.Lock()
        self._bucket_seen = False

    def probe(self) -> Capabilities:
        """See the contract; up to four PUTs, a HEAD, and the removal of what they left."""
        key = f"{STATE_PREFIX}probe-{secrets.token_hex(8)}"
        try:
            self.capabilities = self._probe(key)
        except (BotoCoreError, ClientError) as error:
            raise explain(error, self._doing("write", key)) from error
        return self.capabilities

    def _probe(self, key: str) -> Capabilities:
        first, second = payload_of(b"first\n"), payload_of(b"second\n")
        versions = [self._send(key, first, b"first\n").version_id]

        def overwrites(expected: str | None) -> bool | None:
            """Whether a PUT that expects this takes place; None where it is not understood."""
            try:
                written = self._send(key, second, b"second\n", condition=expecting(expected))
            except ClientError as error:
                return None if code_of(error) in NOT_OFFERED else _refused(error)
            versions.append(written.version_id)
            return True

        try:
            over_anything = overwrites(None)
            there = second if over_anything else first
            found = self._head(key)
            exchange = (
                over_anything is False
                and found is not None
                and found.etag is not None
                and overwrites(_NO_ETAG) is False
                and overwrites(found.etag) is True
            )
        finally:
            self._remove_versions(key, versions)
        return Capabilities(
            conditional=over_anything is False,
            md5_etag=found is not None and found.etag == there.md5.hex(),
            checksum=found is not None and found.sha256 == there.sha256,
            exchange=exchange,
        )

    def put(self, key: str, payload: Payload, *, content_type: str) -> Stat:
        """See the contract."""
        check_key(key)
        body = checked_body(payload)
        guarded = self._known().conditional
        for pause in _PAUSES:
            if pause:
                time.sleep(pause)
            if not guarded and (there := look(self, key, payload)) is not None:
                return there
            stat = self._try_put(key, payload, body, content_type, guarded=guarded)
            there = stat or look(self, key, payload)
            if there is not None:
                return there
        raise StoreError(
            f"{self.url}/{key} is being written and removed by somebody else",
            hint="see who else writes to this prefix",
        )

    def replace(self, key: str, octets: bytes) -> Stat:
        """See the contract."""
        check_state_key(key)
        try:
            return self._send(key, payload_of(octets), octets)
        except (BotoCoreError, ClientError) as error:
            raise explain(error, self._doing("write", key)) from error

    def exchange(self, key: str, octets: bytes, *, expected: str | None) -> Stat | None:
        """See the contract."""
        check_state_key(key)
        gives, payload = self._known(), payload_of(octets)
        guarded = gives.conditional if expected is None else gives.exchange
        if not guarded:
            there = self.head(key)
            if (there and there.etag) != expected:
                return self._ours(key, payload)
        try:
            guard = expecting(expected) if guarded else _UNCONDITIONAL
            return self._send(key, payload, octets, condition=guard)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and code_of(error) in TAKEN | CONFLICT | ABSENT:
                return self._ours(key, payload)
            raise explain(error, self._doing("write", key)) from error

    def _ours(self, key: str, payload: Payload) -> Stat | None:
        """What lies there, if it is the payload: the answer to an earlier write may be lost."""
        try:
            return look(self, key, payload)
        except KeyTaken:
            return None

    def remove(self, key: str) -> None:
        """See the contract."""
        check_state_key(key)
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and code_of(error) in ABSENT:
                return
            raise explain(error, self._doing("remove", key)) from error

    def withdraw(self, written: Stat) -> bool:
        """See the contract; a bucket that locks every object by default keeps what it was given."""
        check_state_key(written.key)
        try:
            return self._remove_versions(written.key, [written.version_id])
        except (BotoCoreError, ClientError) as error:
            raise explain(error, self._doing("remove", written.key)) from error

    def relock(self, key: str, version_id: str | None = None) -> bool:
        """See the contract."""
        check_key(key)
        lock = self._shape.lock
        if lock is None:
            return False
        place: dict[str, Any] = {"Bucket": self._bucket, "Key": self._prefix + key}
        if version_id is not None:
            place["VersionId"] = version_id
        try:
            return extend_lock(self._client, place, *lock)
        except (BotoCoreError, ClientError) as error:
            raise explain(error, self._doing("lock", key)) from error

    def list(self, prefix: str) -> Iterator[Stat]:
        """See the contract; a page holds up to 1,000."""
        token: str | None = None
        while True:
            extra: dict[str, Any] = {"ContinuationToken": token} if token else {}
            try:
                page = self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=self._prefix + prefix, **extra
                )
            except (BotoCoreError, ClientError) as error:
                raise explain(error, self._doing("list", prefix)) from error
            for found in page.get("Contents", ()):
                key = found["Key"][len(self._prefix) :]
                yield stat_of(key, found["Size"], found, self.capabilities)
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated") or not token:
                return

    def versions(self, prefix: str) -> Iterator[Version]:
        """See the contract; a server that does not know the question keeps none."""
        begins = self._prefix + prefix
        try:
            yield from list_versions(self._client, self._bucket, begins, len(self._prefix))
        except (BotoCoreError, ClientError) as error:
            if not isinstance(error, ClientError) or code_of(error) not in UNKNOWN:
                raise explain(error, self._doing("list the versions of", prefix)) from error
            yield from super().versions(prefix)

    def head(self, key: str) -> Stat | None:
        """See the contract."""
        check_key(key)
        return self._head(key)

    def read(
        self,
        key: str,
        *,
        offset: int = 0,
        length: int | None = None,
        version_id: str | None = None,
    ) -> Iterator[bytes]:
        """See the contract; a transfer that breaks goes on where it stopped."""
        check_key(key)
        check_range(offset, length)
        end = None if length is None else offset + length
        yield from read_object(
            self._client, self._prefix + key, self._doing("read", key), offset, end, version_id
        )

    def close(self) -> None:
        """See the contract."""
        self._client.close()

    def _known(self) -> Capabilities:
        with self._probing:
            return self.capabilities or self.probe()

    def _send(
        self,
        key: str,
        payload: Payload,
        body: bytes | None,
        content_type: str = _OCTETS,
        *,
        condition: Mapping[str, Any] = _UNCONDITIONAL,
    ) -> Stat:
        """One PUT; raises what botocore raises."""
        request = self._shape.request(
            key, self._prefix + key, payload, content_type, condition=condition
        )
        if body is not None:
            request["Body"] = body
            answer = self._client.put_object(**request)
        else:
            with payload.open() as stream:
                request["Body"] = stream
                answer = self._client.put_object(**request)
        return stat_of(key, payload.length, answer, self.capabilities)

    def _try_put(
        self, key: str, payload: Payload, body: bytes | None, content_type: str, *, guarded: bool
    ) -> Stat | None:
        """One PUT; None where another object, or another write, was in its way."""
        try:
            guard = expecting(None) if guarded else _UNCONDITIONAL
            return self._send(key, payload, body, content_type, condition=guard)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and code_of(error) in TAKEN | CONFLICT:
                return None
            raise explain(error, self._doing("write", key)) from error

    def _head(self, key: str) -> Stat | None:
        try:
            answer = self._client.head_object(
                Bucket=self._bucket, Key=self._prefix + key, ChecksumMode="ENABLED"
            )
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and status_of(error) == _NOT_FOUND:
                self._check_bucket()
                return None
            raise self._explain_head(error, key) from error
        self._bucket_seen = True
        return stat_of(key, answer["ContentLength"], answer, self.capabilities)

    def _check_bucket(self) -> None:
        """Tells a missing bucket from a missing object, which HEAD does not."""
        if self._bucket_seen:
            return
        try:
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        except (BotoCoreError, ClientError) as error:
            if not isinstance(error, ClientError) or code_of(error) not in FORBIDDEN:
                raise explain(error, self._doing("list", "")) from error
        self._bucket_seen = True

    def _explain_head(self, error: BotoCoreError | ClientError, key: str) -> StoreError:
        """The reason why HEAD was refused, which only the answer to a GET has room for."""
        doing = self._doing("read", key)
        if isinstance(error, ClientError):
            try:
                found = self._client.get_object(
                    Bucket=self._bucket, Key=self._prefix + key, Range="bytes=0-0"
                )
                found["Body"].close()
            except (BotoCoreError, ClientError) as better:
                return explain(better, doing)
        return explain(error, doing)

    def _remove_versions(self, key: str, versions: Iterable[str | None]) -> bool:
        """Removes an object and, where the bucket keeps versions, those that we made of it.

        False where only the name could be taken off, since a lock keeps the octets.
        """
        whole = True
        for version in versions:
            extra: dict[str, Any] = {"VersionId": version} if version else {}
            try:
                self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key, **extra)
            except ClientError:
                whole = False
                self.remove(key)
        return whole

    @property
    def _endpoint(self) -> str:
        return self._client.meta.endpoint_url

    def _doing(self, verb: str, key: str) -> Doing:
        url = f"{self.url}/{key}".rstrip("/")
        return Doing(verb, _PERMISSIONS[verb], url, self._bucket, self._endpoint)
