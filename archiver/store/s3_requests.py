"""What a PUT says beforehand, and what answers say about an object: pure functions.

Sources: S3 API reference, PutObject, HeadObject and "Checking object integrity". An ETag is the MD5
of the octets only for an object that was written in one piece and is not encrypted with KMS.
"""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from archiver.config import StoreSettings
from archiver.format import MAIL_PREFIX, STATE_PREFIX
from archiver.model import Payload
from archiver.store.contract import Capabilities, Stat
from archiver.store.s3_locks import Mode

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

_PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")
_SHA256_OCTETS = 32
_KMS = "aws:kms"


class PutShape:
    """The parts of a PUT that are the same for all objects; made once, copied for each call.

    ``lock`` is the Object Lock's mode and its days, None without one.

    What lies below ``state/`` is replaced and removed, so it gets no lock and no tags; a storage
    class is for what lies below ``mail/``.
    """

    def __init__(self, bucket: str, settings: StoreSettings) -> None:
        """Takes from the settings what concerns every PUT."""
        state: dict[str, Any] = {"Bucket": bucket, "ChecksumAlgorithm": "SHA256"}
        if settings.sse is not None:
            state["ServerSideEncryption"] = settings.sse
        if settings.kms_key is not None:
            state["SSEKMSKeyId"] = settings.kms_key
        archive = dict(state)
        if settings.tags:
            # A space as %20, since Ceph takes a plus sign for itself.
            archive["Tagging"] = urlencode(settings.tags, quote_via=quote)
        if settings.legal_hold:
            archive["ObjectLockLegalHoldStatus"] = "ON"
        self._state, self._archive = state, archive
        self._storage_class = settings.storage_class
        self.lock: tuple[Mode, int] | None = None
        if settings.lock_mode is not None and settings.lock_days is not None:
            self.lock = (cast("Mode", settings.lock_mode), settings.lock_days)

    def request(
        self,
        key: str,
        name: str,
        payload: Payload,
        content_type: str,
        *,
        condition: Mapping[str, Any],
    ) -> "PutObjectRequestTypeDef":
        """A PUT of a payload, still without its body.

        Args:
            key: as the contract has it.
            name: the same with the prefix.
            payload: whose digests go along.
            content_type: what the object is.
            condition: see ``expecting``; empty for none.
        """
        in_state = key.startswith(STATE_PREFIX)
        request: dict[str, Any] = {
            **(self._state if in_state else self._archive),
            **condition,
            "Key": name,
            "ContentLength": payload.length,
            "ContentType": content_type,
            "ContentMD5": base64.b64encode(payload.md5).decode("ascii"),
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(payload.sha256)).decode("ascii"),
        }
        if self.lock is not None and not in_state:
            request["ObjectLockMode"], days = self.lock
            request["ObjectLockRetainUntilDate"] = _days_from_now(days)
        # Manifests and format.json are read back in normal work, which cold classes do not allow.
        if self._storage_class is not None and key.startswith(MAIL_PREFIX):
            request["StorageClass"] = self._storage_class
        return cast("PutObjectRequestTypeDef", request)


def expecting(expected: str | None) -> dict[str, Any]:
    """What keeps a PUT from replacing anything but an object of this ETag; None for no object."""
    return {"IfNoneMatch": "*"} if expected is None else {"IfMatch": f'"{expected}"'}


def stat_of(
    key: str, size: int, answer: Mapping[str, Any], capabilities: Capabilities | None
) -> Stat:
    """What an answer, or an entry of a listing, says about an object."""
    etag = answer.get("ETag", "").strip('"') or None
    modified = answer.get("LastModified")
    return Stat(
        key,
        size,
        etag=etag,
        md5=etag if _is_md5(etag, answer, capabilities) else None,
        sha256=_sha256(answer.get("ChecksumSHA256")),
        version_id=answer.get("VersionId"),
        modified=None if modified is None else modified.timestamp(),
    )


def _is_md5(etag: str | None, answer: Mapping[str, Any], capabilities: Capabilities | None) -> bool:
    if etag is None or (capabilities is not None and not capabilities.md5_etag):
        return False
    encrypted = str(answer.get("ServerSideEncryption", "")).startswith(_KMS)
    own_key = "SSECustomerAlgorithm" in answer
    return _PLAIN_MD5.fullmatch(etag) is not None and not encrypted and not own_key


def _sha256(named: str | None) -> str | None:
    """The digest in hex; an object written in pieces has a digest of digests, which is none."""
    if named is None:
        return None
    try:
        octets = base64.b64decode(named, validate=True)
    except ValueError:
        return None
    return octets.hex() if len(octets) == _SHA256_OCTETS else None


def _days_from_now(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)
