"""What a listing shows of objects that are named, and which objects a sample takes."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest

from archiver.errors import UsageError
from archiver.ledger.naming import Named
from archiver.model import Kind, Locator
from archiver.store import Version
from archiver.verbs.audit import parse_sample
from archiver.verbs.audit.objects import Verdict, judge, side_by_side, verdict_on

ONE, OTHER = "1" * 32, "2" * 32
NAMED = Named("me", Kind.RAW, "ab" * 32, Locator("k", 10, etag=ONE))
UNHASHED = replace(NAMED, locator=Locator("k", 10, etag="x-1", version_id="v1"))
TODAY = date(2026, 5, 28)


def version(
    etag: str | None = ONE, size: int = 10, version_id: str | None = None, key: str = "k"
) -> Version:
    """An object as it is listed."""
    return Version(
        key, version_id, size, etag, is_latest=True, is_delete_marker=False, modified=0.0
    )


def marker(key: str = "k") -> Version:
    """What hides an object."""
    return Version(key, "d", 0, None, is_latest=True, is_delete_marker=True, modified=0.0)


def test_side_by_side() -> None:
    """Names and objects are joined by key in the order of octets, whichever comes first."""
    names = [replace(NAMED, locator=Locator(key, 1)) for key in ("a", "b/1", "b0", "\U00010000")]
    stored = [version(key=key) for key in ("Z", "a", "a", "b0", "b1", "\uffff", "\U00010000")]
    joined = [
        (None if named is None else named.locator.key, [one.key for one in versions])
        for named, versions in side_by_side(names, stored)
    ]
    assert joined == [
        (None, ["Z"]),
        ("a", ["a", "a"]),
        ("b/1", []),
        ("b0", ["b0"]),
        (None, ["b1"]),
        (None, ["\uffff"]),
        ("\U00010000", ["\U00010000"]),
    ]
    assert [len(versions) for _, versions in side_by_side(names, [])] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("named", "versions", "trouble", "in_doubt", "sound"),
    [
        (NAMED, [version()], None, False, None),
        (NAMED, [], "missing", False, None),
        (NAMED, [version(size=9)], "size", False, None),
        (NAMED, [version(OTHER)], None, True, None),
        # An ETag that is no MD5 says nothing.
        (NAMED, [version("x-2")], None, False, None),
        (NAMED, [version(None)], None, False, None),
        # Written over: with the same octets, with others, or deleted.
        (NAMED, [version(version_id="v2"), version(version_id="v1")], None, False, "v1"),
        (NAMED, [version(OTHER, version_id="v2"), version(version_id="v1")], None, True, "v1"),
        (NAMED, [version(size=9), version(version_id="v1")], "replaced", False, "v1"),
        (NAMED, [version(size=9), version(OTHER, version_id="v1")], "size", False, None),
        (NAMED, [marker(), version(version_id="v1")], "hidden", False, "v1"),
        (NAMED, [marker(), version(OTHER, version_id="v1")], "missing", False, None),
        (NAMED, [marker(), marker()], "missing", False, None),
        # Without an MD5 the recorded version decides, or else that which was written first.
        (UNHASHED, [version("x-1", version_id="v1")], None, False, None),
        (UNHASHED, [version("x-2", version_id="v2"), version(version_id="v1")], None, True, "v1"),
        (UNHASHED, [version("x-1", version_id="v1"), version(version_id="v0")], None, False, "v0"),
        (
            replace(UNHASHED, locator=Locator("k", 10, etag="x-1")),
            [version("x-3", version_id="v3"), version("x-2", version_id="v2"), version("x-1")],
            None,
            True,
            None,
        ),
    ],
    ids=range(17),
)
def test_judge(
    named: Named, versions: list[Version], trouble: str | None, in_doubt: bool, sound: str | None
) -> None:
    """A listing shows what is missing, cut or written over, and where only octets can tell."""
    verdict = judge(named, versions)
    assert (verdict.trouble, verdict.in_doubt, verdict.sound) == (trouble, in_doubt, sound)
    assert bool(verdict.what) == bool(trouble)


def test_octets_decide() -> None:
    """An object is what its octets are, whatever the listing said."""
    doubt = Verdict(in_doubt=True)
    assert verdict_on(NAMED, doubt, 10, NAMED.digest) == Verdict()
    assert verdict_on(NAMED, Verdict(), 10, "cd" * 32).trouble == "octets"
    assert verdict_on(NAMED, Verdict(), 9, "cd" * 32).trouble == "size"
    over = verdict_on(NAMED, Verdict(in_doubt=True, sound="v1"), 10, "cd" * 32)
    assert (over.trouble, over.sound) == ("replaced", "v1")
    assert "version v1 still holds" in over.what


DIGESTS = [f"{n * 0x9E3779B97F4A7C15 % (1 << 256):064x}" for n in range(1, 2_001)]


def test_turns_cover_everything() -> None:
    """Over as many days in a row as there are parts, each object is read exactly once."""
    met: Counter[str] = Counter()
    for day in range(30):
        sample = parse_sample("1/30", today=TODAY + timedelta(days=day), seed=day)
        met.update(digest for digest in DIGESTS if sample.takes(digest))
    assert met == Counter(DIGESTS)


def test_shares() -> None:
    """A share takes about as much as it says, the same again with its seed, and other otherwise."""
    one = parse_sample("5%", today=TODAY, seed=1)
    taken = {digest for digest in DIGESTS if one.takes(digest)}
    assert 40 < len(taken) < 200
    again = parse_sample(" 5.0 % ", today=TODAY + timedelta(days=1), seed=1)
    assert {digest for digest in DIGESTS if again.takes(digest)} == taken
    other = parse_sample("5%", today=TODAY, seed=2)
    assert {digest for digest in DIGESTS if other.takes(digest)} != taken
    assert all(parse_sample("100%", today=TODAY, seed=1).takes(digest) for digest in DIGESTS)
    assert str(one) == "5% drawn with seed 1"
    assert str(parse_sample("1/30", today=TODAY, seed=1)).startswith("1/30, part ")


@pytest.mark.parametrize("text", ["", "5", "0%", "101%", "1/0", "2/30", "-5%", "1/x", "five%"])
def test_no_sample(text: str) -> None:
    """Anything else is no sample."""
    with pytest.raises(UsageError, match="no sample"):
        parse_sample(text, today=TODAY, seed=1)
