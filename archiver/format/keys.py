"""The names of objects, made and taken apart.

Every key follows from what the ledger knows, and says by itself what the object is; a key that is
none of ours is told apart, since anybody may put an object into a bucket.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from archiver.model import Kind

STATE_PREFIX = "state/"
MAIL_PREFIX = "mail/"
MANIFESTS_PREFIX = "manifests/"
RAW_TYPE = "message/rfc822"

_DIGEST = "[0-9a-f]{64}"
_MAIL = re.compile(
    r"mail/(?P<account>[^/]+)/(?P<day>[0-9]{4}/[0-9]{2}/[0-9]{2})/(?P<batch>[^/]+)/"
    rf"(?:(?P<raw>{_DIGEST})\.eml|parts/(?P<part>{_DIGEST}))"
)
_MANIFEST = re.compile(
    r"manifests/(?P<account>[^/]+)/(?P<writer>[^/]+)/(?P<sequence>[0-9]{12})"
    r"(?:\.jsonl|-(?P<digest>[0-9a-f]{16})\.checkpoint\.jsonl)\.gz"
)


def account_segment(account: str) -> str:
    """The account id as one path segment of a key (RFC 3986 section 2.1, ``@`` kept)."""
    encoded = quote(account.lower(), safe="@")
    return encoded.replace(".", "%2E") if encoded.strip(".") == "" else encoded


@lru_cache(64)
def account_of_segment(segment: str) -> str | None:
    """The account whose segment this is, None if it is nobody's."""
    name = unquote(segment)
    return name if account_segment(name) == segment else None


def mail_prefix(account: str | None = None) -> str:
    """The prefix under which the mail of an account lies, or that of all of them."""
    return MAIL_PREFIX if account is None else f"{MAIL_PREFIX}{account_segment(account)}/"


def batch_prefix(account: str, day: str, batch: str) -> str:
    """The prefix under which all objects of a batch lie; ``day`` is ``yyyy-mm-dd``."""
    return f"{mail_prefix(account)}{day.replace('-', '/')}/{batch}/"


def raw_key(account: str, day: str, batch: str, digest: str) -> str:
    """The key of a message's raw octets."""
    return f"{batch_prefix(account, day, batch)}{digest}.eml"


def part_key(account: str, day: str, batch: str, digest: str) -> str:
    """The key of a part's decoded octets."""
    return f"{batch_prefix(account, day, batch)}parts/{digest}"


def lease_key(account: str) -> str:
    """The key of the lease by which machines agree who archives an account."""
    return f"{STATE_PREFIX}lease/{account_segment(account)}.json"


@dataclass(frozen=True, slots=True)
class MailKey:
    """What a key below ``mail/`` says; ``day`` is ``yyyy-mm-dd``."""

    account: str
    day: str
    batch: str
    kind: Kind
    digest: str


def parse_mail_key(key: str) -> MailKey | None:
    """What a key below ``mail/`` says, None for one that is not of this format."""
    match = _MAIL.fullmatch(key)
    account = None if match is None else account_of_segment(match["account"])
    if match is None or account is None:
        return None
    day = match["day"].replace("/", "-")
    if match["raw"] is not None:
        return MailKey(account, day, match["batch"], Kind.RAW, match["raw"])
    return MailKey(account, day, match["batch"], Kind.PART, match["part"])


def manifest_prefix(account: str) -> str:
    """The prefix under which the chains of an account lie."""
    return f"{MANIFESTS_PREFIX}{account_segment(account)}/"


def manifest_key(account: str, writer: str, sequence: int) -> str:
    """The key of one link of a writer's chain for an account."""
    return f"{manifest_prefix(account)}{writer}/{sequence:012d}.jsonl.gz"


def checkpoint_key(account: str, writer: str, sequence: int, digest: str) -> str:
    """The key of what was live behind manifest ``sequence`` of a writer's chain.

    It carries the first 16 digits of the digest of the stored octets: two attempts at a checkpoint,
    which may differ, never meet under one key.
    """
    name = f"{sequence:012d}-{digest[:16]}.checkpoint.jsonl.gz"
    return f"{manifest_prefix(account)}{writer}/{name}"


@dataclass(frozen=True, slots=True)
class ManifestKey:
    """What a key below ``manifests/`` says; ``checkpoint`` is what it carries of a digest.

    ``checkpoint`` is None for a link of the chain.
    """

    account: str
    writer: str
    sequence: int
    checkpoint: str | None = None


def parse_manifest_key(key: str) -> ManifestKey | None:
    """What a key below ``manifests/`` says, None for one that is not of this format."""
    match = _MANIFEST.fullmatch(key)
    account = None if match is None else account_of_segment(match["account"])
    if match is None or account is None or int(match["sequence"]) == 0:
        return None
    return ManifestKey(account, match["writer"], int(match["sequence"]), match["digest"])
