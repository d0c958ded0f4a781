"""Names of objects, made and taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.format import (
    MailKey,
    ManifestKey,
    account_of_segment,
    account_segment,
    batch_prefix,
    checkpoint_key,
    manifest_key,
    parse_mail_key,
    parse_manifest_key,
    part_key,
    raw_key,
)
from archiver.model import Kind
from archiver.store.contract import check_key

D = "ab" * 32


@pytest.mark.parametrize(
    ("account", "segment"),
    [
        ("Me@Example.com", "me@example.com"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "%2E%2E%2E"),
        ("..a", "..a"),
        ("ü", "%C3%BC"),
        ("a b%2Fc", "a%20b%252fc"),
        ("a\n\0?#", "a%0A%00%3F%23"),
    ],
)
def test_account_segments(account: str, segment: str) -> None:
    """An account of any name is one segment of a key, and never one that leads elsewhere."""
    assert account_segment(account) == segment
    check_key(raw_key(account, "2026-01-02", "b", "d"))


@given(one=st.text(min_size=1, max_size=6), other=st.text(min_size=1, max_size=6))
def test_account_segments_are_distinct(one: str, other: str) -> None:
    """Two accounts share a segment only when their names differ in case alone."""
    one, other = (name.encode("utf-8", "replace").decode() for name in (one, other))
    assert (account_segment(one) == account_segment(other)) is (one.lower() == other.lower())


def test_keys() -> None:
    """Keys are those of store format 1, which outlives this version."""
    assert raw_key("me@x.org", "2026-01-02", "b1", "d1") == "mail/me@x.org/2026/01/02/b1/d1.eml"
    assert part_key("me@x.org", "2026-01-02", "b1", "d1") == (
        "mail/me@x.org/2026/01/02/b1/parts/d1"
    )
    assert batch_prefix("me@x.org", "2026-01-02", "b1") == "mail/me@x.org/2026/01/02/b1/"
    assert manifest_key("me@x.org", "w", 12) == "manifests/me@x.org/w/000000000012.jsonl.gz"
    assert checkpoint_key("me@x.org", "w", 12, D) == (
        "manifests/me@x.org/w/000000000012-abababababababab.checkpoint.jsonl.gz"
    )


@given(account=st.text(min_size=1, max_size=6))
def test_keys_are_taken_apart(account: str) -> None:
    """A key says which account, batch, writer and octets it is of."""
    account = account.encode("utf-8", "replace").decode().lower()
    if account_segment(account) != account_segment(account.lower()):
        return
    day = "2026-01-02"
    assert parse_mail_key(raw_key(account, day, "b", D)) == MailKey(account, day, "b", Kind.RAW, D)
    assert parse_mail_key(part_key(account, day, "b", D)) == MailKey(
        account, day, "b", Kind.PART, D
    )
    assert parse_manifest_key(manifest_key(account, "w", 7)) == ManifestKey(account, "w", 7)
    assert parse_manifest_key(checkpoint_key(account, "w", 7, D)) == ManifestKey(
        account, "w", 7, D[:16]
    )


@pytest.mark.parametrize(
    "key",
    [
        "",
        "manifests/me/w/1.jsonl.gz",
        "manifests/me/w/000000000000.jsonl.gz",
        "manifests/me/w/000000000001.jsonl.gz.bak",
        "manifests/me/w/000000000001.jsonl.gz\n",
        "manifests/me/w/00000000000١.jsonl.gz",
        "manifests/me/w/x/000000000001.jsonl.gz",
        "manifests/Me/w/000000000001.jsonl.gz",
        "manifests/%6De/w/000000000001.jsonl.gz",
        "manifests/me/w/000000000001-ab.checkpoint.jsonl.gz",
        "manifests/me/w/000000000001.checkpoint.jsonl.gz",
        "mail/me/w/000000000001.jsonl.gz",
        "x/manifests/me/w/000000000001.jsonl.gz",
    ],
)
def test_foreign_below_manifests(key: str) -> None:
    """A name that this program does not give is told apart from those that it does."""
    assert parse_manifest_key(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        f"mail/me/2026/01/02/b/{D}",
        f"mail/me/2026/01/02/b/{D[:-1]}.eml",
        f"mail/me/2026/01/02/b/{D.upper()}.eml",
        f"mail/me/2026/01/02/b/parts/{D}.eml",
        f"mail/me/2026/1/2/b/{D}.eml",
        f"mail/me/2026/01/02/{D}.eml",
        f"mail/ME/2026/01/02/b/{D}.eml",
        f"mail/me/2026/01/02/b/../{D}.eml",
    ],
)
def test_foreign_below_mail(key: str) -> None:
    """A name that this program does not give to mail is told apart."""
    assert parse_mail_key(key) is None


def test_segment_of_nobody() -> None:
    """A segment that no account has is nobody's."""
    assert account_of_segment("a%2fb") is None
    assert account_of_segment("a%2Fb") == "a/b"
