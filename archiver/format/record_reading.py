"""Records read from JSON that anybody may have written: what they say, or that they are damaged."""

from collections.abc import Callable, Mapping
from typing import Any

from archiver.errors import IntegrityError
from archiver.format.keys import parse_mail_key
from archiver.format.origin import origin_in
from archiver.format.records import (
    AccountSays,
    Archived,
    ArchivedPart,
    BatchName,
    CheckpointAt,
    Deleted,
    Gone,
    Held,
    Linked,
    ListedAgain,
    Moved,
    Record,
    Released,
    SharedHeader,
    Vanished,
)
from archiver.format.values import (
    count_in,
    digest_in,
    flag_in,
    object_in,
    objects_in,
    optional_count_in,
    optional_digest_in,
    optional_text_in,
    text_in,
    texts_in,
    time_in,
)
from archiver.model import Kind, Locator, Proof


def parse_record(record: Mapping[str, Any], name: str = "a manifest") -> Record | None:
    """What a record says, None for a kind that is unknown.

    Args:
        record: as it stands in a manifest, or a checkpoint.
        name: what to call that where the record is damaged.

    Raises:
        IntegrityError: a field is missing or cannot be meant.
    """
    read = _KINDS.get(record["kind"])
    if read is None:
        return None
    try:
        return read(record)
    except ValueError as error:
        raise IntegrityError(
            f"{name} cannot be decoded: in a record of kind {record['kind']}, {error}"
        ) from None


def _archived(record: Mapping[str, Any]) -> Archived:
    source = object_in(record, "source")
    digest = digest_in(record, "digest")
    raw = _locator(record, "raw", Kind.RAW, digest)
    archived_at, fetched_at = time_in(record, "archived_at"), time_in(record, "fetched_at")
    proof = _proof(record)
    if archived_at is None or fetched_at is None or proof is None:
        raise ValueError("a time or the proof is missing")
    return Archived(
        uidl=optional_text_in(record, "uidl"),
        digest=digest,
        header_digest=digest_in(record, "header_digest"),
        size=count_in(record, "size"),
        listed_size=optional_count_in(record, "listed_size"),
        host=optional_text_in(source, "host"),
        utf8=flag_in(source, "utf8"),
        anomalies=texts_in(source, "anomalies"),
        raw=raw,
        proof=proof,
        parts=tuple(_part(part) for part in objects_in(record, "parts")),
        fetched_at=fetched_at,
        archived_at=archived_at,
        batch=_batch(record) or batch_of(raw),
        origin=origin_in(record, source),
    )


def _part(part: Mapping[str, Any]) -> ArchivedPart:
    digest = digest_in(part, "digest")
    return ArchivedPart(digest, _locator(part, "locator", Kind.PART, digest), _proof(part))


def _linked(record: Mapping[str, Any]) -> Linked:
    return Linked(
        uidl=optional_text_in(record, "uidl"),
        digest=digest_in(record, "digest"),
        listed_size=optional_count_in(record, "listed_size"),
        batch=_batch(record),
        archived_at=time_in(record, "archived_at"),
    )


def _account(record: Mapping[str, Any]) -> AccountSays:
    return AccountSays(
        host=text_in(record, "host"),
        utf8=flag_in(record, "utf8"),
        distrusted=optional_text_in(record, "distrusted"),
        retires=bool(flag_in(record, "retires")),
    )


def _listed(record: Mapping[str, Any]) -> ListedAgain:
    return ListedAgain(
        uidl=optional_text_in(record, "uidl"),
        digest=digest_in(record, "digest"),
        listed_size=optional_count_in(record, "listed_size"),
    )


def _vanished(record: Mapping[str, Any]) -> Vanished:
    return Vanished(optional_text_in(record, "uidl"), digest_in(record, "digest"))


def _deleted(record: Mapping[str, Any]) -> Deleted:
    return Deleted(
        uidl=optional_text_in(record, "uidl"),
        digest=digest_in(record, "digest"),
        said=optional_text_in(record, "said"),
        at=time_in(record, "at"),
    )


def _gone(record: Mapping[str, Any]) -> Gone:
    return Gone(
        optional_text_in(record, "uidl"), digest_in(record, "digest"), time_in(record, "at")
    )


def _held(record: Mapping[str, Any]) -> Held:
    return Held(
        uidl=optional_text_in(record, "uidl"),
        digest=optional_digest_in(record, "digest"),
        listed_size=optional_count_in(record, "listed_size"),
        reason=optional_text_in(record, "reason"),
    )


def _released(record: Mapping[str, Any]) -> Released:
    return Released(
        uidl=optional_text_in(record, "uidl"),
        digest=optional_digest_in(record, "digest"),
        listed_size=optional_count_in(record, "listed_size"),
        reason=optional_text_in(record, "reason"),
        given_up=bool(flag_in(record, "given_up")),
    )


def _moved(record: Mapping[str, Any]) -> Moved:
    try:
        what = Kind(text_in(record, "what"))
    except ValueError:
        raise ValueError("what moved is neither raw nor part") from None
    digest = digest_in(record, "digest")
    old = optional_text_in(record, "from")
    return Moved(
        what=what,
        digest=digest,
        locator=_locator(record, "locator", what, digest),
        proof=_proof(record),
        at=time_in(record, "at"),
        old=None if old is None else _key_of(old, what, digest),
    )


def _checkpoint(record: Mapping[str, Any]) -> CheckpointAt:
    return CheckpointAt(
        count_in(record, "sequence"), digest_in(record, "digest"), text_in(record, "key")
    )


def _shared_header(record: Mapping[str, Any]) -> SharedHeader:
    return SharedHeader(digest_in(record, "header_digest"))


_KINDS: dict[str, Callable[[Mapping[str, Any]], Record]] = {
    "archived": _archived,
    "linked": _linked,
    "account": _account,
    "listed": _listed,
    "vanished": _vanished,
    "deleted": _deleted,
    "gone": _gone,
    "held": _held,
    "released": _released,
    "moved": _moved,
    "checkpoint": _checkpoint,
    "shared_header": _shared_header,
}


def batch_of(locator: Locator) -> BatchName:
    """The batch under whose prefix an object of ours lies.

    Raises:
        ValueError: its key is none of this format.
    """
    found = parse_mail_key(locator.key)
    if found is None:
        raise ValueError(f"{locator.key[:200]!r} is no key of this format")
    return BatchName(found.day, found.batch)


def _locator(record: Mapping[str, Any], name: str, kind: Kind, digest: str) -> Locator:
    """A locator of a whole object under the key that its digest and batch give."""
    given = object_in(record, name)
    key = _key_of(text_in(given, "key"), kind, digest)
    locator = Locator(
        key=key,
        length=count_in(given, "length"),
        offset=optional_count_in(given, "offset") or 0,
        codec=optional_text_in(given, "codec") or "identity",
        enc=optional_text_in(given, "enc"),
        etag=optional_text_in(given, "etag"),
        version_id=optional_text_in(given, "version_id"),
    )
    if locator.offset or locator.codec != "identity" or locator.enc is not None:
        raise ValueError(f"{key[:200]!r} is stored in a way that this version does not know")
    return locator


def _key_of(key: str, kind: Kind, digest: str) -> str:
    """A key under which these octets can lie."""
    found = parse_mail_key(key)
    if found is None or (found.kind, found.digest) != (kind, digest):
        raise ValueError(f"{key[:200]!r} is not where these octets can lie")
    return key


def _batch(record: Mapping[str, Any]) -> BatchName | None:
    text = optional_text_in(record, "batch")
    if text is None:
        return None
    day, slash, name = text.partition("/")
    if not (slash and day and name) or "/" in name:
        raise ValueError("batch is no batch")
    return BatchName(day, name)


def _proof(record: Mapping[str, Any]) -> Proof | None:
    text = optional_text_in(record, "proof")
    try:
        return None if text is None else Proof(text)
    except ValueError:
        raise ValueError("proof is none") from None
